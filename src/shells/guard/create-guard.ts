import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { ProcessId } from "../runtime-process/processes.ts";
import { createBootClock } from "./boot-clock.ts";
import { readLines, socketName, type FromGuard, type ToGuard } from "./protocol.ts";

/** The agent's end of the guard: starts it when it is needed, finds it again, and tells it all it knows. */
export type Guard = {
  /** True once the guard ends this process when its time is over; false when the time is over already. */
  readonly watch: (uid: string, process: ProcessId, cgroupKill: string, deadline: number) => Promise<boolean>;
  readonly arm: (uid: string, deadline: number) => void;
  readonly forget: (uid: string) => void;
  /** Lets go of the guard, which goes on. */
  readonly close: () => void;
};

type Known = {
  deadline: number;
  readonly watched: Map<number, { readonly process: ProcessId; readonly cgroupKill: string }>;
};

const retryMs = 200;
/** SIGTERM comes this part of the remaining time before SIGKILL, and at most so long. */
const termPart = 0.2;
const termMaxMs = 2_000;
const answerMs = 2_000;

export function createGuard(directory: string, log: (message: string) => void): Guard {
  const clock = createBootClock();
  const known = new Map<string, Known>();
  const waiting = new Map<string, (ok: boolean) => void>();
  let socket: Socket | undefined;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let starts = 0;

  const say = (message: ToGuard): void => void socket?.write(`${JSON.stringify(message)}\n`);
  const termAt = (deadline: number): number =>
    deadline - Math.min(termMaxMs, Math.max(0, deadline - clock.now()) * termPart);

  const sayAll = (): void => {
    for (const [uid, { deadline, watched }] of known) {
      for (const { process: id, cgroupKill } of watched.values()) {
        say({ type: "watch", uid, process: id, cgroupKill, deadline, termAt: termAt(deadline) });
      }
    }
  };

  const open = (): void => {
    if (closed || socket !== undefined || known.size === 0) return;
    const opening = dialIn(directory);
    socket = opening;
    opening.unref();
    opening.on("connect", sayAll);
    opening.on("error", () => {});
    opening.on("close", () => {
      if (socket === opening) socket = undefined;
      if (closed || known.size === 0) return;
      if (starts++ % 10 === 0) startGuard(directory, log);
      timer = setTimeout(open, retryMs);
      timer.unref();
    });
    readLines<FromGuard>(opening, ({ uid, pid, ok }) => waiting.get(`${uid} ${pid}`)?.(ok));
  };

  return {
    watch: (uid, id, cgroupKill, deadline) =>
      new Promise((resolve) => {
        const pod = known.get(uid) ?? { deadline, watched: new Map() };
        known.set(uid, pod);
        pod.deadline = Math.max(pod.deadline, deadline);
        pod.watched.set(id.pid, { process: id, cgroupKill });
        const key = `${uid} ${id.pid}`;
        const done = (ok: boolean): void => {
          clearTimeout(late);
          waiting.delete(key);
          resolve(ok);
        };
        const late = setTimeout(() => done(false), answerMs);
        waiting.set(key, done);
        if (socket?.readyState === "open") {
          say({
            type: "watch",
            uid,
            process: id,
            cgroupKill,
            deadline: pod.deadline,
            termAt: termAt(pod.deadline),
          });
        } else open();
      }),
    arm: (uid, deadline) => {
      const pod = known.get(uid);
      if (pod === undefined || deadline <= pod.deadline) return;
      pod.deadline = deadline;
      say({ type: "arm", uid, deadline, termAt: termAt(deadline) });
    },
    forget: (uid) => {
      known.delete(uid);
      say({ type: "forget", uid });
    },
    close: () => {
      closed = true;
      clearTimeout(timer);
      socket?.destroy();
    },
  };
}

/** Through the folder's descriptor, because the path of a socket may have 107 bytes at most. */
function dialIn(directory: string): Socket {
  const folder = openSync(directory, "r");
  const socket = connect(`/proc/self/fd/${folder}/${socketName}`);
  const done = (): void => closeSync(folder);
  socket.once("connect", done);
  socket.once("error", done);
  return socket;
}

function startGuard(directory: string, log: (message: string) => void): void {
  const program = fileURLToPath(new URL(`./guard-main${extname(import.meta.url)}`, import.meta.url));
  const flags = [
    "--max-semi-space-size=1",
    "--max-old-space-size=32",
    "--disable-warning=ExperimentalWarning",
  ];
  const child = spawn(process.execPath, [...flags, program], {
    cwd: directory,
    detached: true,
    stdio: "ignore",
    env: {},
  });
  child.on("error", (error) => log(`the guard could not be started: ${error.message}`));
  child.unref();
}
