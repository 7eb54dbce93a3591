import type { Group, Host, Site } from "./planner-state.ts";
import { plainScore } from "./rendezvous.ts";

/**
 * Sites in the order in which copies are dealt to them: fewest copies first, equals by rendezvous hashing
 * of workload and site. Only the sites that were asked for are sorted; of thousands of others nothing
 * more is known than that they come later, so a workload costs one hash for each.
 */
export type Sites = {
  /** Asked for already, in order. */
  readonly front: SiteRow[];
  /** Places in `sites` of the others, a binary heap by the same order. */
  readonly heap: number[];
  readonly sites: readonly Site[];
  readonly scores: Float64Array;
  readonly copies: Uint32Array;
  readonly compare: (left: SiteRow, right: SiteRow) => number;
};

export type SiteRow = {
  readonly name: string;
  readonly order: number;
  copies: number;
  readonly hosts: readonly Host[];
  /** Nodes that may still take a copy, in order; undefined until somebody looks. */
  rows: { readonly host: Host; readonly score: number; copies: number }[] | undefined;
};

export function openSites(
  group: Group,
  sites: readonly Site[],
  countByHost: ReadonlyMap<Host, number>,
): Sites {
  const scores = new Float64Array(sites.length);
  const copies = new Uint32Array(sites.length);
  if (sites.length > 1) {
    const copiesBySite = new Map<string, number>();
    for (const [{ node }, count] of countByHost)
      copiesBySite.set(node.site, (copiesBySite.get(node.site) ?? 0) + count);
    sites.forEach(({ key, name }, at) => {
      scores[at] = plainScore(group.wanted.hash, key);
      copies[at] = copiesBySite.get(name) ?? 0;
    });
  }
  const opened: Sites = { front: [], heap: sites.map((_, at) => at), sites, scores, copies, compare };
  for (let at = (sites.length >> 1) - 1; at >= 0; at--) sink(opened, at);
  return opened;
}

/** The site at that place of the order; undefined behind the last. */
export function siteAt(sites: Sites, at: number): SiteRow | undefined {
  const { front, heap } = sites;
  const [top] = heap;
  const held = front[at];
  if (top === undefined) return held;
  const next = rowOf(sites, top);
  if (held !== undefined && compare(held, next) < 0) return held;
  const last = heap.pop();
  if (last !== undefined && heap.length > 0) {
    heap[0] = last;
    sink(sites, 0);
  }
  front.splice(at, 0, next);
  return next;
}

/** Moves the item at `from` back to where it belongs, its key having grown. */
export function moveBack<T>(items: T[], from: number, compare: (left: T, right: T) => number): void {
  const item = items[from];
  if (item === undefined) return;
  let to = from;
  for (; to + 1 < items.length; to++) {
    const next = items[to + 1];
    if (next === undefined || compare(next, item) > 0) break;
    items[to] = next;
  }
  items[to] = item;
}

function rowOf({ sites, scores, copies }: Sites, at: number): SiteRow {
  const site = sites[at];
  return {
    name: site?.name ?? "",
    order: scores[at] ?? 0,
    copies: copies[at] ?? 0,
    hosts: site?.hosts ?? [],
    rows: undefined,
  };
}

const compare = (left: SiteRow, right: SiteRow): number =>
  left.copies - right.copies || right.order - left.order || (left.name < right.name ? -1 : 1);

function sink(sites: Sites, from: number): void {
  const { heap } = sites;
  for (let at = from; ;) {
    const left = 2 * at + 1;
    if (left >= heap.length) return;
    const child = left + 1 < heap.length && isBefore(sites, left + 1, left) ? left + 1 : left;
    if (!isBefore(sites, child, at)) return;
    const moved = heap[at] ?? 0;
    heap[at] = heap[child] ?? 0;
    heap[child] = moved;
    at = child;
  }
}

/** By places in the heap. */
function isBefore({ heap, sites, scores, copies }: Sites, left: number, right: number): boolean {
  const [one, other] = [heap[left] ?? 0, heap[right] ?? 0];
  const difference = (copies[one] ?? 0) - (copies[other] ?? 0) || (scores[other] ?? 0) - (scores[one] ?? 0);
  if (difference !== 0) return difference < 0;
  return (sites[one]?.name ?? "") < (sites[other]?.name ?? "");
}
