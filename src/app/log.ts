import type { TimedNote } from "./driver.ts";
import type { Config } from "./config.ts";

const levels: readonly TimedNote["level"][] = ["debug", "info", "warning", "error"];

/** Lines on stderr: time, level, reason, message; or the same as JSON. */
export function createLog(least: Config["logLevel"], format: Config["logFormat"]): (note: TimedNote) => void {
  const from = levels.indexOf(least);
  return (note) => {
    if (levels.indexOf(note.level) < from) return;
    const time = new Date(note.at).toISOString();
    const { level, reason, message, about } = note;
    process.stderr.write(
      format === "json"
        ? `${JSON.stringify({ time, level, reason, message, ...(about === undefined ? {} : { about }) })}\n`
        : `${time} ${level.padEnd(7)} ${reason}: ${message}\n`,
    );
  };
}
