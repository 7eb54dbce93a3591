import { carryOut, type Handlers } from "../kernel/effects.ts";
import {
  promiseFor,
  type Electorate,
  type LeaseEffect,
  type LeaseEvent,
  type Roll,
  type Wanted,
} from "../leases/contract.ts";
import { observe, versionAt, wallOf, type Version } from "../kernel/hybrid-clock.ts";
import { stampOf } from "../leases/state.ts";
import { seconds, type Duration, type Instant } from "../kernel/time.ts";
import type { ObjectRef } from "../records/keys.ts";
import { leaseChannel, send } from "./channels.ts";
import { electoratesOf } from "./electorates.ts";
import { detailOf } from "./levels.ts";
import { keptVolumes } from "./ordinals.ts";
import { publishExclusive } from "./own-records.ts";
import { lookAtOwnPlace } from "./own-place.ts";
import { placeKey } from "./place-key.ts";
import { stopPod } from "./pods.ts";
import { factsOf, membersOf } from "./records-index.ts";
import type { LocalPod, NodeState } from "./state.ts";
import { note, placeSoon, type Turn } from "./turn.ts";

/**
 * The seam between leases and the rest of the node. Placement says which slot this node would fill; for an
 * exclusive one the lease machine is asked first, and the pod runs no longer than the lease. The lease is
 * given back when nothing of the pod is left.
 */

/** A slot that this node would fill, if it had the lease, and since when. */
export type ExclusiveSlot = { readonly ref: ObjectRef; readonly slot: string; readonly since: Instant };

/** The name that a slot's owner holds. */
export const leaseName = (ref: ObjectRef, slot: string): string => placeKey(ref, slot);

/** Who votes on a slot: the site that it belongs to, or the whole mesh. */
export const electorateOf = (slot: string): string =>
  slot.startsWith("site/") ? slot.slice(0, slot.lastIndexOf("/")) : "mesh";

/** Every this often it is said again that a workload cannot be exclusive. */
const refusalLasts: Duration = seconds(300);

/**
 * A slot of the whole mesh is voted on by all members: where their detail stays in places, nobody knows them
 * all, and two places would count two majorities.
 */
export function mayBeExclusive(turn: Turn, ref: ObjectRef, slot: string): boolean {
  const { state, env } = turn;
  if (electorateOf(slot) !== "mesh" || detailOf(state) === "mesh") return true;
  state.backoffs.set(placeKey(ref, slot), { until: env.now + refusalLasts, failures: 1 });
  const why = `${slot} needs the votes of all members, whom nobody knows here: set starlight.dev/placement=perSite`;
  note(turn, "error", "PodRefused", why, ref);
  return false;
}

export function tellLeases(turn: Turn, event: LeaseEvent): void {
  const { state, env } = turn;
  const leaseEnv = {
    now: env.now,
    stamp: Math.max(state.clock.last + 1, versionAt(env.wall)),
    latest: latestStamp(turn),
    random: env.random("leases"),
  };
  const effects = state.leases.handle(event, leaseEnv);
  if (effects.length === 0) return;
  const handlers = leaseHandlers(turn);
  for (const effect of effects) carryOut(handlers, effect);
}

/** What the disk holds of leases, and which of our own still runs from before. */
export function restoreLeases(turn: Turn, firstLife: boolean): void {
  const { state, env } = turn;
  const random = env.random("lease memory");
  const memory = Array.from({ length: 16 }, () => Math.floor(random() * 16).toString(16)).join("");
  tellLeases(turn, { type: "restored", rows: state.leaseRows, memory, firstLife });
  state.leaseRows = [];
  tellElectorates(turn);
  wantLeases(turn, []);
}

/** Whether the ticket was one of the lease machine's; tells it. */
export function leasesStored(turn: Turn, ticket: number, type: "stored" | "store-failed"): boolean {
  const own = turn.state.leaseTickets.get(ticket);
  if (own === undefined) return false;
  turn.state.leaseTickets.delete(ticket);
  tellLeases(turn, { type, ticket: own });
  return true;
}

/** What the roster says of the electorates that this node has to do with; the lease machine turns it into rolls. */
export function tellElectorates(turn: Turn): void {
  const { state } = turn;
  const { index, identity } = state;
  if (!state.booted) return;
  lookAtOwnPlace(state);
  const mayFound = state.levels.ownPlace.heard && !state.levels.ownPlace.elders;
  const told = `${index.rosterChanges} ${mayFound}`;
  if (told === state.electoratesTold) return;
  state.electoratesTold = told;
  const ended = index.goneSince.size;
  const electorates = electoratesOf(state).map(({ name, members, voters, first }): Electorate => {
    const listenFor = members.length === 1 ? aloneFor(state) : 0;
    const founder = first === identity.id && !mayFound ? undefined : first;
    return { name, members, voters, founder, ended, listenFor };
  });
  tellLeases(turn, { type: "electorates", electorates, members: new Set(membersOf(index)) });
  for (const { name } of electorates) keepAhead(turn, state.leases.roll(name));
}

/** Who is alone in its electorate may have been admitted by somebody who does not know the others, or not all. */
function aloneFor({ identity, index, config }: NodeState): Duration {
  const isFirstOfMesh = index.memberById.get(identity.id)?.author === identity.mesh.id;
  return isFirstOfMesh ? 0 : promiseFor(config.leaseFor);
}

