import type { WallTime } from "../kernel/time.ts";
import type { Strike } from "../placement/contract.ts";
import type { NodeId } from "../records/record.ts";
import { factsOf } from "./records-index.ts";
import type { NodeState } from "./state.ts";

/** Of any node: what it does not take now. Remembers when that changes. */
export function strikesOn(state: NodeState, id: NodeId, wall: WallTime): readonly Strike[] | undefined {
  const said = factsOf(state.index, id)?.health?.body.strikes ?? [];
  const now = said.filter(({ until }) => until > wall);
  if (now.length === 0) state.strikesUntil.delete(id);
  else state.strikesUntil.set(id, Math.min(...now.map(({ until }) => until)));
  return now.length === 0 ? undefined : now;
}
