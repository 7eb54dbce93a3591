import { between } from "../kernel/random.ts";
import { asleep, type Duration, type Instant, type Wake, type WallTime } from "../kernel/time.ts";
import type { NodeId } from "../records/record.ts";
import type {
  DialFailure,
  LinkEnd,
  LinkId,
  Membership,
  MembershipConfig,
  MembershipEffect,
  MembershipEnv,
  MembershipEvent,
} from "./contract.ts";
import { evidenceOf } from "./evidence.ts";
import { activePeers, announce, judge } from "./judge.ts";
import type { State, Step } from "./state.ts";
import { decodeFrame, encodeFrame } from "./frames.ts";
import {
  enforcePolicy,
  isBetterPath,
  linkRelays,
  mayDial,
  networkChanged,
  noPaths,
  provenEnd,
  relaysTo,
  throughWhom,
  waitsForSilence,
} from "./paths.ts";
import { permittedPeers } from "./permitted-peers.ts";
import {
  explain,
  forgetEnd,
  linkEndSentence,
  newestLink,
  newLink,
  newPeer,
  type Link,
  type PeerState,
} from "./peer-state.ts";
import { wantedPeers } from "./wanted-peers.ts";

/**
 * Links to peers, who is alive, and why we think so.
 *
 * Two nodes may dial each other at once, or one may come back while the other still holds a dead link.
 * Of any two nodes the one with the smaller id decides which link is used, and says so on it (`use`);
 * the other end sends nothing but pings before. So both ends always agree, in every interleaving.
 */

const retryFirst: Duration = 150;
/** A dial that nobody answered for so long is over, whatever became of it. */
const dialMax: Duration = 15_000;
/** What all saw at once is known of all after so long. */
const newsMax: Duration = 2_000;
/** Of so many signs of life one asks for an answer. */
const askEvery = 10;
/** A chosen link has this long to show life before a newer one of the same peer takes its place. */
const standbyPatience: Duration = 600;
/** A timer that fires so late means that we stood still, not that the others were silent. */
const lateMax: Duration = 500;

export function createMembership(config: MembershipConfig): Membership {
  const state: State = {
    config,
    peers: new Map(),
    peerByLink: new Map(),
    reports: new Map(),
    paths: noPaths(),
    published: "",
    observed: true,
    wake: asleep,
  };
  return {
    handle: (event, env) => handle(state, event, env),
    wake: () => state.wake,
    evidence: (peer) => evidenceOf(state, peer),
    linked: () => activePeers(state),
    relaysTo: (peer) => relaysTo(state, peer),
  };
}

function handle(
  state: State,
  event: MembershipEvent,
  { now, wall, random }: MembershipEnv,
): MembershipEffect[] {
  const step: Step = { state, now, wall, random, out: [] };
  if (event.type !== "stalled" && now - state.wake.at > lateMax) forgive(step, now - state.wake.at);
  take(step, event);
  tend(step);
  if (event.type !== "heard" && event.type !== "frame" && event.type !== "wake") state.observed = true;
  if (state.observed) {
    judge(step);
    announce(step);
    state.observed = false;
  }
  state.wake = nextWake(state);
  return step.out;
}

function take(step: Step, event: MembershipEvent): void {
  const { state } = step;
  switch (event.type) {
    case "peers":
      return setPeers(step, event);
    case "link-opened":
      return linkOpened(step, event);
    case "link-closed":
      return linkClosed(step, event.link, event.end);
    case "dial-failed":
      return dialFailed(step, event.peer, event.why, event.detail);
    case "frame":
      return frameArrived(step, event.link, event.bytes);
    case "heard":
      heard(step, event.link);
      return;
    case "observed":
      state.reports.set(event.observer, event.peers);
      return;
    case "network-changed":
      return networkChanged(step);
    case "stalled":
      return forgive(step, event.by);
    case "wake":
      return;
  }
}

function setPeers(step: Step, event: Extract<MembershipEvent, { type: "peers" }>): void {
  const { state, now } = step;
  const { permits, place } = event;
  const wanted =
    permits === undefined
      ? wantedPeers(state.config.self, place, event.peers)
      : permittedPeers(state.config.self, place, event.peers, permits);
  state.paths.place = place;
  const listed = new Set(event.peers.map(({ id }) => id));
  for (const [id, known] of [...state.peers].filter(([id]) => !listed.has(id))) {
    for (const link of known.links.keys()) closeLink(step, link, "ours");
    state.peers.delete(id);
    state.reports.delete(id);
  }
  for (const peer of event.peers) {
    const known = state.peers.get(peer.id);
    if (known === undefined) {
      state.peers.set(peer.id, newPeer(peer, wanted.has(peer.id), now));
      continue;
    }
    const moved = peer.addresses.join() !== known.peer.addresses.join();
    known.peer = peer;
    known.wanted = wanted.has(peer.id);
    if (moved) {
      known.failures = 0;
      known.redialAt = now;
    }
  }
  enforcePolicy(step, (link) => closeLink(step, link, "ours"));
}

