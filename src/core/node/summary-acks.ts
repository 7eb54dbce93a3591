import { wallOf, type Version } from "../kernel/hybrid-clock.ts";
import type { NodeId } from "../records/record.ts";
import { summaryAcksMax, type SummaryAck } from "../records/summaries.ts";
import { factsOf, type NodeFacts } from "./records-index.ts";
import type { NodeState } from "./state.ts";

/**
 * How far a place knows the intents of authors that deleted some: the least of what its members, or its
 * parts, say. What one of them does not mention is not known there.
 */
export function siteAcks(state: NodeState, ids: readonly NodeId[]): readonly SummaryAck[] {
  const counting = ids.filter((id) => !isAbsent(state, id));
  const parts = counting.map((id) => {
    const logs = factsOf(state.index, id)?.acks?.body.logs ?? [];
    const acks = logs.filter(({ scope, kind }) => scope === "mesh" && kind === "intent");
    return { id, acks };
  });
  const authors = new Set(parts.flatMap(({ acks }) => acks.map(({ author }) => author)));
  return bounded(
    [...authors].map((author) => {
      // Nobody waits for an author's word on its own log.
      const said = parts.filter(({ id }) => id !== author).map(({ acks }) => headIn(acks, author));
      return { author, head: said.length === 0 ? 0 : Math.min(...said) };
    }),
  );
}

export function lowestAcks(parts: readonly (readonly SummaryAck[])[]): readonly SummaryAck[] {
  const authors = new Set(parts.flatMap((acks) => acks.map(({ author }) => author)));
  return bounded(
    [...authors].map((author) => ({ author, head: Math.min(...parts.map((acks) => headIn(acks, author))) })),
  );
}

export const headIn = (acks: readonly SummaryAck[], author: NodeId): Version =>
  acks.find((ack) => ack.author === author)?.head ?? 0;

/** When a member was last heard of, by its own stamps. */
export const heardOf = (facts: NodeFacts | undefined): number =>
  wallOf(Math.max(facts?.status?.version ?? 0, facts?.links?.version ?? 0, facts?.acks?.version ?? 0));

function isAbsent(state: NodeState, id: NodeId): boolean {
  const { index, config, clock } = state;
  const joinedAt = index.memberById.get(id)?.body.joinedAt ?? 0;
  return wallOf(clock.last) - Math.max(heardOf(factsOf(index, id)), joinedAt) > config.absentLong;
}

function bounded(acks: readonly SummaryAck[]): readonly SummaryAck[] {
  return acks
    .filter(({ head }) => head > 0)
    .sort((left, right) => (left.author < right.author ? -1 : 1))
    .slice(0, summaryAcksMax);
}
