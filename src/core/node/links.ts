import { carryOutFor, type HandlersOf } from "../kernel/effects.ts";
import type { LinkId, MembershipEffect, MembershipEvent, Peer } from "../membership/contract.ts";
import { isMember, factsOf, type IndexChange } from "./records-index.ts";
import type { SyncEffect, SyncEvent } from "../sync/contract.ts";
import { encodeFrame } from "../sync/frames.ts";
import type { Crypto } from "../kernel/crypto.ts";
import { logName } from "../records/log.ts";
import type { MeshRecord, NodeId } from "../records/record.ts";
import { sealNext } from "../records/store.ts";
import { rangeText } from "../records/protocol.ts";
import { keeps } from "../records/scope.ts";
import { admitPending, admitRecords, type Admitted } from "./admission.ts";
import { contactsOf, type Contact } from "./contacts.ts";
import { isLargeSite, leaseContacts } from "./electorates.ts";
import { addressesOf } from "./guests.ts";
import { peersSoon } from "./levels.ts";
import { coverLater } from "./unknown-authors.ts";
import { summaryHeard } from "./summaries.ts";
import { persist } from "./durable.ts";
import { leaseChannel, membershipChannel, onChannel, send, syncChannel } from "./channels.ts";
import { coverOwnLogs, headsMoved } from "./heads.ts";
import { inStepWith } from "./hearsay.ts";
import { coverAndHold } from "./held.ts";
import { tellLeases } from "./exclusive.ts";
import { linkPolicyOf, refreshLinkPolicy, whyForbidden } from "./link-policy.ts";
import { publishLinks, publishStatus } from "./own-records.ts";
import { areSamePeers } from "./peers-told.ts";
import { reconcileOwnFacts } from "./pods.ts";
import { countReunionTraffic, nodeReturned } from "./reunion.ts";
import { collect, dropDead } from "./tombstones.ts";
import { belongs, memberOf } from "./trust-view.ts";
import { isShutOut, shutOut, shutOutFor } from "./offences.ts";
import { budgetOf, linkClassTo, linkOpened, paceTo } from "./uplink.ts";
import { judgeRoundTrips, ownClass } from "./uplink-class.ts";
import { clockLost, clockSeen } from "./wall.ts";
import { changed, note, placeSoon, type Turn } from "./turn.ts";

/** The seam between the machines that talk to peers and the rest of the node. */

const nobody: readonly string[] = [];
/** Members that came into view within so long may be one returning island. */
const settledAfter = 10_000;

/** @returns whether it brought anything that the rest of the node has to do with. */
export function frameArrived(turn: Turn, link: LinkId, bytes: Uint8Array): boolean {
  const channel = bytes[0];
  // A copy costs less than a view of so few bytes.
  if (channel === membershipChannel)
    return tellMembership(turn, { type: "frame", link, bytes: bytes.slice(1) });
  const payload = bytes.subarray(1);
  let found = tellMembership(turn, { type: "heard", link });
  // Other channels are for machines of a later version.
  if (channel === syncChannel) found = tellSync(turn, { type: "frame", link, bytes: payload }) || found;
  const peer = turn.state.peerByLink.get(link);
  if (channel === leaseChannel && peer !== undefined) {
    tellLeases(turn, { type: "frame", peer, bytes: payload });
    found = true;
  }
  if (!isShutOut(turn, link)) return found;
  endLink(turn, link);
  return true;
}

/** A link of a peer that is shut out is not used; a dial is not even tried. */
export function linkArrived(turn: Turn, event: Extract<MembershipEvent, { type: "link-opened" }>): void {
  const { link, peer } = event;
  if (shutOutFor(turn.state, peer, turn.env.now) > 0) {
    turn.out.push({ type: "close", link, end: "ours" });
    return;
  }
  linkOpened(turn, link, peer);
  tellMembership(turn, event);
}

function dial(turn: Turn, effect: Extract<MembershipEffect, { type: "dial" }>): void {
  const { peer } = effect;
  const keptOutFor = shutOutFor(turn.state, peer, turn.env.now);
  if (keptOutFor === 0) turn.out.push(effect);
  else {
    const detail = `it is kept out for another ${Math.ceil(keptOutFor / 1_000)} s`;
    tellMembership(turn, { type: "dial-failed", peer, why: "untrusted", detail });
  }
}

