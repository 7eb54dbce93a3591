import { wallOf, type Version } from "../kernel/hybrid-clock.ts";
import type { WallTime } from "../kernel/time.ts";
import type { NodeId } from "../records/record.ts";
import type { SummaryAck } from "../records/summaries.ts";
import { detailOf } from "./levels.ts";
import { regionsBeside } from "./parts.ts";
import type { NodeState } from "./state.ts";

/** The stamp up to which all other places acknowledge an author's intents in their summaries. */
export function knownElsewhere(state: NodeState, wall: WallTime, author: NodeId): Version {
  const { index, identity, config } = state;
  if (detailOf(state) === "mesh") return Number.POSITIVE_INFINITY;
  const others = [
    ...[...index.siteSummaries].filter(([name]) => name !== identity.site),
    ...regionsBeside(state),
  ];
  const heads = others
    .filter(([, { version }]) => wall - wallOf(version) <= config.absentLong)
    .map(([, { body }]) => headIn(body.acks, author));
  return Math.min(Number.POSITIVE_INFINITY, ...heads);
}

export const headIn = (acks: readonly SummaryAck[], author: NodeId): Version =>
  acks.find((ack) => ack.author === author)?.head ?? 0;
