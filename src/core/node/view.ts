import type { Crypto } from "../kernel/crypto.ts";
import { storedBytes } from "../records/seal.ts";
import { hex } from "../kernel/bytes.ts";
import { wallOf } from "../kernel/hybrid-clock.ts";
import type { Instant, WallTime } from "../kernel/time.ts";
import { objectKey } from "../records/keys.ts";
import { newestOf } from "../records/log.ts";
import type { MeshRecord } from "../records/record.ts";
import { keeps } from "../records/scope.ts";
import { scopeDigest, tombstoneCount } from "../records/store.ts";
import { headsIn, makeBundle } from "../sync/bundle.ts";
import type { NodeView, PodView } from "./contract.ts";
import { heldUpTo } from "./held.ts";
import { encodeFrame } from "../sync/frames.ts";
import { admittedBy, authorsProven, guestRecords } from "./guests.ts";
import { detailOf } from "./levels.ts";
import { whyForbidden } from "./link-policy.ts";
import { memberView } from "./nodes.ts";
import { feedPlanner } from "./feed.ts";
import { allJobs, jobAt, jobPlaced } from "./feed-jobs.ts";
import { isJob } from "./job-standing.ts";
import { jobStanding } from "./jobs.ts";
import { entriesOf, factsOf, isMember, kindKey, membersOf } from "./records-index.ts";
import type { NodeState } from "./state.ts";
import { contactsSeen, peopledRegions, regionsOf, regionsOfSite, sitesOf, sitesTold } from "./sites.ts";
import { belongs, memberOf } from "./trust-view.ts";
import { uplinkView } from "./uplink.ts";
import { isWorkloadKind, placedOf } from "./workloads.ts";

/** What the machine was given last: ages are measured against its clocks. */
export type Given = { now: Instant; wall: WallTime; crypto: Crypto | undefined };

function* inTurn<T>(first: T, others: Iterable<T>): Generator<T> {
  yield first;
  yield* others;
}

/**
 * Who belongs, where they are reached, what is told of other places, and what people said of nodes: a witness
 * that is named for a site has to be known before anybody there founds its electorate.
 */
const isIntroducing = ({ kind, key }: MeshRecord): boolean =>
  kind === "roster" ||
  key.endsWith("/status") ||
  key.endsWith("/summary") ||
  key.startsWith(objectKey({ group: "", kind: "Node", namespace: "", name: "" }));

