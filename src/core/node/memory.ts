import type { Instant, WallTime } from "../kernel/time.ts";

/** What the machine says of its memory. */
export type MemorySample = {
  /** What programs could still get, within the limits that this node lives under. */
  readonly availableBytes: number;
  /** Less than that is too little. */
  readonly wantedBytes: number;
  /** Of the last ten seconds, how long everything stood still for want of memory; 0 where nobody can tell. */
  readonly stalledPercent: number;
  readonly usedByPod: ReadonlyMap<string, number>;
};

export type Pressure = {
  /** Since when memory is short; undefined while there is enough. */
  since: WallTime | undefined;
  /** Since when there has been plenty again, as long as it is still called short. */
  plentySince: Instant | undefined;
  /** The pod that goes now, and until when it may be handed over. */
  going: { readonly uid: string; readonly handOverUntil: Instant } | undefined;
  /** Nobody else goes before. */
  againAt: Instant;
};

export const noPressure = (): Pressure => ({
  since: undefined,
  plentySince: undefined,
  going: undefined,
  againAt: Number.NEGATIVE_INFINITY,
});

/** Everything standing still for so long counts as a shortage from twice the wanted memory on. */
const stalledMax = 10;

export const isShort = ({ availableBytes, wantedBytes, stalledPercent }: MemorySample): boolean =>
  availableBytes < wantedBytes || (stalledPercent >= stalledMax && availableBytes < 2 * wantedBytes);

/** Half of what is wanted: the kernel's own killer is near. */
export const isHard = ({ availableBytes, wantedBytes }: MemorySample): boolean =>
  availableBytes < wantedBytes / 2;
export const isPlenty = (sample: MemorySample): boolean =>
  !isShort(sample) && sample.availableBytes >= 1.5 * sample.wantedBytes;
