import type { Note } from "../core/node/contract.ts";

export type LogLevel = Note["level"];
export type LogFormat = "text" | "json";
const logLevels = ["debug", "info", "warning", "error"] as const satisfies readonly LogLevel[];

export type Log = (level: LogLevel, reason: string, message: string) => void;

export type LogOptions = {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly node: string;
  readonly write: (line: string) => void;
};

/** One line per event, for people (`text`) or machines (`json`); below `level` nothing is written. */
export function createLog({ level, format, node, write }: LogOptions): Log {
  const least = logLevels.indexOf(level);
  return (at, reason, message) => {
    if (logLevels.indexOf(at) < least) return;
    const time = new Date().toISOString();
    write(
      format === "json"
        ? `${JSON.stringify({ time, level: at, node, reason, message })}\n`
        : `${time} ${at.padEnd(7)} ${reason}: ${oneLine(message)}\n`,
    );
  };
}

/** Texts may come from peers: they must not be able to forge a line of their own. */
function oneLine(message: string): string {
  // oxlint-disable-next-line no-control-regex
  return message.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (unit) =>
    unit === "\n" ? " | " : `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