export function createView(state: NodeState, given: Given): NodeView {
  const { identity, config, index, store } = state;
  const podView = (node: string, uid: string): PodView | undefined => {
    const fact = factsOf(index, node)?.pods.get(uid);
    if (fact === undefined || !isMember(index, node)) return undefined;
    const current = node === identity.id || state.membership.standing(node)?.verdict === "alive";
    const age = Math.max(0, given.wall - wallOf(fact.version));
    return { uid, node, body: fact.body, age, current };
  };
  return {
    identity,
    config,
    members: () => membersOf(index).flatMap((id) => memberView(state, id, given.now, given.wall) ?? []),
    member: (id) => memberView(state, id, given.now, given.wall),
    objects: (group, kind) => {
      if (isJob({ group, kind })) return allJobs(state, given.wall);
      return [...(index.keysByKind.get(kindKey(group, kind)) ?? [])].sort().flatMap((key) => {
        const object = index.objectByKey.get(key);
        return object?.exists === true ? [object] : [];
      });
    },
    object: (ref) => index.objectByKey.get(objectKey(ref)) ?? jobAt(state, ref),
    job: (object) => jobStanding(state, object, given.wall),
    entries: (ref) => entriesOf(index, ref).filter(({ body }) => body.writes.length > 0),
    paths: (id) => ({
      addresses: factsOf(index, id)?.status?.body.addresses ?? [],
      relays: state.membership.relaysTo(id),
    }),
    forbids: (id) => whyForbidden(state, id),
    pods: () =>
      membersOf(index).flatMap((node) =>
        [...(factsOf(index, node)?.pods.keys() ?? [])].sort().flatMap((uid) => podView(node, uid) ?? []),
      ),
    pod: (uid) => {
      for (const node of membersOf(index)) {
        const found = podView(node, uid);
        if (found !== undefined) return found;
      }
      return undefined;
    },
    conflicts: () =>
      [...index.objectByKey.keys()].sort().flatMap((key) => {
        const object = index.objectByKey.get(key);
        return object === undefined ? [] : object.conflicts.map((conflict) => ({ object, conflict }));
      }),
    heals: (id) => factsOf(index, id)?.heal?.body.reports ?? [],
    leases: state.leases,
    placement: () => {
      feedPlanner(state, given);
      return state.planner;
    },
    clocks: () => ({ now: given.now, wall: given.wall }),
    placedAs: (object) => {
      const { group, kind } = object.ref;
      if (isJob(object.ref)) return jobPlaced(state, object, given.wall);
      return isWorkloadKind(group, kind) ? placedOf(object, index, config)?.workload : undefined;
    },
    island: () =>
      membersOf(index).filter(
        (id) => id === identity.id || state.membership.standing(id)?.verdict === "alive",
      ),
    admits: (peer, tlsKey) => {
      if (index.goneSince.has(peer)) return false;
      const known = memberOf(state, peer);
      return known === undefined ? detailOf(state) !== "mesh" : known.tlsKey === tlsKey;
    },
    hasEnded: (id) => index.goneSince.has(id),
    memberBody: (id) => (belongs(state, id) ? memberOf(state, id) : undefined),
    sites: () => sitesOf(state, given),
    sitesTold: () => sitesTold(state, given),
    regions: () => regionsOf(state, given),
    contacts: () => contactsSeen(state, given),
    peopledRegions: () => peopledRegions(state),
    regionsOfSite: (site) => regionsOfSite(state, site),
    introduction: () => {
      const frames: Uint8Array[] = [];
      if (given.crypto === undefined) return frames;
      for (const slot of [...store.bySlot.keys()].sort()) {
        const record = store.bySlot.get(slot);
        if (record !== undefined && isIntroducing(record)) frames.push(storedBytes(record, given.crypto));
      }
      const guests = new Set([...guestRecords(state), ...admittedBy(state, identity.id)]);
      for (const record of guests) frames.push(storedBytes(record, given.crypto));
      return frames;
    },
    bundle: (to, since, crypto) => {
      const place = to ?? identity;
      const made = makeBundle(store, (scope) => keeps(identity, scope) && keeps(place, scope), since, crypto);
      // Who reads it elsewhere has nobody to ask who the authors are.
      const proofs = detailOf(state) === "mesh" ? [] : authorsProven(state);
      if (proofs.length === 0) return made;
      const first = encodeFrame({ type: "records", mode: "part", records: proofs, covers: [] }, crypto);
      return { ...made, records: made.records + proofs.length, frames: inTurn(first, made.frames) };
    },
    heads: () => headsIn(store, (scope) => keeps(identity, scope)),
    holds: (author, version) => heldUpTo(state, author) >= version,
    positions: (slots) => {
      const versionByAuthor = new Map<string, number>();
      for (const slot of slots) {
        const record = store.bySlot.get(slot);
        if (record === undefined) continue;
        const version = Math.max(record.version, versionByAuthor.get(record.author) ?? 0);
        versionByAuthor.set(record.author, version);
      }
      return [...versionByAuthor].map(([author, version]) => ({ author, version }));
    },
    newestBy: (author, kind) => {
      let newest = 0;
      for (const log of store.logs.values())
        if (log.author === author && (kind === undefined || log.kind === kind))
          newest = Math.max(newest, newestOf(log));
      return newest;
    },
    stateHash: () =>
      [...store.hashByScope.keys()]
        .sort()
        .map((scope) => `${scope}=${hex(scopeDigest(store, scope).hash)}`)
        .join(" "),
    slots: () => store.bySlot,
    footprint: () => {
      const guests = [...state.levels.guests.values()].flatMap(({ record, status }) =>
        status === undefined ? [record] : [record, status.record],
      );
      const held = [...store.bySlot.values(), ...guests];
      return { records: held.length, bytes: held.reduce((sum, { frame }) => sum + frame.length, 0) };
    },
    uplink: () => uplinkView(state, given.now),
    isShortOfMemory: () => state.pressure.since !== undefined,
    records: () => ({
      total: store.bySlot.size,
      tombstones: tombstoneCount(store),
      dead: index.dead.size,
      setAside: state.setAside.size + state.pending.size,
    }),
  };
}