/** What a clock within the bound may show now, also where ours is behind what it has seen. */
const latestStamp = ({ state, env }: Turn): Version =>
  versionAt(Math.max(env.wall, wallOf(state.clock.last)) + state.config.driftMax);

/**
 * Whoever knows of a roll stamps what it writes from then on above it: also the word that it leaves, or that
 * another is revoked, and so whoever founds the electorate again has seen a larger stamp.
 */
function keepAhead(turn: Turn, roll: Roll | undefined): void {
  if (roll !== undefined && stampOf(roll) <= latestStamp(turn)) observe(turn.state.clock, stampOf(roll));
}

/**
 * Asks for the leases of these slots, and to keep those of pods that are here. A pod that is here and has
 * ended keeps its name until it is gone, so that nothing starts beside what is left of it.
 */
export function wantLeases(turn: Turn, slots: readonly ExclusiveSlot[]): void {
  const { state, env } = turn;
  const wanted = new Map<string, Wanted>();
  for (const { body } of state.pods.values()) {
    if (body.fence === undefined) continue;
    const name = leaseName(body.workload, body.slot);
    wanted.set(name, { name, electorate: electorateOf(body.slot), epoch: body.fence });
  }
  // A pod without a record may be one of an exclusive slot: its guard ends it within the time of a promise.
  const clear = state.orphans.size === 0 || env.now >= state.bootedAt + promiseFor(state.config.leaseFor);
  for (const { ref, slot } of clear ? slots : []) {
    const name = leaseName(ref, slot);
    if (!wanted.has(name)) wanted.set(name, { name, electorate: electorateOf(slot), epoch: 0 });
  }
  for (const name of [...state.leases.holding().keys()].sort()) {
    if (!wanted.has(name)) tellLeases(turn, { type: "release", name });
  }
  const names = [...wanted.keys()].sort().flatMap((name) => wanted.get(name) ?? []);
  const told = JSON.stringify(names);
  if (told === state.wantedTold) return;
  state.wantedTold = told;
  tellLeases(turn, { type: "wanted", names });
}

/** The lease that a new pod of the slot may be started under; undefined when there is none, or one runs. */
export function leaseFor(
  turn: Turn,
  ref: ObjectRef,
  slot: string,
): { epoch: number; until: number } | undefined {
  const name = leaseName(ref, slot);
  const held = turn.state.leases.holding().get(name);
  if (held === undefined || held.until <= turn.env.now) return undefined;
  return podUnder(turn, name) === undefined ? held : undefined;
}

/** Nothing is left of the pod: its name is free. */
export function releaseLease(turn: Turn, { body }: LocalPod): void {
  if (body.fence === undefined) return;
  turn.state.wantedTold = "";
  tellLeases(turn, { type: "release", name: leaseName(body.workload, body.slot) });
}

/** What we hold, for people to see; votes never go by records. */
export function publishExclusives(turn: Turn): void {
  const { state } = turn;
  const held = state.leases.holding();
  const known = factsOf(state.index, state.identity.id)?.exclusive;
  if (known === undefined && held.size === 0 && state.pods.size === 0) return;
  const holds = [...held].map(([name, { epoch }]) => ({ name, token: epoch }));
  holds.sort((left, right) => (left.name < right.name ? -1 : 1));
  const body = { holds: holds.slice(0, 1024), volumes: keptVolumes(turn) };
  if (known === undefined && body.holds.length === 0 && body.volumes.length === 0) return;
  publishExclusive(turn, body);
}

function leaseHandlers(turn: Turn): Handlers<LeaseEffect> {
  const { state, out } = turn;
  return {
    send: ({ peer, bytes }) => {
      for (const [link, id] of state.peerByLink)
        if (id === peer) return send(turn, link, leaseChannel, bytes);
    },
    persist: ({ ticket, puts }) => {
      const own = state.nextTicket++;
      state.leaseTickets.set(own, ticket);
      out.push({ type: "persist", ticket: own, puts });
    },
    held: ({ name, epoch, until }) => {
      const found = podUnder(turn, name);
      if (found === undefined) return placeSoon(turn);
      const [uid, pod] = found;
      if (pod.body.fence === epoch && !pod.stopping) out.push({ type: "arm-pod", uid, until });
    },
    lost: ({ name, epoch }) => {
      const found = podUnder(turn, name);
      state.wantedTold = "";
      placeSoon(turn);
      if (found === undefined || found[1].body.fence !== epoch) return;
      const why = "this node could not reach a majority of the voters in time";
      stopPod(turn, found[0], "lease-lost", why);
    },
    "roll-changed": ({ electorate, roll }) => {
      keepAhead(turn, roll);
      const { number, voters } = roll;
      const names = voters.map(({ id }) => state.index.memberById.get(id)?.body.name ?? id);
      note(turn, "info", "VotersChanged", `${electorate} votes by roll ${number}: ${names.join(", ")}`);
    },
    "protocol-error": ({ peer, detail }) => note(turn, "warning", "ProtocolError", `${peer}: ${detail}`),
  };
}

function podUnder({ state }: Turn, name: string): readonly [string, LocalPod] | undefined {
  for (const entry of state.pods) {
    const { workload, slot, fence } = entry[1].body;
    if (fence !== undefined && leaseName(workload, slot) === name) return entry;
  }
  return undefined;
}
