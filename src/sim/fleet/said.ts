import type { NodeId } from "../../core/records/record.ts";
import { scopesOf, type Scope } from "../../core/records/scope.ts";
import type { Machine } from "../machine.ts";
import { gatherAll } from "../shard.ts";
import type { Fleet } from "./fleet.ts";

/**
 * What has been said in a fleet. In a large one somebody always says something: of 2,240 sites and regions, each of
 * which is told of every two hours, there is a word every three seconds, and sites on metered links hear of it up to
 * two minutes later. So at no moment do all hold the same; but what had been said at a moment, all come to hear.
 */

type Word = {
  readonly slot: string;
  readonly scope: Scope;
  readonly author: NodeId;
  readonly version: number;
};

/** The newest word that anybody holds, by scope and slot. */
export type Said = ReadonlyMap<Scope, ReadonlyMap<string, Word>>;

/** All shards ask at the same time. */
export function saidSoFar({ members, shard }: Fleet): Said {
  const newest = new Map<string, Word>();
  for (const { isOurs, node } of members) {
    if (!isOurs || node === undefined) continue;
    for (const [slot, { scope, author, version }] of node.view.slots())
      if (version > (newest.get(slot)?.version ?? 0)) newest.set(slot, { slot, scope, author, version });
  }
  const said = new Map<Scope, Map<string, Word>>();
  for (const word of gatherAll(shard, [...newest.values()])) {
    const inScope = said.get(word.scope) ?? new Map<string, Word>();
    said.set(word.scope, inScope);
    if (word.version > (inScope.get(word.slot)?.version ?? 0)) inScope.set(word.slot, word);
  }
  return said;
}

/**
 * A word of which a machine that keeps its scope holds neither that nor a newer one.
 *
 * @param ended Of those who have gone, what they said is dropped.
 */
export function unheardBy(
  { identity, node }: Machine,
  said: Said,
  ended: ReadonlySet<NodeId>,
): Word | undefined {
  const held = node?.view.slots();
  for (const scope of scopesOf(identity)) {
    for (const word of said.get(scope)?.values() ?? [])
      if ((held?.get(word.slot)?.version ?? 0) < word.version && !ended.has(word.author)) return word;
  }
  return undefined;
}
