import { hex } from "../core/kernel/bytes.ts";
import { tick, type Version } from "../core/kernel/hybrid-clock.ts";
import type { WallTime } from "../core/kernel/time.ts";
import type { MemberBody } from "../core/records/bodies.ts";
import { goneKey, memberKey } from "../core/records/keys.ts";
import { slotOf, type MeshRecord, type NodeId } from "../core/records/record.ts";
import { openStored, sealRecord, storedBytes } from "../core/records/seal.ts";
import { detailScope } from "../core/records/scope.ts";
import type { Preload } from "./disk.ts";
import type { Machine } from "./machine.ts";
import type { World } from "./world.ts";

/** The roster's records, made by the machines' own keys as `app/enrol/enroller.ts` makes them. */

export function memberBodyOf(
  { identity, signer, tlsKey }: Machine,
  grants: readonly string[],
  joinedAt: WallTime,
): Omit<MemberBody, "grants"> & { readonly grants: readonly string[] } {
  const { name, site, region } = identity;
  return { name, site, region, signKey: hex(signer.publicKey), tlsKey, grants, labels: {}, joinedAt };
}

/** The record that admits a newcomer, by a machine whose agent runs. */
export function admission(world: World, enroller: Machine, newcomer: Machine): MeshRecord {
  const { wall } = clocksOf(enroller);
  const { identity } = newcomer;
  const draft = {
    scope: detailScope(identity.mesh.detail, identity),
    key: memberKey(identity.id),
    version: nextBy(enroller, wall),
    kind: "roster",
    body: memberBodyOf(newcomer, ["write"], Math.floor(wall)),
  } as const;
  return sealRecord(draft, enroller.identity.id, enroller.signer, world.crypto);
}

/** Later than what it admitted and revoked before, as the enroller of an agent stamps. */
const nextBy = ({ node, identity }: Machine, wall: number): Version =>
  tick({ last: node?.view.newestBy(identity.id, "roster") ?? 0 }, wall);

/** The record that ends a membership, after all that the enroller has of the member. */
export function revocation(world: World, enroller: Machine, member: NodeId): MeshRecord {
  const { wall } = clocksOf(enroller);
  const newest = enroller.node?.view.newestBy(member) ?? 0;
  const draft = {
    scope: "mesh",
    key: goneKey(member),
    version: Math.max(nextBy(enroller, wall), newest + 1),
    kind: "roster",
    body: { how: "revoked", reason: "simulated" },
  } as const;
  return sealRecord(draft, enroller.identity.id, enroller.signer, world.crypto);
}

/** Hands a roster record to the enroller's own agent. */
export function enrolAt(world: World, enroller: Machine, record: MeshRecord): void {
  enroller.deliver({ type: "enrolled", frame: storedBytes(record, world.crypto) });
}

/** What the enroller's answer to a join puts on the newcomer's disk. */
export function introductionBy(world: World, enroller: Machine, admitted: MeshRecord): Preload[] {
  const frames = [storedBytes(admitted, world.crypto), ...(enroller.node?.view.introduction() ?? [])];
  const bytesBySlot = new Map<string, Uint8Array>();
  for (const bytes of frames) {
    const record = openStored(bytes, world.crypto);
    if (record.ok) bytesBySlot.set(slotOf(record.value), bytes);
  }
  return [...bytesBySlot].map(([slot, bytes]) => ({ slot, bytes }));
}

export const isStoredAt = ({ disk }: Machine, record: MeshRecord): boolean =>
  disk.stored(slotOf(record)) !== undefined;

/** From when on nothing that a node wrote counts, by the records on a disk; undefined for a member. */
export function goneSince(world: World, { disk }: Machine): ReadonlyMap<NodeId, Version> {
  const since = new Map<NodeId, Version>();
  for (const bytes of disk.frames()) {
    const record = openStored(bytes, world.crypto);
    if (!record.ok || !record.value.key.startsWith("roster/gone/")) continue;
    const id = record.value.key.slice("roster/gone/".length);
    since.set(id, Math.min(record.value.version, since.get(id) ?? Number.POSITIVE_INFINITY));
  }
  return since;
}

function clocksOf(machine: Machine): { readonly wall: WallTime } {
  if (machine.node === undefined) throw new Error(`the agent of ${machine.name} does not run`);
  return machine.node.view.clocks();
}