function endLink(turn: Turn, link: LinkId): void {
  turn.out.push({ type: "close", link, end: "ours" });
  tellMembership(turn, { type: "link-closed", link, end: "ours" });
}

/** Records as the frame that a peer takes them from. */
export function asRecordsFrame(records: readonly MeshRecord[], crypto: Crypto): Uint8Array {
  const frame = encodeFrame({ type: "records", mode: "push", records, covers: [] }, crypto);
  return onChannel(syncChannel, frame);
}

/** @returns whether it found something out, other than what it tells its peers. */
export function tellMembership(turn: Turn, event: MembershipEvent): boolean {
  const { state, env } = turn;
  state.membershipChance ??= env.random("membership");
  const { now, wall, ownEndUp } = env;
  let found = false;
  for (const effect of state.membership.handle(event, {
    now,
    wall,
    random: state.membershipChance,
    ownEndUp,
  })) {
    found ||= effect.type !== "send";
    carryOutFor(turn, membershipHandlers, effect);
  }
  return found;
}

/** @returns whether it found something out, other than what it tells its peers. */
export function tellSync(turn: Turn, event: SyncEvent): boolean {
  const { state, env } = turn;
  // What this turn has made until now is in the store, and a peer may be owed it.
  if (event.type !== "stored") sealFresh(turn);
  const syncEnv = {
    now: env.now,
    random: env.random("sync"),
    place: state.identity,
    store: state.store,
    crypto: env.crypto,
    isLargeSite: () => isLargeSite(state),
    isSpare: (peer: string) => state.membership.isSpare(peer),
    linkClass: (peer: string) => linkClassTo(state, peer),
    budget: budgetOf(turn),
    settled: () => settledMembers(turn),
    linkedTo: (node: string) => factsOf(state.index, node)?.links?.body.peers ?? nobody,
  };
  let found = false;
  for (const effect of state.sync.handle(event, syncEnv)) {
    found ||= effect.type !== "send";
    carryOutFor(turn, syncHandlers, effect);
  }
  return found;
}

/** What our uplink counts as may have changed: the others are told before we fall silent for longer. */
export function tendUplink(turn: Turn): void {
  const { state, env } = turn;
  judgeRoundTrips(state, env.now);
  const now = ownClass(state);
  const before = state.uplink.class;
  state.uplink.class = now;
  if (before === undefined || before === now) return;
  const why = state.uplink.roundTrips.far ? "its round trips are long" : "by what is declared and spent";
  note(turn, "info", "UplinkClass", `the uplink counts as ${now}, no longer as ${before}: ${why}`);
  publishStatus(turn);
  tellPeers(turn);
}

/** Members in view for a while, we included: what was one island before those came who come just now. */
function settledMembers({ state, env }: Turn): number {
  let settled = 1;
  for (const id of state.index.memberById.keys()) {
    const held = state.membership.standing(id);
    if (held?.verdict === "alive" && env.now - held.since >= settledAfter) settled++;
  }
  return settled;
}

/**
 * Signs what this turn made, together; writes what it brought, in one transaction, and offers it to the
 * peers that may lack it.
 */
export function flush(turn: Turn): void {
  while (turn.fresh.length > 0) {
    // What was replaced within the turn is nobody's business.
    const fresh = turn.fresh.splice(0).filter(({ record }) => record.live);
    seal(turn, fresh);
    persist(
      turn,
      fresh.map(({ record }) => record),
    );
    for (const from of new Set(fresh.map((entry) => entry.from))) {
      const records = fresh.filter((entry) => entry.from === from).map(({ record }) => record);
      tellSync(turn, { type: "stored", records, from });
    }
  }
}

function sealFresh(turn: Turn): void {
  if (turn.fresh.length > 0)
    seal(
      turn,
      turn.fresh.filter(({ record }) => record.live),
    );
}

function seal({ state, env }: Turn, fresh: Turn["fresh"]): void {
  for (const own of unsealed(fresh)) sealNext(state.store, own, state.ownLogsWhole, env.signer, env.crypto);
}

