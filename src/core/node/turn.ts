import type { Duration } from "../kernel/time.ts";
import type { LinkId } from "../membership/contract.ts";
import type { MeshRecord } from "../records/record.ts";
import type { Changed, NodeEffect, NodeEnv, Note } from "./contract.ts";
import { placementPause, type NodeState } from "./state.ts";

/** One call of `handle`: the machine's state, the world as given, and what is to be done. */
export type Turn = {
  readonly state: NodeState;
  readonly env: NodeEnv;
  /** By how much later than it asked for this machine had its turn: what peers said meanwhile is not read yet. */
  readonly lag: Duration;
  readonly out: NodeEffect[];
  /** Whether our part of a log is what its author's floor says; found out at most once a turn. */
  readonly floorMatches: Map<string, boolean>;
  /** Logs (by `logName`) of which somebody sent a void record: what it said of them is void. */
  readonly voided: Set<string>;
  /** Records new in our store during this turn: written to disk and spread together at its end. */
  readonly fresh: { readonly record: MeshRecord; readonly from: LinkId | undefined }[];
};

/** A turn that is so much too late decides nothing that hangs on what others did not say. */
export const lagMin: Duration = 20;

export function note(
  turn: Turn,
  level: Note["level"],
  reason: string,
  message: string,
  about?: Note["about"],
): void {
  turn.out.push({ type: "note", note: { level, reason, message, about } });
}

export function changed(turn: Turn, ...what: readonly Changed[]): void {
  turn.out.push({ type: "changed", what });
}

/** Asks for a placement soon: now, or a moment after the last one. */
export function placeSoon({ state, env }: Turn): void {
  state.placeAt = Math.min(state.placeAt, Math.max(env.now, state.placedAt + placementPause));
}
