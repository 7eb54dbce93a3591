import type { NodeId } from "../records/record.ts";
import type { PlaceNode, PlacePod, PlannerConfig, Variant, Workload } from "./contract.ts";
import type { Used } from "./resources.ts";
import type { Standing } from "./standing.ts";

/** What a planner remembers from plan to plan. */
export type PlannerState = {
  readonly config: PlannerConfig;
  readonly hostById: Map<NodeId, Host>;
  readonly siteByName: Map<string, Site>;
  readonly wantedByKey: Map<string, Wanted>;
  readonly podByUid: Map<string, PlacePod>;
  /** Pods by what affinity sees of them: namespace and labels. */
  readonly crowdByKey: Map<string, Crowd>;
  /** Workloads whose place depends on other pods; and of these, those that keep others away. */
  readonly looking: Set<Wanted>;
  readonly repelling: Set<Wanted>;
  /** Nodes with a taint that ranks them last. */
  softTainted: number;

  /** Groups that have to be looked at again, and those in which something is to be given out. */
  readonly dirty: Set<Group>;
  readonly open: Set<Group>;
  /** Groups that time alone changes. */
  readonly timed: Set<Group>;
  /** Workloads and sites of which groups may have come or gone. */
  readonly newWanted: Set<Wanted>;
  readonly changedSites: Set<string>;
};

/** A node with what is taken of it. */
export type Host = {
  node: PlaceNode;
  readonly key: number;
  readonly used: Used;
  readonly pods: Map<string, PlacePod>;
};

/** Hosts by id. */
export type Site = { readonly name: string; readonly key: number; hosts: Host[] };

/** A workload with its pods and its groups. */
export type Wanted = {
  workload: Workload;
  readonly key: string;
  readonly hash: number;
  ladder: readonly Variant[];
  size: number;
  readonly podsBySlot: Map<string, PlacePod[]>;
  /** By site; the whole mesh is the group without a name. */
  readonly groups: Map<string, Group>;
  readonly groupBySlot: Map<string, Group>;
};

/**
 * Slots that are decided together, by the nodes that may fill them: the replicas of one site, of the
 * whole mesh, or the nodes of one site for a DaemonSet.
 */
export type Group = {
  readonly wanted: Wanted;
  /** Undefined for the whole mesh: its slots are spread over sites before nodes. */
  readonly site: Site | undefined;
  slots: readonly string[];
  /** Slots that belong to one node. */
  ownerBySlot: ReadonlyMap<string, Host> | undefined;
  standing: Standing;
};

export type Crowd = {
  readonly namespace: string;
  readonly labels: { readonly [label: string]: string };
  readonly countByHost: Map<Host, number>;
};

/** Whether a copy on the host fills the slot; one at another site, or on another slot's node, does not. */
export function mayHold(group: Group, slot: string, host: Host): boolean {
  if (group.ownerBySlot !== undefined) return group.ownerBySlot.get(slot) === host;
  return group.site === undefined || group.site.name === host.node.site;
}

export const isAlive = (state: PlannerState, pod: PlacePod): boolean =>
  state.hostById.get(pod.node)?.node.verdict === "alive";

/** The rung that a pod runs: its place in the ladder, 0 the best. */
export function rungOf({ ladder }: Wanted, { variant }: PlacePod): number {
  if (variant === undefined) return 0;
  return Math.max(
    0,
    ladder.findIndex(({ name }) => name === variant),
  );
}