/** Own records without a seal, by log. */
function unsealed(fresh: readonly { readonly record: MeshRecord }[]): MeshRecord[][] {
  const byLog = new Map<string, MeshRecord[]>();
  for (const { record } of fresh) {
    if (record.seal !== undefined) continue;
    const name = logName(record);
    byLog.set(name, [...(byLog.get(name) ?? []), record]);
  }
  return [...byLog.values()];
}

/** Passes on what was admitted, and tells the rest of the node what it means. */
export function absorb(turn: Turn, admitted: readonly Admitted[], from: LinkId | undefined): void {
  if (admitted.length === 0) return;
  for (const { record } of admitted) turn.fresh.push({ record, from });
  if (from !== undefined)
    countReunionTraffic(turn, admitted.filter(({ change }) => change?.parts.type !== "heal").length, 0);
  const changes = admitted.flatMap(({ change }) => (change === undefined ? [] : [change]));
  for (const { record, change } of admitted)
    if (change?.parts.type === "gone") tellItsEnd(turn, change.parts.node, record);
  react(turn, changes);
}

/** Whoever was revoked hears it before its links are closed: it ends its pods, and the others fill their slots. */
function tellItsEnd(turn: Turn, node: NodeId, record: MeshRecord): void {
  const { state, env } = turn;
  const frame = { type: "records", mode: "push", records: [record], covers: [] } as const;
  for (const [link, peer] of state.peerByLink)
    if (peer === node) send(turn, link, syncChannel, encodeFrame(frame, env.crypto));
}

/**
 * The roster and the members' addresses, as the membership machine wants them.
 *
 * @param contacts What `contactsOf` says now, where that is known.
 */
export function peersOf(turn: Turn, contacts = contactsOf(turn.state, turn.env.now)): Peer[] {
  const { state } = turn;
  const { index, identity } = state;
  const peers: Peer[] = [];
  const needed = leaseContacts(state);
  for (const [id, { body }] of index.memberById) {
    if (id === identity.id || !isMember(index, id)) continue;
    const addresses = addressesOf(state, id);
    const pace = paceTo(state, id);
    const { name, site, region } = body;
    peers.push({ id, name, site, region, addresses, pace, needed: needed.has(id) });
  }
  const listed = new Set<string>();
  for (const contact of contacts) {
    listed.add(contact.id);
    peers.push({ ...contact, pace: paceTo(state, contact.id), contact: "wanted" });
  }
  for (const { peer } of state.levels.links.values()) {
    const member = memberOf(state, peer);
    if (listed.has(peer) || member === undefined || !belongs(state, peer) || isMember(index, peer)) continue;
    listed.add(peer);
    const { name, site, region } = member;
    const addresses = addressesOf(state, peer);
    peers.push({ id: peer, name, site, region, addresses, pace: paceTo(state, peer), contact: "accepted" });
  }
  return peers.sort((left, right) => (left.id < right.id ? -1 : 1));
}

/** Says who our peers are, if that is not what was said last. */
export function tellPeers(turn: Turn, contacts?: readonly Contact[]): void {
  const { state } = turn;
  const { site, region } = state.identity;
  refreshLinkPolicy(turn);
  const peers = peersOf(turn, contacts).map((peer) => ({
    ...peer,
    forbidden: whyForbidden(state, peer.id, peer),
  }));
  const permits = linkPolicyOf(state)?.permits;
  const told = state.peersTold;
  if (told !== undefined && told.permits === permits && areSamePeers(told.peers, peers)) return;
  state.peersTold = { peers, permits };
  tellMembership(turn, { type: "peers", peers, place: { site, region }, permits });
}

function react(turn: Turn, changes: readonly IndexChange[]): void {
  const { identity } = turn.state;
  const touches = (type: string): boolean => changes.some(({ parts }) => parts.type === type);
  if (touches("member") || touches("gone") || touches("status")) tellPeers(turn);
  if (touches("site-summary") || touches("region-summary")) summaryHeard(turn, changes);
  if (touches("member")) absorb(turn, admitPending(turn), undefined);
  for (const { parts } of changes) {
    if (parts.type === "floors" || parts.type === "mesh-floors") collect(turn, parts.node);
    if (parts.type === "links" && parts.node !== identity.id) tellObserved(turn, parts.node);
  }
  if (changes.some(({ parts }) => "node" in parts && parts.node === identity.id)) reconcileOwnFacts(turn);
  placeSoon(turn);
}

