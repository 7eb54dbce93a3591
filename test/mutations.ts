import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { mutations, whyUnfit } from "./mutants/all.ts";
import type { Mutation } from "./mutants/mutation.ts";

/**
 * Breaks the code on purpose, one rule at a time, and sees whether the simulator or the tests named notice: a
 * check that lets a broken rule pass is worth nothing. `npm run mutate`; exits 1 when a mutation survives.
 */

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({
  options: { seeds: { type: "string", default: "10" }, only: { type: "string", default: "" } },
});
const chosen = mutations.filter(({ name }) => name.includes(values.only));
const survivors: string[] = [];
const queue = [...chosen];
const sources = mkdtempSync(join(tmpdir(), "starlight-mutations-"));
// As they are now: whoever goes on working meanwhile changes nothing of what is tried.
cpSync(join(here, "../src"), sources, { recursive: true });
try {
  for (const mutation of mutations) {
    const unfit = whyUnfit(mutation, sources);
    if (unfit !== undefined) throw new Error(unfit);
  }
  await mustPass([...new Set(chosen.flatMap(({ tests = [] }) => tests))]);
  await Promise.all([worker(), worker()]);
} finally {
  rmSync(sources, { recursive: true, force: true });
}
process.stdout.write(`${chosen.length - survivors.length} of ${chosen.length} mutations noticed\n`);
process.exitCode = survivors.length === 0 ? 0 : 1;

/** Tests that fail anyway notice nothing. */
async function mustPass(tests: readonly string[]): Promise<void> {
  if (tests.length === 0) return;
  const failure = await withSources((folder) =>
    complaintOf(["--test", "--test-reporter=tap"], tests, folder),
  );
  if (failure !== undefined) throw new Error(`without any mutation: ${failure}`);
}

async function worker(): Promise<void> {
  for (let mutation = queue.shift(); mutation !== undefined; mutation = queue.shift()) {
    const verdict = await trial(mutation);
    if (verdict === undefined) survivors.push(mutation.name);
    process.stdout.write(`${verdict === undefined ? "SURVIVED" : "noticed "}  ${mutation.name}\n`);
    if (verdict !== undefined) process.stdout.write(`            ${verdict}\n`);
  }
}

/** The first violation that the mutated code shows; undefined when it shows none. */
async function trial({ file, from, to, tests, flags = [] }: Mutation): Promise<string | undefined> {
  return withSources((folder) => {
    const target = join(folder, file);
    writeFileSync(
      target,
      readFileSync(target, "utf8").replace(from, () => to),
    );
    if (tests !== undefined) return complaintOf(["--test", "--test-reporter=tap"], tests, folder);
    const usual = ["--seeds", values.seeds, "--nodes", "8", "--storm-s", "60", "--calm-s", "60"];
    // Of a flag that is given twice the last one counts.
    return complaintOf([], ["sim/main.ts"], folder, [...usual, ...flags, "--until-failed"]);
  });
}

/** A copy of the sources that may be changed. */
async function withSources<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "starlight-mutation-"));
  try {
    cpSync(sources, join(folder, "src"), { recursive: true });
    symlinkSync(join(here, "../node_modules"), join(folder, "node_modules"));
    writeFileSync(join(folder, "package.json"), '{"type":"module"}');
    return await use(join(folder, "src"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The first violation of a seed, or the first test that fails; undefined when all is well. */
async function complaintOf(
  flags: readonly string[],
  files: readonly string[],
  folder: string,
  args: readonly string[] = [],
): Promise<string | undefined> {
  const paths = files.map((file) => join(folder, file));
  try {
    const all = ["--disable-warning=ExperimentalWarning", ...flags, ...paths, ...args];
    await promisify(execFile)(process.execPath, all, { maxBuffer: 2 ** 28 });
    return undefined;
  } catch (error) {
    const { stdout, message } = error as Error & { stdout?: string };
    if (stdout === undefined) throw error;
    const lines = stdout.split("\n");
    const first = lines.find((line) => line.startsWith("seed ") || line.trim().startsWith("not ok"));
    return first ?? message.split("\n").at(-2) ?? message;
  }
}
