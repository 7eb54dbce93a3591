import type { Version } from "../kernel/hybrid-clock.ts";
import type { IntentBody, IntentEntry, MergedObject } from "../intents/contract.ts";
import { readIntentBody } from "../intents/body.ts";
import { kindOf } from "../intents/kinds/index.ts";
import type { Shape } from "../kernel/shape.ts";
import { mergeObject } from "../intents/merge.ts";
import {
  acksBody,
  exclusiveBody,
  floorsBody,
  healBody,
  linksBody,
  memberBody,
  podBody,
  statusBody,
  type AcksBody,
  type ExclusiveBody,
  type FloorsBody,
  type HealBody,
  type LinksBody,
  type MemberBody,
  jobBody,
  type JobBody,
  type PodBody,
  type StatusBody,
} from "../records/bodies.ts";
import { healthBody, type HealthBody } from "../records/health.ts";
import {
  regionSummaryBody,
  siteSummaryBody,
  type Gateway,
  type RegionSummary,
  type SiteSummary,
  type WorkloadSummary,
} from "../records/summaries.ts";
import { equalJson } from "../kernel/json.ts";
import { objectKey, partsOf, type KeyParts, type ObjectRef } from "../records/keys.ts";
import { bodyOf, isTombstone, slotOf, type MeshRecord, type NodeId } from "../records/record.ts";
import type { Changed } from "./contract.ts";
import type { JobProgress } from "./job-standing.ts";
import { countLater, type LaterRecords } from "./later.ts";

/** A fact with the stamp it carries. */
export type Fact<T> = { readonly body: T; readonly version: Version };

export type NodeFacts = {
  status: Fact<StatusBody> | undefined;
  links: Fact<LinksBody> | undefined;
  heal: Fact<HealBody> | undefined;
  health: Fact<HealthBody> | undefined;
  acks: Fact<AcksBody> | undefined;
  floors: Fact<FloorsBody> | undefined;
  meshFloors: Fact<FloorsBody> | undefined;
  exclusive: Fact<ExclusiveBody> | undefined;
  readonly pods: Map<string, Fact<PodBody>>;
  /** By the uid of the job. */
  readonly jobs: Map<string, Fact<JobBody>>;
};

/** What the records mean, kept in step with the store record by record. */
export type Index = {
  /** Counts what may change who votes: members, ends of membership, and what people wrote about nodes. */
  rosterChanges: number;
  readonly memberById: Map<NodeId, MemberRecord>;
  readonly goneSince: Map<NodeId, Version>;
  readonly factsByNode: Map<NodeId, NodeFacts>;
  readonly siteSummaries: Map<string, Summary<SiteSummary>>;
  readonly regionSummaries: Map<string, Summary<RegionSummary>>;
  /** objectKey -> record slot -> entry. */
  readonly entriesByObject: Map<string, Map<string, IntentEntry>>;
  readonly objectByKey: Map<string, MergedObject>;
  readonly later: LaterRecords;
  /** Keys of objects that were deleted, without a conflict about it, and whose records are still here. */
  readonly dead: Set<string>;
  /** Keys of objects with conflicts. */
  readonly conflicted: Set<string>;
  /** `group/kind` -> keys of the objects that exist or have conflicts. */
  readonly keysByKind: Map<string, Set<string>>;
  /** What the facts of all nodes say together of jobs; undefined when it is to be added up again. */
  progress: ReadonlyMap<string, JobProgress> | undefined;
  /** What changed since placement looked last; see feed.ts. */
  readonly touched: Touched;
};

export type Touched = {
  readonly nodes: Set<NodeId>;
  readonly pods: Map<string, NodeId>;
  readonly objects: Map<string, ObjectRef>;
};

/** What one of a place's nodes says of it. */
export type Summary<T> = Fact<T> & { readonly author: NodeId };

type MemberRecord = { readonly body: MemberBody; readonly version: Version; readonly author: NodeId };

/** What a new record changed, so that the caller knows whom to tell. */
export type IndexChange = {
  readonly parts: KeyParts;
  readonly changed: readonly Changed[];
  /** Of a summary: whether it names other gateways than the one before. */
  readonly gateways?: boolean;
};

export const emptyIndex = (): Index => ({
  rosterChanges: 0,
  memberById: new Map(),
  goneSince: new Map(),
  factsByNode: new Map(),
  siteSummaries: new Map(),
  regionSummaries: new Map(),
  entriesByObject: new Map(),
  objectByKey: new Map(),
  keysByKind: new Map(),
  later: new Map(),
  dead: new Set(),
  conflicted: new Set(),
  progress: undefined,
  touched: { nodes: new Set(), pods: new Map(), objects: new Map() },
});

export const isMember = (index: Index, id: NodeId): boolean =>
  index.memberById.has(id) && !index.goneSince.has(id);

