import type { MergedObject } from "../core/intents/contract.ts";
import type { NodeView } from "../core/node/contract.ts";
import { withNodeNames, nodeNames } from "./slot-names.ts";
import { whyNoSite } from "./sites-selected.ts";
import { few } from "./values.ts";

/** Why pods of a workload are not placed, for its conditions, its events and `starlight why`. */

export type Waiting = { readonly reason: "NoSite" | "NoRoom" | "OutOfReach"; readonly message: string };

/** Undefined while every slot that the view wants has a pod, or gets one. */
export function whyWaiting(object: MergedObject, view: NodeView): Waiting | undefined {
  const noSite = whyNoSite(object, view);
  if (noSite !== undefined) return { reason: "NoSite", message: noSite };
  const at = view.clocks();
  const placement = view.placement();
  const waiting = placement.standing(object.ref, at)?.waiting ?? [];
  if (waiting.length === 0) return undefined;
  const slots = waiting.map(({ slot }) => withNodeNames(slot, nodeNames(view)));
  const outOfReach = new Set(waiting.flatMap(({ outOfReach: why }) => why ?? []));
  const full = new Set(waiting.flatMap(({ slot, outOfReach: why }) => (why === undefined ? [slot] : [])));
  const excluded = placement
    .explain(object.ref, at)
    .flatMap((explained) => (full.has(explained.slot) ? explained.excluded : []));
  const nodesByWhy = new Map<string, Set<string>>();
  for (const { node, filter, detail } of excluded) {
    const why = `${filter}: ${detail}`;
    nodesByWhy.set(why, (nodesByWhy.get(why) ?? new Set()).add(node));
  }
  const whys = [...nodesByWhy].map(([why, nodes]) => `${few([...nodes].sort())}: ${why}`);
  const room = full.size === 0 ? [] : [`no node has room${whys.length === 0 ? "" : ` (${few(whys, "; ")})`}`];
  const reason = full.size > 0 ? "NoRoom" : "OutOfReach";
  return { reason, message: `no pod runs for ${few(slots)}: ${[...room, ...outOfReach].join("; ")}` };
}
