import { CommandError } from "./command-error.ts";

/** What commands print: tables for people, JSON and YAML for programs. */
export type Format = "table" | "wide" | "json" | "yaml" | "name" | "dot";

/** @param takes What the command prints besides a table. */
export function formatOf(
  text: string | undefined,
  takes: readonly Format[] = ["json", "yaml", "wide"],
): Format {
  if (text === undefined) return "table";
  const found = takes.find((format) => format === text);
  if (found !== undefined) return found;
  const known = `${takes.slice(0, -1).join(", ")} or ${takes.at(-1) ?? ""}`;
  throw new CommandError("usage", `-o ${text}: use ${known}`);
}

export function print(text: string): void {
  process.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
}

/** Text that others wrote, without what a terminal would obey. */
export const printable = (text: string): string => text.replaceAll(/\p{Cc}/gu, "?");

export async function printValue(value: unknown, format: Format): Promise<boolean> {
  if (format === "json") print(JSON.stringify(value, undefined, 2));
  else if (format === "yaml") {
    const { stringify } = await import("yaml");
    print(stringify(value));
  } else return false;
  return true;
}

/** Columns padded to their widest cell, three spaces apart, as kubectl prints them. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header.map((cell) => cell.toUpperCase()), ...rows];
  const widths = header.map((_, at) => Math.max(...all.map((row) => (row[at] ?? "").length)));
  return all
    .map((row) =>
      row
        .map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0)))
        .join("   ")
        .trimEnd(),
    )
    .join("\n");
}

const colours = { bold: "1", dim: "2", red: "31", green: "32", yellow: "33", cyan: "36" } as const;

/** Colour on a terminal, and only there; NO_COLOR (no-color.org) turns it off. */
export function paint(colour: keyof typeof colours, text: string): string {
  const on = process.stdout.isTTY && process.env["NO_COLOR"] === undefined;
  return on ? `\u001B[${colours[colour]}m${text}\u001B[0m` : text;
}

export function age(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return "never";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
