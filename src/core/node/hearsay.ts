import type { Duration, Instant } from "../kernel/time.ts";
import { linkClassOf, paceOf } from "../records/link-class.ts";
import type { NodeId } from "../records/record.ts";
import { factsOf } from "./records-index.ts";
import type { NodeState } from "./state.ts";
import { memberOf } from "./trust-view.ts";
import { classOfPeer } from "./uplink.ts";

/**
 * How old the word may be by which a node is in view that we have no link with. Whoever tells us of it has a link
 * with it; but on a slow link silence is noticed after minutes, and if we met all who tell us of it only shortly
 * before, that link may have been dead by then. What is said of its copies is as old.
 */
export type Hearsay = {
  /** When the node came into view. */
  readonly since: Instant;
  readonly age: Duration;
};

/** @param since When the node came into view. */
export function hearsayAge(state: NodeState, id: NodeId, since: Instant): Duration {
  const known = state.hearsay.get(id);
  if (known?.since === since) return known.age;
  const age = ageOfWord(state, id, since);
  state.hearsay.set(id, { since, age });
  return age;
}

/** We have all that this peer has: what it says of those whom it would miss at once is news. */
export function inStepWith(state: NodeState, peer: NodeId): void {
  for (const [id, { since, age }] of state.hearsay) {
    if (age > 0 && (peer === id || (isLinked(state, peer, id) && paceBetween(state, peer, id) === 1)))
      state.hearsay.set(id, { since, age: 0 });
  }
}

function ageOfWord(state: NodeState, id: NodeId, since: Instant): Duration {
  const { membership, config } = state;
  let best = Number.POSITIVE_INFINITY;
  for (const witness of membership.linked()) {
    if (witness === id) return 0;
    if (!isLinked(state, witness, id)) continue;
    const pace = paceBetween(state, witness, id);
    if (pace === 1) return 0;
    // Had it missed the node since we met it, it would have said so by then.
    const metFor = since - (membership.standing(witness)?.since ?? since);
    best = Math.min(best, Math.max(0, pace * config.silentAfter - metFor));
  }
  return Number.isFinite(best) ? best : 0;
}

const isLinked = ({ index }: NodeState, one: NodeId, other: NodeId): boolean =>
  factsOf(index, one)?.links?.body.peers.includes(other) === true;

function paceBetween(state: NodeState, one: NodeId, other: NodeId): number {
  const sameSite = memberOf(state, one)?.site === memberOf(state, other)?.site;
  return paceOf[linkClassOf(sameSite, classOfPeer(state, one), classOfPeer(state, other))];
}
