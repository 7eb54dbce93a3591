import { versionAt } from "../../core/kernel/hybrid-clock.ts";
import { slotOf } from "../../core/records/record.ts";
import { openStored, storedBytes } from "../../core/records/seal.ts";
import type { Machine } from "../machine.ts";
import { memberRecord, revocation } from "../roster.ts";
import { gather } from "../shard.ts";
import { anyReachable, siteOf, type Fleet } from "./fleet.ts";

/**
 * Who comes and who goes. Sites join node by node: the first is invited by a neighbour of its region, the
 * others by one that is there already. What cannot be done now is tried again, as people do.
 */

const againMs = 5_000;
const dayMs = 86_400_000;
/** Of so many nodes one leaves in a day, and of so many one is revoked. */
const nodesPerLeaver = 500;
const nodesPerRevoked = 1_000;

/**
 * Within the first three fifths of the span, so that what they changed is weathered, too.
 *
 * @param pace As that of a forecast; one site joins and one node goes each way at least.
 */
export function planRosterChanges(fleet: Fleet, from: number, spanMs: number, pace?: number): void {
  const { world, random } = fleet;
  const counted = (inADay: number): number =>
    Math.max(1, Math.round(pace === undefined ? inADay : (pace * inADay * spanMs) / dayMs));
  const lateSites = fleet.lateSites.slice(0, counted(fleet.lateSites.length));
  const soon = 0.6 * spanMs;
  for (const site of lateSites) {
    const machines = siteOf(fleet, site);
    const startsAt = from + random() * 0.2 * spanMs;
    machines.forEach((machine, at) => {
      world.at(startsAt + (at * (soon - 0.2 * spanMs)) / machines.length, () => join(fleet, machine));
    });
  }
  const settled = [...fleet.members];
  for (let left = counted(settled.length / nodesPerLeaver); left > 0; left--)
    world.at(from + random() * soon, () => leave(fleet, settled));
  for (let left = counted(settled.length / nodesPerRevoked); left > 0; left--)
    world.at(from + random() * soon, () => revoke(fleet, settled));
}

function join(fleet: Fleet, newcomer: Machine): void {
  const { world, members } = fleet;
  const { site, region } = newcomer.identity;
  const present = siteOf(fleet, site).filter((machine) => members.has(machine));
  const neighbours = world.machines.filter(({ identity }) => identity.region === region);
  const inviter = anyReachable(fleet, present.length > 0 ? present : neighbours);
  if (inviter === undefined) return world.at(world.now + againMs, () => join(fleet, newcomer));
  const now = Math.floor(world.trueTime());
  const frame = storedBytes(memberRecord(newcomer, now, versionAt(now), world.crypto), world.crypto);
  inviter.deliver({ type: "enrolled", frame });
  newcomer.disk.preload(
    [frame, ...(inviter.node?.view.introduction() ?? [])].flatMap((bytes) => {
      const record = openStored(bytes, world.crypto);
      return record.ok ? [{ slot: slotOf(record.value), bytes }] : [];
    }),
  );
  members.add(newcomer);
  newcomer.startAgent();
}

/** Its process ends once a neighbour holds its word. */
function leave(fleet: Fleet, among: readonly Machine[]): void {
  const { world, members, gone, shard } = fleet;
  const leaver = anyReachable(fleet, among);
  const neighbours = siteOf(fleet, leaver?.identity.site ?? "").filter((other) => other !== leaver);
  if (leaver === undefined || anyReachable(fleet, neighbours) === undefined)
    return world.at(world.now + againMs, () => leave(fleet, among));
  members.delete(leaver);
  gone.add(leaver);
  leaver.deliver({ type: "leave", reason: "sold" });
  const endOnceHeard = (): void => {
    const isHeard = neighbours.some((other) => knowsGone(other, leaver));
    if (gather(shard, isHeard).includes(true)) leaver.powerOff();
    else world.at(world.now + 1_000, endOnceHeard);
  };
  world.at(world.now + 1_000, endOnceHeard);
}

/** A stolen machine, which runs on: somebody far away tells the mesh. */
function revoke(fleet: Fleet, among: readonly Machine[]): void {
  const { world, members, gone } = fleet;
  const stolen = anyReachable(fleet, among);
  const teller = anyReachable(fleet, among);
  if (stolen === undefined || teller === undefined || stolen.identity.site === teller.identity.site)
    return world.at(world.now + againMs, () => revoke(fleet, among));
  members.delete(stolen);
  gone.add(stolen);
  const now = Math.floor(world.trueTime());
  const record = revocation(stolen, "stolen", versionAt(now), world.crypto);
  teller.deliver({ type: "enrolled", frame: storedBytes(record, world.crypto) });
}

export function knowsGone({ node }: Machine, { identity, tlsKey }: Machine): boolean {
  return node?.view.admits(identity.id, tlsKey) === false;
}
