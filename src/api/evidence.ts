import type { JsonObject } from "../core/kernel/json.ts";
import type { Instant } from "../core/kernel/time.ts";
import type { MemberView, NodeView } from "../core/node/contract.ts";

/** Verdicts for people: who observed what, by name, and how long ago. */

/** One sentence per observation, newest first; others' with their name in front. */
export function reasonsOf({ evidence }: MemberView, view: NodeView): readonly string[] {
  return evidence.observations.map(({ by, what }) =>
    by === view.identity.id ? what : `${view.member(by)?.member.name ?? by} ${what}`,
  );
}

export function whyNode(member: MemberView, view: NodeView, now: Instant): JsonObject {
  const { evidence } = member;
  const ageOf = (at: Instant): number => Math.max(0, Math.round(now - at));
  return {
    kind: "Node",
    name: member.member.name,
    seenBy: view.identity.name,
    verdict: evidence.verdict,
    verdictForMs: ageOf(evidence.since),
    lostBySite: evidence.lostBySite,
    heardAgoMs: evidence.heardAt === undefined ? null : ageOf(evidence.heardAt),
    roundTripMs: evidence.roundTrip ?? null,
    observations: evidence.observations.map(({ by, what, at }) => ({
      by: view.member(by)?.member.name ?? by,
      what,
      ageMs: ageOf(at),
    })),
  };
}
