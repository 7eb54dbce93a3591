import type { NodeView } from "../core/node/contract.ts";
import { sortedBy } from "./by-name.ts";

/** The slots of workloads that run on every node, `node/ID`, as people know them. */

type NameOf = (id: string) => string | undefined;

export const nodeNames =
  ({ memberBody }: Pick<NodeView, "memberBody">): NameOf =>
  (id) =>
    memberBody(id)?.name;

const nodeSlot = /\bnode\/([\w-]{8,20})(?![\w-])/g;

/** A slot, or a text with slots in it, in which nodes that are known stand by their names. */
export const withNodeNames = (text: string, nameOf: NameOf): string =>
  text.replaceAll(nodeSlot, (slot, id: string) => {
    const name = nameOf(id);
    return name === undefined ? slot : `node/${name}`;
  });

/** In the order of the names where each node has one slot; others stay in the order of their numbers. */
export function slotsNamed<T extends { readonly slot: string }>(
  slots: readonly T[],
  nameOf: NameOf,
): readonly T[] {
  const named = slots.map((each) => ({ ...each, slot: withNodeNames(each.slot, nameOf) }));
  return named.every(({ slot }) => slot.startsWith("node/")) ? sortedBy(named, ({ slot }) => slot) : named;
}
