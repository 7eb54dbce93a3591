import type { Version } from "../kernel/hybrid-clock.ts";
import type { IntentEntry, MergedObject } from "../intents/contract.ts";
import { readIntentBody } from "../intents/body.ts";
import { kindOf } from "../intents/kinds/index.ts";
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
  type PodBody,
  type StatusBody,
} from "../records/bodies.ts";
import { objectKey, partsOf, type KeyParts, type ObjectRef } from "../records/keys.ts";
import { bodyOf, isTombstone, slotOf, type MeshRecord, type NodeId } from "../records/record.ts";
import type { Changed } from "./contract.ts";

/** A fact with the stamp it carries. */
export type Fact<T> = { readonly body: T; readonly version: Version };

export type NodeFacts = {
  status: Fact<StatusBody> | undefined;
  links: Fact<LinksBody> | undefined;
  heal: Fact<HealBody> | undefined;
  acks: Fact<AcksBody> | undefined;
  floors: Fact<FloorsBody> | undefined;
  exclusive: Fact<ExclusiveBody> | undefined;
  readonly pods: Map<string, Fact<PodBody>>;
};

/** What the records mean, kept in step with the store record by record. */
export type Index = {
  /** Counts what may change who votes: members, ends of membership, and what people wrote about nodes. */
  rosterChanges: number;
  readonly memberById: Map<NodeId, MemberRecord>;
  readonly goneSince: Map<NodeId, Version>;
  readonly factsByNode: Map<NodeId, NodeFacts>;
  /** objectKey -> record slot -> entry. */
  readonly entriesByObject: Map<string, Map<string, IntentEntry>>;
  readonly objectByKey: Map<string, MergedObject>;
  /** `group/kind` -> keys of the objects that exist or have conflicts. */
  readonly keysByKind: Map<string, Set<string>>;
};

type MemberRecord = { readonly body: MemberBody; readonly version: Version; readonly author: NodeId };

/** What a new record changed, so that the caller knows whom to tell. */
export type IndexChange = { readonly parts: KeyParts; readonly changed: readonly Changed[] };

export const emptyIndex = (): Index => ({
  rosterChanges: 0,
  memberById: new Map(),
  goneSince: new Map(),
  factsByNode: new Map(),
  entriesByObject: new Map(),
  objectByKey: new Map(),
  keysByKind: new Map(),
});

export const isMember = (index: Index, id: NodeId): boolean =>
  index.memberById.has(id) && !index.goneSince.has(id);

export function factsOf(index: Index, node: NodeId): NodeFacts | undefined {
  return index.factsByNode.get(node);
}

export const kindKey = (group: string, kind: string): string => `${group}/${kind}`;

export function entriesOf(index: Index, ref: ObjectRef): readonly IntentEntry[] {
  return [...(index.entriesByObject.get(objectKey(ref))?.values() ?? [])];
}

/** Takes a record that the store just took (or lost: `removed`). Bodies we cannot read are left out. */
export function indexRecord(index: Index, record: MeshRecord, removed = false): IndexChange | undefined {
  const parts = partsOf(record.key);
  if (parts === undefined) return undefined;
  const aboutNode = parts.type === "intent" && parts.ref.kind === "Node";
  if (parts.type === "member" || parts.type === "gone" || aboutNode) index.rosterChanges++;
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
    case "pod":
      indexPod(index, parts.node, parts.uid, record, removed);
      return { parts, changed: [{ type: "pod", node: parts.node, uid: parts.uid }] };
    default:
      indexFact(index, parts.node, parts.type, record, removed);
      return { parts, changed: [{ type: "node", node: parts.node }] };
  }
}

/** Several enrollers may have admitted the same node: the newest record counts, then the author. */
function indexMember(index: Index, node: NodeId, record: MeshRecord): void {
  const body = memberBody(bodyOf(record));
  const held = index.memberById.get(node);
  if (body === undefined) return;
  const newer =
    held === undefined ||
    record.version > held.version ||
    (record.version === held.version && record.author >= held.author);
  if (newer) index.memberById.set(node, { body, version: record.version, author: record.author });
}

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
  const body = removed ? undefined : readIntentBody(bodyOf(record));
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

function indexFact(
  index: Index,
  node: NodeId,
  type: "status" | "links" | "heal" | "acks" | "floors" | "exclusive",
  record: MeshRecord,
  removed: boolean,
): void {
  const facts = factsFor(index, node);
  const json = removed ? undefined : bodyOf(record);
  const version = record.version;
  if (type === "status") facts.status = withVersion(statusBody(json), version);
  else if (type === "links") facts.links = withVersion(linksBody(json), version);
  else if (type === "acks") facts.acks = withVersion(acksBody(json), version);
  else if (type === "exclusive") facts.exclusive = withVersion(exclusiveBody(json), version);
  else if (type === "floors") facts.floors = withVersion(floorsBody(json), version);
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
      acks: undefined,
      floors: undefined,
      exclusive: undefined,
      pods: new Map(),
    };
    index.factsByNode.set(node, facts);
  }
  return facts;
}
