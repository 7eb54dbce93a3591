import { seconds, type Duration } from "../kernel/time.ts";
import { note, type Turn } from "./turn.ts";
import { peersOf } from "./links.ts";

/**
 * Pods that run here and that no record of ours knows: the disk was lost, or the agent died before a
 * claim was on it. The peers may still hold our own facts about them, so they run on until those came
 * back, or until peers that are in step with us have none either.
 */

const patience: Duration = seconds(10);

/** Ends what nobody knows, once somebody who would know was asked. */
export function endOrphansIfDue(turn: Turn): void {
  const { state, env } = turn;
  if (state.orphans.size === 0 || env.now < state.settledAt) return;
  const peers = peersOf(turn);
  const asked = peers.some(({ id }) => {
    const link = state.membership.evidence(id)?.link;
    return link !== undefined && state.sync.inStep(link);
  });
  if (peers.length > 0 && !asked) {
    state.orphansUntil = Number.POSITIVE_INFINITY;
    return;
  }
  if (state.orphansUntil === Number.POSITIVE_INFINITY)
    state.orphansUntil = env.now + (peers.length > 0 ? patience : 0);
  if (env.now < state.orphansUntil) return;
  for (const uid of state.orphans.keys()) {
    note(turn, "warning", "OrphanStopped", `no record anywhere knows the pod ${uid}`);
    turn.out.push({ type: "stop-pod", uid, grace: seconds(30), reason: "unknown pod" });
  }
  state.orphans.clear();
  state.orphansUntil = Number.POSITIVE_INFINITY;
}