function linkOpened(step: Step, event: Extract<MembershipEvent, { type: "link-opened" }>): void {
  const { state, now } = step;
  const { link: id, peer: peerId, outbound, via } = event;
  const peer = state.peers.get(peerId);
  if (peer === undefined || peer.peer.forbidden !== undefined) {
    step.out.push({ type: "close", link: id, end: "ours" });
    return;
  }
  if (outbound) peer.dialingSince = undefined;
  peer.failures = 0;
  forgetEnd(peer);
  peer.heardAt = now;
  const link = newLink(id, peerId, now);
  peer.links.set(id, link);
  state.peerByLink.set(id, peerId);
  if (via !== undefined) state.paths.viaByLink.set(id, via);
  explain(peer, `${outbound ? "we reached it" : "it reached us"} on link ${id}${throughWhom(state, id)}`);
  if (!decides(state, peerId)) return;
  if (peer.active === undefined) use(step, peer, link);
  else {
    const chosen = peer.links.get(peer.active);
    if (chosen !== undefined) {
      chosen.nextPingAt = now;
      chosen.doubted = true;
    }
  }
}

/** The end with the smaller id decides which of several links is used. */
function decides(state: State, peer: NodeId): boolean {
  return state.config.self < peer;
}

function use(step: Step, peer: PeerState, link: Link): void {
  const before = peer.active;
  if (before === link.id) return;
  step.state.observed = true;
  if (before !== undefined)
    step.out.push({ type: "peer-down", peer: peer.peer.id, link: before, end: "ours" });
  peer.active = link.id;
  if (decides(step.state, peer.peer.id)) {
    step.out.push({ type: "send", link: link.id, bytes: encodeFrame({ type: "use" }) });
    for (const other of peer.links.keys()) if (other !== link.id) closeLink(step, other, "ours");
  }
  step.out.push({ type: "peer-up", peer: peer.peer.id, link: link.id });
}

function linkClosed(step: Step, id: LinkId, told: LinkEnd): void {
  const { state, now } = step;
  const end = provenEnd(state, id, told);
  const way = throughWhom(state, id);
  state.paths.viaByLink.delete(id);
  const peerId = state.peerByLink.get(id);
  const peer = peerId === undefined ? undefined : state.peers.get(peerId);
  state.peerByLink.delete(id);
  if (peer === undefined || !peer.links.delete(id)) return;
  state.observed = true;
  if (peer.active === id) {
    peer.active = undefined;
    step.out.push({ type: "peer-down", peer: peer.peer.id, link: id, end });
  }
  explain(peer, end === told ? linkEndSentence(id, end) : `link ${id}${way} ended`);
  if (peer.links.size === 0) {
    peer.lastEnd = end;
    peer.endedAt = now;
    peer.redialAt = end === "ours" ? now + retryFirst : now;
    return;
  }
  if (peer.active === undefined && decides(state, peer.peer.id)) useNewest(step, peer);
}

function useNewest(step: Step, peer: PeerState): void {
  const newest = newestLink(peer);
  if (newest !== undefined) use(step, peer, newest);
}

function dialFailed(step: Step, peerId: NodeId, why: DialFailure, detail: string): void {
  const { state, now, random } = step;
  const peer = state.peers.get(peerId);
  if (peer === undefined) return;
  peer.dialingSince = undefined;
  peer.failures++;
  const limit = Math.min(state.config.redialMax, retryFirst * 2 ** Math.min(peer.failures, 16));
  peer.redialAt = now + between(random, retryFirst / 2, limit);
  if (why === "refused") {
    peer.refusedSince = true;
    explain(peer, "its host answers that no agent listens");
    return;
  }
  // Others are still in contact with it and we have no way to it: what we saw was an earlier process,
  // perhaps. Not at once: those others see the same end, and say so a moment later.
  if (peer.verdict === "alive" && now > peer.endedAt + newsMax) forgetEnd(peer);
  explain(peer, why === "unreachable" ? `no way to it: ${detail}` : `not to be trusted: ${detail}`);
}

function frameArrived(step: Step, id: LinkId, bytes: Uint8Array): void {
  const { state, now } = step;
  const link = heard(step, id);
  const frame = decodeFrame(bytes);
  if (link === undefined) return;
  if (frame === undefined) return closeLink(step, id, "ours");
  if (frame.type === "ping") {
    const pong = encodeFrame({ type: "pong", number: frame.number, wall: toldWall(step) });
    step.out.push({ type: "send", link: id, bytes: pong });
    clockSeen(step, link, frame.wall, 0);
  } else if (frame.type === "beat") {
    return;
  } else if (frame.type === "pong") {
    const sentAt = link.sentAt.get(frame.number);
    if (sentAt !== undefined) {
      link.roundTrip = now - sentAt;
      clockSeen(step, link, frame.wall, link.roundTrip / 2);
    }
    for (const number of link.sentAt.keys()) if (number <= frame.number) link.sentAt.delete(number);
  } else {
    const peer = state.peers.get(link.peer);
    if (peer !== undefined && !decides(state, link.peer)) use(step, peer, link);
  }
}