/** Who is on the roster, sorted. */
export const membersOf = (index: Index): readonly NodeId[] =>
  [...index.memberById.keys()].filter((id) => isMember(index, id)).sort();

export function factsOf(index: Index, node: NodeId): NodeFacts | undefined {
  return index.factsByNode.get(node);
}

/** The stamp of the newest word of a node about itself. */
export function lastHeard(index: Index, node: NodeId): Version {
  const facts = factsOf(index, node);
  return Math.max(facts?.status?.version ?? 0, facts?.links?.version ?? 0, facts?.acks?.version ?? 0);
}

export const kindKey = (group: string, kind: string): string => `${group}/${kind}`;

export function entriesOf(index: Index, ref: ObjectRef): readonly IntentEntry[] {
  return [...(index.entriesByObject.get(objectKey(ref))?.values() ?? [])];
}

/** Takes a record that the store just took (or lost: `removed`). Bodies we cannot read are left out. */
export function indexRecord(index: Index, record: MeshRecord, removed = false): IndexChange | undefined {
  const parts = partsOf(record.key);
  if (parts === undefined) {
    countLater(index.later, record, removed);
    return undefined;
  }
  const aboutNode = parts.type === "intent" && parts.ref.kind === "Node";
  if (parts.type === "member" || parts.type === "gone" || aboutNode) index.rosterChanges++;
  if ("ref" in parts) index.touched.objects.set(objectKey(parts.ref), parts.ref);
  else if (parts.type === "pod") index.touched.pods.set(parts.uid, parts.node);
  else if (
    parts.type === "member" ||
    parts.type === "gone" ||
    parts.type === "status" ||
    parts.type === "health"
  )
    index.touched.nodes.add(parts.node);
  switch (parts.type) {
    case "member":
      if (removed) index.memberById.delete(parts.node);
      else indexMember(index, parts.node, record);
      return { parts, changed: [{ type: "node", node: parts.node }] };
    case "gone":
      if (removed) index.goneSince.delete(parts.node);
      else {
        const since = index.goneSince.get(parts.node) ?? Number.POSITIVE_INFINITY;
        index.goneSince.set(parts.node, Math.min(record.version, since));
      }
      return { parts, changed: [{ type: "node", node: parts.node }] };
    case "intent": {
      indexIntent(index, parts.ref, parts.manager, record, removed);
      const changed: Changed[] = [{ type: "object", ref: parts.ref }];
      return { parts, changed };
    }
    case "site-summary": {
      const told = indexSummary(index.siteSummaries, siteSummaryBody, parts.place, record, removed);
      const { gateways, workloads } = told;
      return { parts, changed: [{ type: "site", name: parts.place, workloads }], gateways };
    }
    case "region-summary": {
      const told = indexSummary(index.regionSummaries, regionSummaryBody, parts.place, record, removed);
      const { gateways, workloads } = told;
      return { parts, changed: [{ type: "region", name: parts.place, workloads }], gateways };
    }
    case "pod":
      indexPod(index, parts.node, parts.uid, record, removed);
      return { parts, changed: [{ type: "pod", node: parts.node, uid: parts.uid }] };
    case "job": {
      const { jobs } = factsFor(index, parts.node);
      const body = removed || isTombstone(record) ? undefined : jobBody(bodyOf(record));
      if (body === undefined) jobs.delete(parts.uid);
      else jobs.set(parts.uid, { body, version: record.version });
      index.progress = undefined;
      return { parts, changed: [{ type: "job", uid: parts.uid }] };
    }
    default:
      indexFact(index, parts.node, parts.type, record, removed);
      return { parts, changed: [{ type: "node", node: parts.node }] };
  }
}

/** Several enrollers may have admitted the same node: the newest record counts, then the author. */
function indexMember(index: Index, node: NodeId, record: MeshRecord): void {
  const body = sharedBody(memberBody, record);
  const held = index.memberById.get(node);
  if (body === undefined) return;
  const newer =
    held === undefined ||
    record.version > held.version ||
    (record.version === held.version && record.author >= held.author);
  if (newer) index.memberById.set(node, { body, version: record.version, author: record.author });
}

const nothing: IntentBody = { class: "user", writes: [], fields: {} };

function indexIntent(
  index: Index,
  ref: ObjectRef,
  manager: string,
  record: MeshRecord,
  removed: boolean,
): void {
  const key = objectKey(ref);
  const entries = index.entriesByObject.get(key) ?? new Map<string, IntentEntry>();
  index.entriesByObject.set(key, entries);
  // A tombstone stays as an entry that says nothing: whoever writes next has seen it.
  const body = removed ? undefined : isTombstone(record) ? nothing : readIntentBody(bodyOf(record));
  if (body === undefined) entries.delete(slotOf(record));
  else entries.set(slotOf(record), { author: record.author, manager, version: record.version, body });
  remerge(index, ref, key, entries);
}

