import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The command line as people meet it: a process, its output and its exit code. */
export type Ran = { readonly code: number; readonly out: string; readonly err: string };

const program = fileURLToPath(new URL("../../bin/starlight.mjs", import.meta.url));

export function run(args: readonly string[], input = ""): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [program, ...args], { timeout: 30_000 }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err }),
    );
    child.stdin?.end(input);
  });
}

/** What it printed; fails with what it complained about. */
export function outOf(ran: Ran): string {
  assert.equal(ran.code, 0, ran.err);
  return ran.out;
}
