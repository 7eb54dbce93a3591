/**
 * What the frames between two nodes mean has a number. A node speaks a range of them, each end tells its
 * range when a link opens, and both use the highest one in common.
 */
export type ProtocolRange = { readonly min: number; readonly max: number };

/** What this build speaks. */
export const spoken: ProtocolRange = { min: 3, max: 3 };

/** The protocol that two ends use; undefined when they have none in common. */
export function commonProtocol(ours: ProtocolRange, theirs: ProtocolRange): number | undefined {
  const highest = Math.min(ours.max, theirs.max);
  return highest >= Math.max(ours.min, theirs.min) ? highest : undefined;
}

/** For people and for headers: `2`, or `2-3`. */
export const rangeText = ({ min, max }: ProtocolRange): string => (min === max ? `${min}` : `${min}-${max}`);

/** Reads what `rangeText` wrote; undefined for anything else. */
export function readRange(text: string): ProtocolRange | undefined {
  const [, first, last = first] = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(text) ?? [];
  if (first === undefined || last === undefined) return undefined;
  const range = { min: Number(first), max: Number(last) };
  return range.min <= range.max ? range : undefined;
}
