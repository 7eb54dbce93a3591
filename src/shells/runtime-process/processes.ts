import { spawn, type ChildProcess } from "node:child_process";
import { accessSync, closeSync, constants, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

/** A process named so that a recycled id is not mistaken for it: id and start time in ticks since boot. */
export type ProcessId = { readonly pid: number; readonly startTicks: string };

export const startTicksOf = (pid: number): string | undefined => livingOf(pid)?.startTicks;

type Stat = {
  readonly ended: boolean;
  readonly group: number;
  readonly startTicks: string;
  readonly residentPages: number;
};

/** Also of a process that ended, until its parent has waited for it. */
function statOf(pid: number): Stat | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // proc_pid_stat(5); fields count from the third, the state.
    return {
      ended: fields[0] === "Z",
      group: Number(fields[2]),
      startTicks: fields[19] ?? "",
      residentPages: Number(fields[21] ?? 0),
    };
  } catch {
    return undefined;
  }
}

function livingOf(pid: number): Stat | undefined {
  const stat = statOf(pid);
  return stat?.ended === false ? stat : undefined;
}

export const isRunning = ({ pid, startTicks }: ProcessId): boolean => startTicksOf(pid) === startTicks;

/** The size of a page: 4 KiB on most machines, 16 or 64 KiB on some with ARM. `AT_PAGESZ` of getauxval(3). */
function pageSize(): number {
  const pageSizeType = 6n;
  try {
    const vector = readFileSync("/proc/self/auxv");
    for (let at = 0; at + 16 <= vector.length; at += 16) {
      if (vector.readBigUInt64LE(at) === pageSizeType) return Number(vector.readBigUInt64LE(at + 8));
    }
  } catch {
    // No Linux, and no other /proc entries either.
  }
  return 4096;
}

/** Which processes run now, by process group, and the memory of each that is resident, in bytes. */
export type Resident = {
  readonly byProcess: ReadonlyMap<number, number>;
  readonly byGroup: ReadonlyMap<number, ReadonlySet<number>>;
};

/** Of all processes of this machine. What processes share counts for each of them. */
export function residentMemory(): Resident {
  const pageBytes = pageSize();
  const byProcess = new Map<number, number>();
  const byGroup = new Map<number, Set<number>>();
  for (const name of readdirSync("/proc")) {
    const stat = /^\d+$/.test(name) ? livingOf(Number(name)) : undefined;
    if (stat === undefined) continue;
    byProcess.set(Number(name), stat.residentPages * pageBytes);
    const members = byGroup.get(stat.group) ?? new Set<number>();
    byGroup.set(stat.group, members.add(Number(name)));
  }
  return { byProcess, byGroup };
}

/** Whether anything of the process group is left: its members may outlive the process it is named after. */
export function isGroupRunning(id: ProcessId): boolean {
  if (isRunning(id)) return true;
  if (isRecycled(id)) return false;
  return readdirSync("/proc").some((name) => /^\d+$/.test(name) && livingOf(Number(name))?.group === id.pid);
}

/** While a group has members its id is given to no new process, so another process of that id says it is gone. */
const isRecycled = ({ pid, startTicks }: ProcessId): boolean =>
  (startTicksOf(pid) ?? startTicks) !== startTicks;

/** Signals the whole process group, if it is still the one we know. */
export function signalGroup(id: ProcessId, signal: NodeJS.Signals): void {
  if (isRecycled(id)) return;
  try {
    process.kill(-id.pid, signal);
  } catch {
    // It ended in between.
  }
}

export type Program = {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: { readonly [name: string]: string };
  readonly logFile: string;
  /** Where the exit code is left for an agent that was away. */
  readonly exitFile: string;
  readonly joinFiles: readonly string[];
  /** Asked with the process before the program may run in it; it runs only after a yes. */
  readonly admit?: ((id: ProcessId) => Promise<boolean>) | undefined;
};

/**
 * The leader of the process group: a shell of about 1 MB that joins the control groups, runs the program
 * and leaves its exit code. It outlives the agent; signals to the group reach the program itself, and the
 * trap keeps the shell alive to note the code. What the shell itself has to say ("Terminated") is not for
 * the log.
 */
const shim = `exit_file=$1; shift
if [ "$1" = wait ]; then read -r go; [ "$go" = go ] || exit 143; exec </dev/null; fi; shift
while [ "$1" != -- ]; do echo $$ > "$1" 2>/dev/null; shift; done; shift
trap : TERM INT HUP QUIT
exec 3>&2 2>/dev/null
(exec "$@" 2>&3 3>&-)
code=$?
echo $code > "$exit_file.new" && mv "$exit_file.new" "$exit_file"
exit $code`;

export function startProgram(program: Program): { readonly child: ChildProcess; readonly id: ProcessId } {
  rmSync(program.exitFile, { force: true });
  const gate = program.admit === undefined ? "go" : "wait";
  const log = openSync(program.logFile, "a", 0o600);
  try {
    const child = spawn(
      "/bin/sh",
      ["-c", shim, "starlight-pod", program.exitFile, gate, ...program.joinFiles, "--", ...program.argv],
      {
        cwd: program.cwd,
        env: program.env,
        detached: true,
        stdio: [gate === "wait" ? "pipe" : "ignore", log, log],
      },
    );
    child.on("error", () => {});
    child.unref();
    const pid = child.pid;
    // A quick program may have ended by now, which is not a failure to start.
    const startTicks = pid === undefined ? undefined : statOf(pid)?.startTicks;
    if (pid === undefined || startTicks === undefined) throw new Error("the process could not be started");
    const id = { pid, startTicks };
    // If we die in between, the pipe closes and the program never runs.
    void program.admit?.(id).then((ok) => child.stdin?.end(ok ? "go\n" : ""));
    child.stdin?.on("error", () => {});
    return { child, id };
  } finally {
    closeSync(log);
  }
}

/** The code a program ended with; 137 when its shim was killed before it could note one. */
export function exitCodeOf(exitFile: string): number {
  try {
    const code = Number(readFileSync(exitFile, "utf8").trim());
    return Number.isInteger(code) ? Math.min(255, Math.max(0, code)) : 137;
  } catch {
    return 137;
  }
}

/** The file a command stands for, looked up as a shell would; undefined when there is none. */
export function findProgram(command: string, path: string, cwd: string): string | undefined {
  const candidates = command.includes("/")
    ? [command.startsWith("/") ? command : join(cwd, command)]
    : path.split(":").map((folder) => join(folder, command));
  return candidates.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Kubernetes' `$(NAME)` in commands and values; `$$` is a dollar, unknown names stay as they are. */
export function expand(text: string, env: { readonly [name: string]: string }): string {
  return text.replace(/\$(\$|\(([A-Za-z_][A-Za-z0-9_.-]*)\))/g, (whole, _kind, name: string | undefined) =>
    name === undefined ? "$" : (env[name] ?? whole),
  );
}
