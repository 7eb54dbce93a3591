import type { MemberBody } from "../records/bodies.ts";
import type { NodeId } from "../records/record.ts";
import type { TrustView } from "../trust/authorise.ts";
import { detailOf } from "./levels.ts";
import type { NodeState } from "./state.ts";

/** What is on record of a node, of our roster or a guest; also when its membership has ended since. */
export function memberOf(state: NodeState, id: NodeId): MemberBody | undefined {
  return state.index.memberById.get(id)?.body ?? state.levels.guests.get(id)?.member;
}

/** Whether a node belongs to the mesh, as far as we know. */
export const belongs = (state: NodeState, id: NodeId): boolean =>
  memberOf(state, id) !== undefined && !state.index.goneSince.has(id);

export function trustView(state: NodeState): TrustView {
  const { index, identity } = state;
  return {
    root: { id: identity.mesh.id, publicKey: identity.mesh.rootKey },
    member: (id) => memberOf(state, id),
    detail: detailOf(state),
    goneSince: (id) => index.goneSince.get(id),
  };
}
