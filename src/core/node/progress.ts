import type { Version } from "../kernel/hybrid-clock.ts";
import type { NodeId } from "../records/record.ts";

/** How far each author's intents are on our own disk: see held.ts. */
export type Held = {
  readonly byAuthor: Map<NodeId, Progress>;
  /** Authors whose head moved in this turn. */
  readonly moved: Set<NodeId>;
  /** Authors with something still on its way to the disk. */
  readonly waiting: Set<NodeId>;
  /** The oldest record of an author that a head covers and that we did not take; until a restart. */
  readonly missed: Map<NodeId, Version>;
};

/** Two steps are enough: while the disk works on `next`, all that comes gathers in `last`. */
export type Progress = { at: Version; next: Step | undefined; last: Step | undefined };

/** Held up to `version` once the tickets up to `ticket` are stored. */
export type Step = { readonly version: Version; readonly ticket: number };

export const nothingHeld = (): Held => ({
  byAuthor: new Map(),
  moved: new Set(),
  waiting: new Set(),
  missed: new Map(),
});
