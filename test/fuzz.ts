import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { fuzz } from "./support/fuzz/run.ts";

/** `npm run fuzz -- --frames 1000000 [--seed N]`: see support/fuzz/run.ts. Exits 1 when anything is wrong. */

/** Growth of the heap between the first tenth of the frames and the end that passes for noise. */
const growthBytesMax = 24 * 1024 * 1024;
/** No frame may take so long, even on a machine that is busy with other things. */
const frameMsMax = 2_000;
const stuckMs = 60_000;

const { values } = parseArgs({
  options: { frames: { type: "string", default: "1000000" }, seed: { type: "string" } },
});
const frames = Number(values.frames);
const seed = Number(values.seed ?? Date.now() % 1_000_000_000);
if (!Number.isSafeInteger(frames) || frames < 1 || !Number.isSafeInteger(seed)) {
  process.stderr.write("--frames and --seed are whole numbers\n");
  process.exit(2);
}
process.stdout.write(`fuzz: ${frames} frames, seed ${seed}\n`);

// A loop without end stops this thread; another one notices.
const beat = new Int32Array(new SharedArrayBuffer(4));
const watchdog = new Worker(
  `const { workerData } = require("node:worker_threads");
   const { writeSync } = require("node:fs");
   let last = -1;
   setInterval(() => {
     const now = Atomics.load(workerData.beat, 0);
     if (now !== last) { last = now; return; }
     writeSync(2, "fuzz: stuck; seed " + workerData.seed + "\\n");
     process.kill(process.pid, "SIGKILL");
   }, ${stuckMs});`,
  { eval: true, workerData: { beat, seed } },
);
watchdog.unref();

const startedAt = performance.now();
const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
const summary = await fuzz({
  frames,
  seed,
  tick: () => Atomics.add(beat, 0, 1),
  progress: (done, heap) => process.stdout.write(`  ${done} frames, heap ${mebibytes(heap)}\n`),
});
const tookS = (performance.now() - startedAt) / 1_000;

for (const [name, { frames: fed, read }] of [...summary.byTarget].sort(([left], [right]) =>
  left < right ? -1 : 1,
)) {
  process.stdout.write(`  ${name.padEnd(20)} ${String(fed).padStart(8)} frames, ${read} of them readable\n`);
}
const [first, last] = summary.heapBytes;
const wrong = [...summary.failures];
if (last - first > growthBytesMax) wrong.push(`the heap grew from ${mebibytes(first)} to ${mebibytes(last)}`);
if (summary.slowestMs > frameMsMax) wrong.push(`a frame took ${summary.slowestMs.toFixed(0)} ms`);
for (const line of wrong) process.stdout.write(`${line}\n`);
process.stdout.write(
  `fuzz: ${wrong.length === 0 ? "all is well" : `${wrong.length} failures`}, seed ${seed}, ${tookS.toFixed(1)} s, ` +
    `${Math.round(frames / tookS)} frames a second, slowest ${summary.slowestMs.toFixed(1)} ms (${summary.slowestTarget}), ` +
    `heap ${mebibytes(first)} -> ${mebibytes(last)}\n`,
);
process.exitCode = wrong.length === 0 ? 0 : 1;
