import { hex } from "../core/kernel/bytes.ts";
import type { Version } from "../core/kernel/hybrid-clock.ts";
import { isLeaseRow } from "../core/leases/rows.ts";
import type { NodeView } from "../core/node/contract.ts";
import { isOwnNote } from "../core/node/own-notes.ts";
import { partsOf, type ObjectRef } from "../core/records/keys.ts";
import { isTombstone, type MeshRecord, type NodeId } from "../core/records/record.ts";
import { openStored, sealHolds } from "../core/records/seal.ts";
import { detailScope, keeps, regionsAround } from "../core/records/scope.ts";
import type { Machine } from "./machine.ts";
import { goneSince } from "./enrolment.ts";
import type { World } from "./world.ts";

/** What must hold of the roster, and of the records of those who are on it no more, once all is calm. */

/** Ends of memberships as a member has them: from which stamp on nothing that somebody wrote counts. */
export class Ends {
  readonly #world: World;
  readonly #since: ReadonlyMap<NodeId, Version>;

  constructor(world: World, by = world.machines[0]) {
    this.#world = world;
    this.#since = by === undefined ? new Map() : goneSince(world, by);
  }

  isGone(author: NodeId): boolean {
    return this.#world.departed.some(({ machine }) => machine.identity.id === author);
  }

  /** Whether it counts nowhere, because its author had left or was revoked before, or never belonged. */
  isVoid(author: NodeId, version: Version): boolean {
    const mole = this.#world.departed.some(
      ({ machine, how }) => how === "void" && machine.identity.id === author,
    );
    return mole || version > (this.#since.get(author) ?? Number.POSITIVE_INFINITY);
  }
}

/** 13. Everybody's roster is the world's: nobody but who left or was revoked is forgotten, and no mole is on it. */
export function checkRoster(world: World): void {
  for (const { name, identity, node } of world.machines) {
    const detail = identity.mesh.detail;
    const told = new Set(node?.view.members().map(({ id }) => id));
    for (const { identity: other } of world.machines) {
      const expected = keeps(identity, detailScope(detail, other));
      if (expected && !told.delete(other.id)) world.violated(`13: ${name} has forgotten ${other.name}`);
    }
    for (const id of told) world.violated(`13: ${name} counts ${nameOf(world, id)}, who is no member`);
    for (const { machine } of world.departed) {
      const gone = machine.identity;
      if (!told.has(gone.id) && node?.view.memberBody(gone.id) !== undefined)
        world.violated(`13: ${name} would still take ${gone.name} for a member`);
    }
  }
}

/**
 * 3. No disk holds a record that its author may not write, or whose signature does not match; 14. nor one
 * from after the end of its author's membership.
 */
export function checkDisks(world: World, ends: Ends): void {
  const machineById = new Map(world.everybody.map((machine) => [machine.identity.id, machine] as const));
  const enrollers = new Set([...world.enrollers].map(({ identity }) => identity.id));
  for (const machine of world.machines) {
    for (const frame of machine.disk.frames()) {
      if (isOwnNote(frame) || isLeaseRow(frame)) continue;
      const opened = openStored(frame, world.crypto);
      if (!opened.ok) {
        world.violated(`3: ${machine.name} stores a frame that is no record`);
        continue;
      }
      const record = opened.value;
      const { key, author, version } = record;
      const { mesh } = machine.identity;
      const writer = machineById.get(author);
      const publicKey = author === mesh.id ? mesh.rootKey : writer?.signer.publicKey;
      const mayEnrol = author === mesh.id || enrollers.has(author);
      if (!owns(record, writer, mayEnrol)) world.violated(`3: ${machine.name} accepted ${key} by ${author}`);
      else if (publicKey === undefined || !sealHolds(record, publicKey, world.crypto)) {
        const hash = hex(record.hash);
        world.violated(`3: ${machine.name} accepted ${key} with a wrong signature (${hash})`);
      } else if (ends.isVoid(author, version))
        world.violated(`14: ${machine.name} holds ${key} by ${writer?.name ?? author}, from after its end`);
    }
  }
}

function owns({ key, author }: MeshRecord, writer: Machine | undefined, mayEnrol: boolean): boolean {
  return (
    (key.startsWith("node/") && key.startsWith(`node/${author}/`)) ||
    (key.startsWith("intent/") && writer !== undefined) ||
    (key.startsWith("roster/") && mayEnrol) ||
    key === `site/${writer?.identity.site ?? "?"}/summary` ||
    regionsAround(writer?.identity.region ?? "?").some((name) => key === `region/${name}/summary`) ||
    key === `roster/gone/${author}`
  );
}

/**
 * 10. Deletions that everybody has heard of are forgotten. Only its author can take an intent away, so what
 * is left of a deleted object stays when one of those who wrote of it is no member any more.
 */
export function deletionsHeld(world: World, ends: Ends): readonly string[] {
  return deletionsByMachine(world, ends).flatMap(({ name, left }) => {
    const [first] = left;
    if (first === undefined) return [];
    const by = nameOf(world, first.author);
    return [`${name} still holds ${left.length} deleted records, among them ${first.key} by ${by}`];
  });
}

/** The deleted records that somebody still holds, each once. */
export function deletionsLeft(world: World, ends: Ends): ReadonlySet<string> {
  return new Set(deletionsByMachine(world, ends).flatMap(({ left }) => left.map(({ hash }) => hex(hash))));
}

type Left = { readonly name: string; readonly left: readonly MeshRecord[] };

function deletionsByMachine(world: World, ends: Ends): readonly Left[] {
  return world.machines.map(({ name, node, disk }): Left => {
    const records = disk.frames().flatMap((frame) => {
      const opened = openStored(frame, world.crypto);
      return opened.ok ? [opened.value] : [];
    });
    const ofGone = records.filter((record) => record.kind === "intent" && ends.isGone(record.author));
    const kept = new Set(ofGone.map(({ key }) => objectOf(key)));
    const left = records.filter((record) => {
      if (record.kind === "intent" && kept.has(objectOf(record.key))) return false;
      return isTombstone(record) || (node !== undefined && isDead(node.view, record.key));
    });
    return { name, left };
  });
}

function isDead(view: NodeView, key: string): boolean {
  const parts = partsOf(key);
  if (parts?.type !== "intent") return false;
  const object = view.object(parts.ref);
  return object?.exists === false && object.conflicts.length === 0;
}

function objectOf(key: string): string {
  const parts = partsOf(key);
  return parts?.type === "intent" ? nameOfObject(parts.ref) : key;
}

const nameOfObject = ({ group, kind, namespace, name }: ObjectRef): string =>
  [group, kind, namespace, name].join("/");

const nameOf = (world: World, id: NodeId): string =>
  world.everybody.find(({ identity }) => identity.id === id)?.name ?? id;