/** @param age How old the reading is, as far as we know. */
function clockSeen({ out, wall }: Step, { peer }: Link, theirs: WallTime, age: Duration): void {
  if (theirs > 0) out.push({ type: "clock-seen", peer, ahead: Math.round(theirs + age - wall) });
}

const toldWall = ({ wall }: Step): number => Math.max(0, Math.floor(wall));

function heard({ state, now }: Step, id: LinkId): Link | undefined {
  const peer = state.peers.get(state.peerByLink.get(id) ?? "");
  const link = peer?.links.get(id);
  if (peer === undefined || link === undefined) return undefined;
  link.heardAt = now;
  peer.heardAt = now;
  return link;
}

/**
 * We stood still: nobody is to blame for what we did not hear. Everyone is asked anew first, and the
 * time we lost counts for nobody's absence either.
 */
function forgive({ state, now }: Step, by: Duration): void {
  for (const peer of state.peers.values()) {
    if (peer.verdict === "unreachable") peer.since = Math.min(now, peer.since + by);
    for (const link of peer.links.values()) {
      link.heardAt = now;
      link.nextPingAt = now;
      link.doubted = true;
    }
  }
}

/** Whatever time alone brings: pings, silence, better links, dials. */
function tend(step: Step): void {
  const { state, now, random } = step;
  for (const peer of state.peers.values()) {
    for (const link of peer.links.values()) {
      if (now >= link.heardAt + peer.peer.pace * state.config.silentAfter) closeLink(step, link.id, "silent");
      else if (now >= link.nextPingAt) ping(step, link);
    }
    settleStandby(step, peer);
    if (peer.dialingSince !== undefined && now >= peer.dialingSince + dialMax) peer.dialingSince = undefined;
    if (!mayDial(state, peer) || now < peer.redialAt) continue;
    const { id, addresses } = peer.peer;
    const relays = peer.links.size === 0 ? linkRelays(state, id) : [];
    if (addresses.length === 0 && relays.length === 0) {
      peer.redialAt = now + between(random, 0.5, 1) * state.config.redialMax;
      continue;
    }
    peer.dialingSince = now;
    peer.redialAt = now + between(random, retryFirst, 2 * retryFirst);
    step.out.push({ type: "dial", peer: id, addresses, relays });
  }
}

/**
 * A sign of life. Both ends give theirs, so most of them want no answer; a question now and then measures
 * the round trip, and where the other end is late or was just doubted, it is asked.
 */
function ping(step: Step, link: Link): void {
  const { state, now, random, out } = step;
  const pingEvery = (state.peers.get(link.peer)?.peer.pace ?? 1) * state.config.pingEvery;
  link.nextPingAt = now + between(random, 0.8, 1.2) * pingEvery;
  const asks = link.pings % askEvery === 0 || link.doubted || now > link.heardAt + 1.5 * pingEvery;
  const number = ++link.pings;
  link.doubted = false;
  if (!asks) return void out.push({ type: "send", link: link.id, bytes: encodeFrame({ type: "beat" }) });
  link.sentAt.set(number, now);
  if (link.sentAt.size > 8) link.sentAt.delete([...link.sentAt.keys()][0] ?? number);
  out.push({
    type: "send",
    link: link.id,
    bytes: encodeFrame({ type: "ping", number, wall: toldWall(step) }),
  });
}

/** A newer link waits beside the one in use: life on the old one ends the wait, silence promotes the new. */
function settleStandby(step: Step, peer: PeerState): void {
  if (peer.links.size < 2 || peer.active === undefined || !decides(step.state, peer.peer.id)) return;
  const active = peer.links.get(peer.active);
  if (active === undefined) return;
  for (const link of peer.links.values()) {
    if (link.id === active.id) continue;
    if (isBetterPath(step.state, link, active)) {
      if (link.heardAt > link.openedAt) return use(step, peer, link);
    } else if (active.heardAt > link.openedAt) closeLink(step, link.id, "ours");
    else if (step.now >= link.openedAt + standbyPatience) return use(step, peer, link);
  }
}

function closeLink(step: Step, link: LinkId, end: LinkEnd): void {
  step.out.push({ type: "close", link, end });
  linkClosed(step, link, end);
}

function nextWake(state: State): Wake {
  let at = Number.POSITIVE_INFINITY;
  let why = asleep.why;
  const consider = (when: Instant, what: string): void => {
    if (when < at) {
      at = when;
      why = what;
    }
  };
  for (const peer of state.peers.values()) {
    for (const link of peer.links.values()) {
      consider(link.nextPingAt, "ping");
      consider(link.heardAt + peer.peer.pace * state.config.silentAfter, "silence on a link");
      if (decides(state, peer.peer.id) && waitsForSilence(state, peer, link)) {
        consider(link.openedAt + standbyPatience, "a newer link");
      }
    }
    if (peer.dialingSince !== undefined) consider(peer.dialingSince + dialMax, "a dial without an answer");
    else if (mayDial(state, peer)) consider(peer.redialAt, "dial");
  }
  return { at, why };
}
