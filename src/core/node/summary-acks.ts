import type { Moment } from "../placement/contract.ts";
import { logName, newestOf, type Log } from "../records/log.ts";
import { isTombstone, type NodeId } from "../records/record.ts";
import { summaryAcksMax, type SummaryAck } from "../records/summaries.ts";
import { isAbsent, reckonedWall } from "./absence.ts";
import { deadByLog } from "./graves.ts";
import { headIn } from "./known-elsewhere.ts";
import { factsOf } from "./records-index.ts";
import type { NodeState } from "./state.ts";

/**
 * How far a place knows the intents of authors that deleted some: the least of what its members, or its
 * parts, say. What one of them does not mention is not known there.
 */
export function siteAcks(state: NodeState, ids: readonly NodeId[], at: Moment): readonly SummaryAck[] {
  const wall = reckonedWall(state, at);
  const counting = ids.filter((id) => !isAbsent(state, id, wall));
  const parts = counting.map((id) => {
    const logs = factsOf(state.index, id)?.acks?.body.logs ?? [];
    const acks = logs.filter(({ scope, kind }) => scope === "mesh" && kind === "intent");
    // What it wrote before it knew of a deletion has to be out of here before its word is.
    const isBehind = headIn(acks, id) > (intentsOf(state, id)?.head ?? 0);
    return { id, acks: isBehind && id !== state.identity.id ? [] : acks };
  });
  const authors = new Set(parts.flatMap(({ acks }) => acks.map(({ author }) => author)));
  // Alone in its place, nobody else has a word on its deletions and on what was deleted of it.
  for (const id of counting.length === 1 ? counting : []) if (hasDead(state, id)) authors.add(id);
  return bounded(
    [...authors].map((author) => {
      // Nobody waits for an author's word on its own log.
      const said = parts.filter(({ id }) => id !== author).map(({ acks }) => headIn(acks, author));
      const own = intentsOf(state, author);
      const known = own === undefined ? 0 : newestOf(own);
      return { author, head: said.length === 0 ? known : Math.min(...said) };
    }),
  );
}

export function lowestAcks(parts: readonly (readonly SummaryAck[])[]): readonly SummaryAck[] {
  const authors = new Set(parts.flatMap((acks) => acks.map(({ author }) => author)));
  return bounded(
    [...authors].map((author) => ({ author, head: Math.min(...parts.map((acks) => headIn(acks, author))) })),
  );
}

const intentsOf = ({ store }: NodeState, author: NodeId): Log | undefined =>
  store.logs.get(logName({ scope: "mesh", kind: "intent", author }));

function hasDead(state: NodeState, author: NodeId): boolean {
  const log = intentsOf(state, author);
  if (log === undefined) return false;
  return (
    deadByLog(state).has(logName(log)) || log.records.some((record) => record.live && isTombstone(record))
  );
}

function bounded(acks: readonly SummaryAck[]): readonly SummaryAck[] {
  return acks
    .filter(({ head }) => head > 0)
    .sort((left, right) => (left.author < right.author ? -1 : 1))
    .slice(0, summaryAcksMax);
}
