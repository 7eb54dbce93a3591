import assert from "node:assert/strict";
import { execFile, type ExecFileOptions } from "node:child_process";
import { program } from "../../src/cli/demo/fleet.ts";

/** Programs as people and scripts meet them: a process, its output and its exit code. */

export type Ran = { readonly code: number; readonly out: string; readonly err: string };

/** Runs a program to its end; never throws for what the program itself says. */
export function runProgram(
  file: string,
  args: readonly string[],
  options: Pick<ExecFileOptions, "env" | "timeout" | "maxBuffer">,
  input = "",
): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(file, args, { ...options, encoding: "utf8" }, (error, out, err) =>
      resolve({ code: error === null ? 0 : typeof error.code === "number" ? error.code : 1, out, err }),
    );
    child.stdin?.end(input);
  });
}

/** Runs `starlight`. */
export const run = (args: readonly string[], input = "", env: NodeJS.ProcessEnv = {}): Promise<Ran> =>
  runProgram(
    process.execPath,
    [program, ...args],
    { timeout: 60_000, env: { ...process.env, ...env } },
    input,
  );

/** What it printed; fails with what it complained about. */
export function done(ran: Ran): string {
  assert.equal(ran.code, 0, `${ran.err}${ran.out}`);
  return ran.out;
}
