import type { Row } from "./rows.ts";

/** What one copy of a store holds. */
export type Copy = {
  /** Every row that is whole. */
  readonly rows: readonly Row[];
  /** Number of its last commit, as far as it can be told. */
  readonly generation: number;
  /** Nothing of it is damaged, so what it does not hold was deleted or is younger than it. */
  readonly whole: boolean;
};

/**
 * One store out of two copies of it. Of each slot the younger row counts, so an older mirror never
 * overrules a newer primary. A row that only one copy holds was deleted in the other if that one is whole
 * and has seen the commit that wrote the row; else it is kept.
 */
export function merge(primary: Copy, mirror: Copy): readonly Row[] {
  const mirrored = new Map(mirror.rows.map((row) => [row.slot, row]));
  const merged: Row[] = [];
  for (const row of primary.rows) {
    const other = mirrored.get(row.slot);
    mirrored.delete(row.slot);
    if (other !== undefined) merged.push(other.generation > row.generation ? other : row);
    else if (!isDeletedIn(mirror, row)) merged.push(row);
  }
  for (const row of mirrored.values()) if (!isDeletedIn(primary, row)) merged.push(row);
  return merged;
}

const isDeletedIn = (copy: Copy, row: Row): boolean => copy.whole && row.generation <= copy.generation;

/** The number of the last commit: rows carry it, and commits that wrote none left it in the meta table. */
export function generationOf(rows: readonly Row[], inMeta = 0): number {
  return rows.reduce((highest, { generation }) => Math.max(highest, generation), inMeta);
}
