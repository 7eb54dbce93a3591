import {
  dictionary,
  fields,
  flag,
  integer,
  list,
  oneOf,
  optional,
  text,
  type Shaped,
} from "../kernel/shape.ts";

/**
 * What is told of a place to those who do not keep its detail. One of its nodes speaks for it; the newest
 * word stands. Everything is bounded: a hostile node may speak, too.
 */

/** Workloads that a summary names; the others are only counted. */
export const workloadsMax = 64;
/** Slots of one mesh-wide workload that a summary names. */
export const slotsMax = 64;
/** Deleting authors that a summary acknowledges. */
export const summaryAcksMax = 256;
export const gatewaysMax = 4;

const name = text(253);
const count = integer(0, Number.MAX_SAFE_INTEGER);
const amount = fields({ cpuMilli: count, memoryBytes: count });
export type Amount = Shaped<typeof amount>;

const tierSummary = fields({
  tier: integer(1, 3),
  nodes: count,
  ready: count,
  /** Of the nodes that are ready. */
  allocatable: amount,
  /** What the pods there reserve. */
  requested: amount,
});
export type TierSummary = Shaped<typeof tierSummary>;

const workloadSummary = fields({
  /** `group/kind/namespace/name`. */
  name: text(600),
  revision: text(64),
  /** Copies that the place is to run, and those of them that are ready. */
  wanted: count,
  ready: count,
  /** Copies on nodes in view, and those of them of this revision: as many as are ready, where it is not said. */
  copies: optional(count),
  updated: optional(count),
  /** Mesh-wide slots that a ready copy fills, and those of copies that are not ready. */
  slots: optional(list(text(300), slotsMax)),
  claims: optional(list(text(300), slotsMax)),
  /** No node of the place can take another copy of a mesh-wide workload. */
  full: optional(flag),
});
export type WorkloadSummary = Shaped<typeof workloadSummary>;

/** A node that speaks with other places, and where it is reached. */
const gateway = fields({
  id: text(20),
  name,
  site: name,
  addresses: list(text(300), 16),
  uplink: optional(oneOf("lan", "wan", "cellular", "satellite")),
});
export type Gateway = Shaped<typeof gateway>;

/** How far everybody of the place knows the intents of an author that deleted some. */
const ack = fields({ author: text(20), head: count });
export type SummaryAck = Shaped<typeof ack>;

const common = {
  nodes: count,
  ready: count,
  tiers: list(tierSummary, 3),
  workloads: list(workloadSummary, workloadsMax),
  /** Workloads that did not fit. */
  workloadsLeftOut: count,
  /** Nodes by the version of their agent; the most frequent 16. */
  agents: dictionary(count, 16, 64),
  gateways: list(gateway, gatewaysMax),
  acks: list(ack, summaryAcksMax),
} as const;

/** `site/<name>/summary`, in the scope of its region. */
export const siteSummaryBody = fields({
  ...common,
  region: name,
  /** Members of the site that its speaker sees, itself included. */
  island: count,
});
export type SiteSummary = Shaped<typeof siteSummaryBody>;

/** `region/<name>/summary`, for everybody. */
export const regionSummaryBody = fields({ ...common, sites: count });
export type RegionSummary = Shaped<typeof regionSummaryBody>;
