import type { Crypto } from "../kernel/crypto.ts";
import { storedBytes } from "../records/seal.ts";
import { hex } from "../kernel/bytes.ts";
import { wallOf } from "../kernel/hybrid-clock.ts";
import type { Instant, WallTime } from "../kernel/time.ts";
import { explain } from "../placement/explain.ts";
import { objectKey } from "../records/keys.ts";
import { keeps } from "../records/scope.ts";
import { scopeDigest, tombstoneCount } from "../records/store.ts";
import { headsIn, makeBundle } from "../sync/bundle.ts";
import type { NodeView, PodView } from "./contract.ts";
import { heldUpTo } from "./held.ts";
import { linkPolicyOf } from "./link-policy.ts";
import { memberView } from "./nodes.ts";
import { placementInput } from "./placing.ts";
import { entriesOf, factsOf, isMember, kindKey } from "./records-index.ts";
import type { NodeState } from "./state.ts";
import { workloadsOf } from "./workloads.ts";

/** What the machine was given last: ages are measured against its clocks. */
export type Given = { now: Instant; wall: WallTime; crypto: Crypto | undefined };

export function createView(state: NodeState, given: Given): NodeView {
  const { identity, config, index, store } = state;
  const ids = (): string[] => [...index.memberById.keys()].filter((id) => isMember(index, id)).sort();
  const podView = (node: string, uid: string): PodView | undefined => {
    const fact = factsOf(index, node)?.pods.get(uid);
    if (fact === undefined || !isMember(index, node)) return undefined;
    const current = node === identity.id || state.membership.evidence(node)?.verdict === "alive";
    const age = Math.max(0, given.wall - wallOf(fact.version));
    return { uid, node, body: fact.body, age, current };
  };
  return {
    identity,
    config,
    members: () => ids().flatMap((id) => memberView(state, id, given.now, given.wall) ?? []),
    member: (id) => memberView(state, id, given.now, given.wall),
    objects: (group, kind) =>
      [...(index.keysByKind.get(kindKey(group, kind)) ?? [])].sort().flatMap((key) => {
        const object = index.objectByKey.get(key);
        return object?.exists === true ? [object] : [];
      }),
    object: (ref) => index.objectByKey.get(objectKey(ref)),
    entries: (ref) => entriesOf(index, ref),
    paths: (id) => ({
      addresses: factsOf(index, id)?.status?.body.addresses ?? [],
      relays: state.membership.relaysTo(id),
    }),
    forbids: (id) => linkPolicyOf(state)?.forbids(identity.id, id),
    pods: () =>
      ids().flatMap((node) =>
        [...(factsOf(index, node)?.pods.keys() ?? [])].sort().flatMap((uid) => podView(node, uid) ?? []),
      ),
    pod: (uid) => {
      for (const node of ids()) {
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
    explain: (workload, env) => explain(placementInput(state, env.now, workloadsOf(index, config)), workload),
    island: () =>
      ids().filter((id) => id === identity.id || state.membership.evidence(id)?.verdict === "alive"),
    introduction: () => {
      const frames: Uint8Array[] = [];
      if (given.crypto === undefined) return frames;
      for (const slot of [...store.bySlot.keys()].sort()) {
        const record = store.bySlot.get(slot);
        if (record !== undefined && (record.kind === "roster" || record.key.endsWith("/status"))) {
          frames.push(storedBytes(record, given.crypto));
        }
      }
      return frames;
    },
    bundle: (to, since, crypto) =>
      makeBundle(store, (scope) => keeps(identity, scope) && keeps(to ?? identity, scope), since, crypto),
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
    stateHash: () =>
      [...store.hashByScope.keys()]
        .sort()
        .map((scope) => `${scope}=${hex(scopeDigest(store, scope).hash)}`)
        .join(" "),
    uplink: () => ({
      class: config.uplink,
      bytesToday: state.uplink.bytes,
      bytesPerDay: config.uplinkBytesPerDay,
    }),
    records: () => ({
      total: store.bySlot.size,
      tombstones: tombstoneCount(store),
      setAside: state.setAside.size + state.pending.size,
    }),
  };
}