function remerge(index: Index, ref: ObjectRef, key: string, entries: Map<string, IntentEntry>): void {
  const kind = kindOf(ref.group, ref.kind);
  const merged =
    kind === undefined || entries.size === 0 ? undefined : mergeObject(kind, ref, [...entries.values()]);
  const keys = index.keysByKind.get(kindKey(ref.group, ref.kind)) ?? new Set<string>();
  index.keysByKind.set(kindKey(ref.group, ref.kind), keys);
  if (merged?.exists === false && merged.conflicts.length === 0) index.dead.add(key);
  else index.dead.delete(key);
  if (merged !== undefined && merged.conflicts.length > 0) index.conflicted.add(key);
  else index.conflicted.delete(key);
  if (entries.size === 0) index.entriesByObject.delete(key);
  if (merged === undefined) {
    index.objectByKey.delete(key);
    keys.delete(key);
  } else {
    index.objectByKey.set(key, merged);
    keys.add(key);
  }
}

function indexPod(index: Index, node: NodeId, uid: string, record: MeshRecord, removed: boolean): void {
  const facts = factsFor(index, node);
  const body = removed || isTombstone(record) ? undefined : podBody(bodyOf(record));
  if (body === undefined) facts.pods.delete(uid);
  else facts.pods.set(uid, { body, version: record.version });
}

/** Bodies by their bytes: nodes that share memory (in the simulator) share what is read from them. */
const bodyByBytes = new WeakMap<object, unknown>();

/** What a member's record or a summary says: these are on many nodes and read once. */
export function sharedBody<T>(shape: Shape<T>, record: MeshRecord): T | undefined {
  const known = bodyByBytes.get(record.frame.buffer) as T | undefined;
  if (known !== undefined) return known;
  const body = shape(bodyOf(record));
  if (body !== undefined) bodyByBytes.set(record.frame.buffer, body);
  return body;
}

/** @returns whether its gateways are others now, and the workloads of which it says something else. */
function indexSummary<T extends Told>(
  summaries: Map<string, Summary<T>>,
  shape: Shape<T>,
  place: string,
  record: MeshRecord,
  removed: boolean,
): { readonly gateways: boolean; readonly workloads: readonly string[] } {
  const before = summaries.get(place)?.body;
  const body = removed ? undefined : sharedBody(shape, record);
  if (body === undefined) summaries.delete(place);
  else summaries.set(place, { body, version: record.version, author: record.author });
  const gateways = !equalJson(before?.gateways, body?.gateways);
  return { gateways, workloads: workloadsChanged(before?.workloads, body?.workloads) };
}

type Told = { readonly gateways: readonly Gateway[]; readonly workloads: readonly WorkloadSummary[] };

function workloadsChanged(before: Told["workloads"] = [], after: Told["workloads"] = []): readonly string[] {
  const old = new Map(before.map((workload) => [workload.name, workload]));
  const changed = after.filter((workload) => !equalJson(old.get(workload.name), workload));
  for (const { name } of after) old.delete(name);
  return [...changed.map(({ name }) => name), ...old.keys()];
}

function indexFact(
  index: Index,
  node: NodeId,
  type: "status" | "links" | "heal" | "health" | "acks" | "floors" | "mesh-floors" | "exclusive",
  record: MeshRecord,
  removed: boolean,
): void {
  const facts = factsFor(index, node);
  const json = removed ? undefined : bodyOf(record);
  const version = record.version;
  if (type === "status") facts.status = withVersion(statusBody(json), version);
  else if (type === "links") facts.links = withVersion(linksBody(json), version);
  else if (type === "acks") facts.acks = withVersion(acksBody(json), version);
  else if (type === "health") facts.health = withVersion(healthBody(json), version);
  else if (type === "exclusive") facts.exclusive = withVersion(exclusiveBody(json), version);
  else if (type === "floors") facts.floors = withVersion(floorsBody(json), version);
  else if (type === "mesh-floors") facts.meshFloors = withVersion(floorsBody(json), version);
  else facts.heal = withVersion(healBody(json), version);
}

function withVersion<T>(body: T | undefined, version: Version): Fact<T> | undefined {
  return body === undefined ? undefined : { body, version };
}

function factsFor(index: Index, node: NodeId): NodeFacts {
  let facts = index.factsByNode.get(node);
  if (facts === undefined) {
    facts = {
      status: undefined,
      links: undefined,
      heal: undefined,
      health: undefined,
      acks: undefined,
      floors: undefined,
      meshFloors: undefined,
      exclusive: undefined,
      pods: new Map(),
      jobs: new Map(),
    };
    index.factsByNode.set(node, facts);
  }
  return facts;
}
