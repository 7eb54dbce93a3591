import type { NodeId } from "../records/record.ts";
import type { ObjectRef } from "../records/keys.ts";
import { belongsOn } from "./filter.ts";
import type { LabelSelector, PlaceNode, PlacementInput, PlacePod, Workload } from "./contract.ts";

/**
 * Slots that are decided together, by the nodes that may fill them: the replicas of one site, of the
 * whole mesh, or the nodes of one site for a DaemonSet.
 */
export type SlotGroup = {
  readonly slots: readonly string[];
  readonly nodes: readonly PlaceNode[];
  /** Undefined for the whole mesh: its slots are spread over sites before nodes. */
  readonly site: string | undefined;
  /** For a slot that belongs to one node. */
  readonly ownerOf: (slot: string) => NodeId | undefined;
};

export function groupsOf(workload: Workload, nodes: readonly PlaceNode[]): SlotGroup[] {
  const { spread } = workload;
  if (spread.type === "mesh") {
    const slots = spread.only ?? numbered("mesh", spread.replicas);
    return [{ slots, nodes, site: undefined, ownerOf: () => undefined }];
  }
  const groups: SlotGroup[] = [];
  for (const [site, members] of bySite(nodes)) {
    if (spread.type === "per-node") {
      const owners = members.filter((node) => belongsOn(node, workload));
      const ownerBySlot = new Map<string, NodeId>(owners.map(({ id }) => [`node/${id}`, id]));
      groups.push({
        slots: [...ownerBySlot.keys()],
        nodes: members,
        site,
        ownerOf: (slot) => ownerBySlot.get(slot),
      });
    } else if (matchesSite(spread.sites, site, members[0]?.region ?? "")) {
      const slots = numbered(`site/${site}`, spread.replicas);
      groups.push({ slots, nodes: members, site, ownerOf: () => undefined });
    }
  }
  return groups;
}

/** Whether the node is one of those that may fill the group's slots, or stand in line for them. */
export const concerns = ({ site }: SlotGroup, node: PlaceNode): boolean =>
  site === undefined || site === node.site;

/** Whether a copy on the node fills the slot; one at another site, or on another slot's node, does not. */
export function mayHold(group: SlotGroup, slot: string, node: PlaceNode): boolean {
  const owner = group.ownerOf(slot);
  return owner === undefined ? concerns(group, node) : owner === node.id;
}

/** The input with its lists in one order, so that everybody computes the same. */
export function inOrder(input: PlacementInput): PlacementInput {
  return {
    ...input,
    nodes: sortedBy(input.nodes, ({ id }) => id),
    workloads: sortedBy(input.workloads, ({ ref }) => workloadKey(ref)),
    pods: sortedBy(input.pods, ({ uid }) => uid),
  };
}

export function workloadKey({ group, kind, namespace, name }: ObjectRef): string {
  return `${group}/${kind}/${namespace}/${name}`;
}

export const slotKey = (workload: ObjectRef, slot: string): string => `${workloadKey(workload)} ${slot}`;

/** Pods by workload and slot. */
export function podsBySlot(pods: readonly PlacePod[]): Map<string, Map<string, PlacePod[]>> {
  const byWorkload = new Map<string, Map<string, PlacePod[]>>();
  for (const pod of pods) {
    const key = workloadKey(pod.workload);
    const bySlot = byWorkload.get(key) ?? new Map<string, PlacePod[]>();
    byWorkload.set(key, bySlot);
    const inSlot = bySlot.get(pod.slot) ?? [];
    bySlot.set(pod.slot, inSlot);
    inSlot.push(pod);
  }
  return byWorkload;
}

export function matchesSite(selector: LabelSelector, site: string, region: string): boolean {
  const labels: { readonly [label: string]: string } = { name: site, region };
  return Object.entries(selector).every(([label, values]) => values.includes(labels[label] ?? ""));
}

function bySite(nodes: readonly PlaceNode[]): (readonly [string, PlaceNode[]])[] {
  const sites = new Map<string, PlaceNode[]>();
  for (const node of nodes) {
    const members = sites.get(node.site) ?? [];
    sites.set(node.site, members);
    members.push(node);
  }
  return sortedBy([...sites], ([site]) => site);
}

function numbered(base: string, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${base}/${at}`);
}

export function sortedBy<T>(items: readonly T[], key: (item: T) => string): T[] {
  return items
    .map((item) => ({ item, key: key(item) }))
    .sort((left, right) => (left.key < right.key ? -1 : left.key > right.key ? 1 : 0))
    .map(({ item }) => item);
}