function tellObserved(turn: Turn, observer: string): void {
  const { peers = nobody, gone = nobody } = factsOf(turn.state.index, observer)?.links?.body ?? {};
  tellMembership(turn, { type: "observed", observer, peers, gone });
}

/** From our own disk: whose process had gone when we were off may have another one since. */
export function tellRemembered(turn: Turn, observer: string): void {
  const { peers = nobody } = factsOf(turn.state.index, observer)?.links?.body ?? {};
  tellMembership(turn, { type: "observed", observer, peers, gone: nobody });
}

const membershipHandlers: HandlersOf<Turn, MembershipEffect> = {
  dial,
  close: ({ out }, { link, end }) => out.push({ type: "close", link, end }),
  send: (turn, { link, bytes }) => send(turn, link, membershipChannel, bytes),
  "peer-up": (turn, { peer, link }) => {
    const member = memberOf(turn.state, peer);
    if (member === undefined) return;
    const { site, region } = member;
    turn.state.peerByLink.set(link, peer);
    tellSync(turn, { type: "peer-up", link, peer, place: { site, region } });
    tellLeases(turn, { type: "peer-up", peer });
  },
  "peer-down": (turn, { link, peer }) => {
    const { peerByLink } = turn.state;
    clockLost(turn, peer);
    peerByLink.delete(link);
    tellSync(turn, { type: "peer-down", link });
    if (![...peerByLink.values()].includes(peer)) tellLeases(turn, { type: "peer-down", peer });
  },
  "clock-seen": (turn, { peer, ahead }) => clockSeen(turn, peer, ahead),
  "protocol-mismatch": (turn, { peer, theirs }) => {
    const { index, speaks } = turn.state;
    const name = index.memberById.get(peer)?.body.name ?? peer;
    const message = `${name} speaks protocol ${rangeText(theirs)}, we speak ${rangeText(speaks)}: upgrade the older side`;
    note(turn, "warning", "ProtocolMismatch", message);
  },
  "links-changed": (turn, { peers, gone }) => publishLinks(turn, peers, gone),
  "verdict-changed": (turn, { peer, from, to }) => {
    const { state, env } = turn;
    const name = memberOf(state, peer)?.name ?? peer;
    peersSoon(state, env.now);
    const reason = to === "alive" ? "NodeReachable" : to === "dead" ? "NodeDead" : "NodeUnreachable";
    note(turn, to === "alive" ? "info" : "warning", reason, `${name}: ${from} -> ${to}`);
    changed(turn, { type: "node", node: peer });
    if (to === "alive") nodeReturned(turn, peer, name);
    else if (from === "alive") {
      state.awaySince.set(peer, state.membership.evidence(peer)?.heardAt ?? env.now);
    }
    placeSoon(turn);
  },
};

const syncHandlers: HandlersOf<Turn, SyncEffect> = {
  send: (turn, { link, bytes }) => send(turn, link, syncChannel, bytes),
  received: (turn, { link, records, covers }) => {
    const admitted = admitRecords(turn, records, link);
    // Of logs that nobody on the roster can write there is nothing to keep track of.
    const { identity } = turn.state;
    for (const log of covers) {
      if (!keeps(identity, log.scope) || turn.voided.has(logName(log))) continue;
      const known = memberOf(turn.state, log.author) !== undefined || log.author === identity.mesh.id;
      if (known) coverAndHold(turn, log);
      else coverLater(turn, log);
    }
    absorb(turn, admitted, link);
  },
  "only-here": (turn, { records }) => dropDead(turn, records),
  "in-step": (turn, { link, sent }) => {
    tellMembership(turn, { type: "in-step", link });
    const peer = turn.state.peerByLink.get(link);
    if (peer !== undefined) inStepWith(turn.state, peer);
    countReunionTraffic(turn, 0, sent);
    headsMoved(turn);
    coverOwnLogs(turn);
    placeSoon(turn);
  },
  "protocol-error": (turn, { link, detail }) => {
    note(turn, "warning", "ProtocolError", `link ${link}: ${detail}`);
    shutOut(turn, link, detail);
    endLink(turn, link);
  },
};
