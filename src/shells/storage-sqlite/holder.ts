import { readFileSync, rmSync, writeFileSync } from "node:fs";

/**
 * A note beside the database that says which process has it open. It only names: the lock itself is the
 * kernel's, so a note that could not be written, or that a killed process left, does no harm.
 */
export function nameHolder(path: string): () => void {
  const file = noteOf(path);
  try {
    writeFileSync(file, `${process.pid} ${startOf(process.pid) ?? ""}\n`, { mode: 0o600 });
  } catch {
    return () => undefined;
  }
  return () => rmSync(file, { force: true });
}

/** The process that holds the database, if its note is true: a reused process id started later. */
export function holderOf(path: string): string | undefined {
  try {
    const [pid = "", start = ""] = readFileSync(noteOf(path), "utf8").trim().split(" ");
    return startOf(Number(pid)) === start ? `process ${pid}` : undefined;
  } catch {
    return undefined;
  }
}

const noteOf = (path: string): string => `${path}.holder`;

/** When a process started, in clock ticks since boot: field 22 of proc_pid_stat(5). */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
