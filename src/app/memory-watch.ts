import { isShort, type MemorySample } from "../core/node/memory.ts";
import type { Runtime } from "../ports/runtime.ts";
import type { MachineFiles } from "../shells/machine/files.ts";
import { readMemoryLeft } from "../shells/machine/memory.ts";

/**
 * Looks at the memory once a second, which is three small files, and tells the core while there may be too
 * little. Pods together may use what the node says it can give them (its allocatable memory), as with the
 * kubelet: what is beyond that counts against the memory that is to stay free.
 */
export type MemoryWatch = {
  readonly files: MachineFiles;
  readonly runtime: Pick<Runtime, "memoryUse">;
  /** What is to stay free. */
  readonly wantedBytes: number;
  /** What pods may use together; undefined before the machine was measured. */
  readonly allocatableBytes: () => number | undefined;
  /** Whether the node calls itself short of memory: then plenty is worth telling. */
  readonly isCalledShort: () => boolean;
  readonly tell: (sample: MemorySample) => void;
};

const lookEveryMs = 1_000;
/** To see what pods use means to look at every process of the machine. */
const podsEvery = 5;

export function watchMemory(watch: MemoryWatch): () => void {
  if (watch.wantedBytes === 0) return () => {};
  const look = createLook(watch);
  const timer = setInterval(look, lookEveryMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** One look; tells what it saw where that matters. */
export function createLook(watch: MemoryWatch): () => void {
  const { files, runtime, wantedBytes, allocatableBytes, isCalledShort, tell } = watch;
  let usedByPod: MemorySample["usedByPod"] = new Map();
  let looks = 0;
  return () => {
    const left = readMemoryLeft(files);
    if (left === undefined) return;
    const isCalled = isCalledShort();
    if (looks++ % podsEvery === 0 || isCalled) usedByPod = runtime.memoryUse();
    const used = [...usedByPod.values()].reduce((sum, bytes) => sum + bytes, 0);
    const room = (allocatableBytes() ?? Number.POSITIVE_INFINITY) - used;
    const availableBytes = Math.min(left.availableBytes, Math.max(0, room + wantedBytes));
    const sample = { availableBytes, wantedBytes, stalledPercent: left.stalledPercent, usedByPod };
    if (isCalled) return tell(sample);
    // What pods use was not looked at yet, or seconds ago.
    if (isShort(sample)) tell({ ...sample, usedByPod: runtime.memoryUse() });
  };
}
