import { hash53 } from "../kernel/hash.ts";
import type { NodeId } from "../records/record.ts";
import type { PlaceNode, PlacePod, Workload } from "./contract.ts";
import { exclusionOf, isAvoided, type Exclusion } from "./filter.ts";
import type { Ledger } from "./ledger.ts";
import { workloadKey, type SlotGroup } from "./slots.ts";

/** Copies of one workload per node, site and region, those given out in this placement included. */
export type Counts = ReadonlyMap<string, number>;

export type Ranked = { readonly node: PlaceNode; readonly score: number; readonly note: string };
export type Ranking = {
  readonly ranked: readonly Ranked[];
  readonly excluded: readonly { readonly node: PlaceNode; readonly exclusion: Exclusion }[];
};

/**
 * The nodes that may fill a slot, best first: whoever ran it before, then where fewer copies of the
 * workload run (sites first, for a mesh-wide one), then by weighted rendezvous hashing.
 *
 * Weighted rendezvous (Thaler and Ravishankar 1998; weights as in Schindelhauer and Schomaker 2005):
 *
 *     score = -weight / ln(h),  h = hash(workload, slot, node) in (0, 1)
 *
 * rounded, because the last bits of a logarithm are not the same everywhere.
 *
 * @param pods All copies of this slot, ended ones included.
 */
export function rankNodes(
  slot: string,
  workload: Workload,
  group: SlotGroup,
  pods: readonly PlacePod[],
  counts: Counts,
  ledger: Ledger,
): Ranking {
  const owner = group.ownerOf(slot);
  const excluded: { node: PlaceNode; exclusion: Exclusion }[] = [];
  const candidates: { node: PlaceNode; order: readonly number[]; note: string; score: number }[] = [];
  const ranBefore = nodesOf(pods, ({ ended, ready }) => ended || ready);
  const failed = nodesOf(pods, ({ ended }) => ended);
  for (const node of group.nodes) {
    if (owner !== undefined && node.id !== owner) continue;
    const exclusion = exclusionOf(node, workload, ledger);
    if (exclusion !== undefined) {
      excluded.push({ node, exclusion });
      continue;
    }
    const incumbent = ranBefore.has(node.id);
    const score = scoreOf(`${workloadKey(workload.ref)} ${slot} ${node.id}`, weightOf(node));
    const inSite = group.site === undefined ? (counts.get(`site ${node.site}`) ?? 0) : 0;
    const siteScore =
      group.site === undefined ? scoreOf(`${workloadKey(workload.ref)} ${slot} site ${node.site}`, 1) : 0;
    const onNode = counts.get(node.id) ?? 0;
    candidates.push({
      node,
      score,
      order: [incumbent ? 0 : 1, isAvoided(node, workload) ? 1 : 0, inSite, -siteScore, onNode, -score],
      note: noteOf(incumbent, failed.has(node.id), onNode),
    });
  }
  candidates.sort(
    (left, right) => compareOrders(left.order, right.order) || (left.node.id < right.node.id ? -1 : 1),
  );
  return { ranked: candidates.map(({ node, score, note }) => ({ node, score, note })), excluded };
}

/** In `(0, 2^53]`, in units of a millionth. */
function scoreOf(text: string, weight: number): number {
  const uniform = (hash53(text) + 1) / (2 ** 53 + 2);
  return Math.round((-weight / Math.log(uniform)) * 1e6);
}

/** Whole cores, 1 to 64: it changes only when the machine does. */
function weightOf(node: PlaceNode): number {
  return Math.min(64, Math.max(1, Math.floor(node.allocatable.cpuMilli / 1000)));
}

function nodesOf(pods: readonly PlacePod[], test: (pod: PlacePod) => boolean): ReadonlySet<NodeId> {
  return new Set(pods.filter(test).map(({ node }) => node));
}

function noteOf(incumbent: boolean, ended: boolean, onNode: number): string {
  if (incumbent) return ended ? "ran it before" : "runs it now";
  return onNode === 0 ? "runs no other copy" : `runs ${onNode} other copies`;
}

function compareOrders(left: readonly number[], right: readonly number[]): number {
  for (let at = 0; at < left.length; at++) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
