import { setImmediate as turn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { hex } from "../../../src/core/kernel/bytes.ts";
import { below, randomStream } from "../../../src/core/kernel/random.ts";
import { createLive, useSamples, type Live } from "./live.ts";
import { createTargets, syncSamples, type Target } from "./targets.ts";

/** Feeds every decoder bytes that are wrong, and a live sync machine too: nothing may throw, loop or grow. */

export type FuzzOptions = {
  readonly frames: number;
  readonly seed: number;
  /** Told about every `checkEvery` frames, with the heap after a collection. */
  readonly progress?: (frames: number, heapBytes: number) => void;
  readonly checkEvery?: number;
  /** Told before every frame. */
  readonly tick?: () => void;
};

export type FuzzSummary = {
  readonly frames: number;
  readonly byTarget: ReadonlyMap<string, { readonly frames: number; readonly read: number }>;
  readonly slowestMs: number;
  readonly slowestTarget: string;
  /** After the first tenth, and at the end; both after a collection. */
  readonly heapBytes: readonly [number, number];
  readonly failures: readonly string[];
};

/** Frames of one live exchange; then the honest nodes must come in step and a new one begins. */
const liveFrames = 2_000;
const liveWeight = 5;
const failuresMax = 10;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

export async function fuzz({
  frames,
  seed,
  progress,
  checkEvery = 100_000,
  tick,
}: FuzzOptions): Promise<FuzzSummary> {
  const random = randomStream(seed, "fuzz");
  const targets = createTargets();
  const lots = targets.flatMap((target) => Array.from({ length: target.weight }, () => target));
  const byTarget = new Map<string, { frames: number; read: number }>();
  const failures: string[] = [];
  const live = liveRunner(seed);
  let slowestMs = 0;
  let slowestTarget = "";
  let heapFirst = 0;
  const every = Math.min(checkEvery, Math.max(1, Math.floor(frames / 10)));
  for (let frame = 1; frame <= frames && failures.length < failuresMax; frame++) {
    const target = lots[below(random, lots.length + liveWeight)] ?? live;
    const tally = byTarget.get(target.name) ?? { frames: 0, read: 0 };
    byTarget.set(target.name, tally);
    tally.frames++;
    tick?.();
    const bytes = target.next(random);
    const startedAt = performance.now();
    try {
      if (target.read(bytes)) tally.read++;
    } catch (error) {
      const shown = hex(bytes.subarray(0, 2_000));
      failures.push(
        `frame ${frame}, ${target.name}: ${String(error)}\n  bytes: ${shown}\n  ${stackOf(error)}`,
      );
    }
    const tookMs = performance.now() - startedAt;
    if (tookMs > slowestMs) [slowestMs, slowestTarget] = [tookMs, target.name];
    // What Node's zlib holds after bytes it refuses goes with the next turn of the event loop.
    if (frame % 100 === 0) await turn();
    if (frame % every !== 0) continue;
    const heap = await heapNow();
    if (heapFirst === 0) heapFirst = heap;
    progress?.(frame, heap);
  }
  return { frames, byTarget, slowestMs, slowestTarget, heapBytes: [heapFirst, await heapNow()], failures };
}

async function heapNow(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    await turn();
    collect();
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** The live machine makes its frames itself, from what it heard. */
function liveRunner(seed: number): Target {
  useSamples(syncSamples());
  const random = randomStream(seed, "live");
  let live: Live | undefined;
  let left = 0;
  return {
    name: "live sync machine",
    weight: liveWeight,
    next: () => new Uint8Array(0),
    read: () => {
      if (live === undefined || left === 0) {
        const before = live;
        live = createLive(random);
        left = liveFrames;
        before?.settle();
      }
      left--;
      return live.inject(random);
    },
  };
}

const stackOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? "").split("\n").slice(1, 6).join("\n  ") : "";
