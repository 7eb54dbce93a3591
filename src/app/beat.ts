import { writeFileSync } from "node:fs";

const beatEveryMs = 2_000;

/**
 * Tells the supervisor (bin/supervise.sh) that this process still turns, and ends it when the supervisor is
 * gone: another one may be about to start the next agent.
 */
export function beatForSupervisor(file: string | undefined, orphaned: () => void): void {
  if (file === undefined || file === "") return;
  const parent = process.ppid;
  let count = 0;
  const beat = (): void => {
    if (process.ppid !== parent) return orphaned();
    try {
      writeFileSync(file, `${++count}\n`);
    } catch {
      // Its folder went with it; the parent says so at the next beat.
    }
  };
  beat();
  setInterval(beat, beatEveryMs).unref();
}
