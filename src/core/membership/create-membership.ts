import { hash53 } from "../kernel/hash.ts";
import { between } from "../kernel/random.ts";
import { asleep, never, type Duration, type WallTime } from "../kernel/time.ts";
import type {
  LinkId,
  Membership,
  MembershipConfig,
  MembershipEffect,
  MembershipEnv,
  MembershipEvent,
} from "./contract.ts";
import { dial, dialFailed } from "./dials.ts";
import { send } from "./duties.ts";
import { evidenceOf, roundTripOf } from "./evidence.ts";
import { decodeFrame, isAboutOthers } from "./frames.ts";
import { doubtLevel, doubtsOf, noticeLag, noticeStall, recover, trust } from "./health.ts";
import { activePeers, announce, judge } from "./judge.ts";
import { closeLink, decides, linkClosed, linkOpened, settleStandby, use } from "./peer-links.ts";
import { dialAt, enforcePolicy, mayDial, networkChanged, relaysTo } from "./paths.ts";
import { permittedPeers } from "./permitted-peers.ts";
import { newPeer, type Link, type PeerState } from "./peer-state.ts";
import type { State, Step } from "./state.ts";
import { acquit, answered, askNow, lostByAnother, probed, watch } from "./suspicion.ts";
import { awayHeard, endAway, hangUp, sayAway, unneededHeard } from "./restarts.ts";
import { beatAfter, dialMax, dueAfter, noteRoundTrip, spareWithin } from "./timing.ts";
import { nextWake, wakeBy, wakeLater, wakeNow } from "./wakes.ts";
import { wantedPeers } from "./wanted-peers.ts";

/** Links to peers, who is alive, and why we think so. */

/** Of so many signs of life one asks for an answer, and the first two, since links open when much is to do. */
const askEvery = 10;
/** Of standstills that follow each other within so long the first has everybody asked. */
const againWithin: Duration = 5_000;
/** A timer that fires so late means that we stood still, not that the others were silent. */
const lateMax: Duration = 500;

export function createMembership(config: MembershipConfig): Membership {
  const state: State = {
    config,
    phase: (hash53(config.self) % 997) / 997,
    place: { site: "", region: "" },
    peers: new Map(),
    tended: new Map(),
    peerByLink: new Map(),
    reports: new Map(),
    oldReports: new Map(),
    health: {
      score: 0,
      doubtedAt: Number.NEGATIVE_INFINITY,
      lag: 0,
      laggedAt: Number.NEGATIVE_INFINITY,
      stalled: undefined,
      offline: undefined,
      lostAll: undefined,
    },
    probes: 0,
    published: undefined,
    announceAt: never,
    goneAt: never,
    observed: true,
    wakeAt: asleep.at,
    wakeWhy: asleep.why,
    deadlines: { peers: [], at: [], why: [] },
    wakeDoubt: 0,
  };
  return {
    handle: (event, env) => handle(state, event, env),
    wake: () => ({ at: state.wakeAt, why: state.wakeWhy }),
    standing: (peer) => state.peers.get(peer),
    roundTrip: (peer) => roundTripOf(state, peer),
    evidence: (peer) => evidenceOf(state, peer),
    selfDoubt: () => doubtsOf(state),
    linked: () => activePeers(state),
    // Whom we say that we have a link with gets our news from nobody else.
    isSpare: (peer) => state.peers.get(peer)?.spare === true && state.published?.peers.has(peer) !== true,
    relaysTo: (peer) => relaysTo(state, peer),
  };
}

function handle(
  state: State,
  event: MembershipEvent,
  { now, wall, random, ownEndUp }: MembershipEnv,
): MembershipEffect[] {
  const step: Step = { state, now, wall, random, ownEndUp, out: [] };
  const lag = now - state.wakeAt;
  recover(state, now);
  if (event.type !== "stalled") {
    if (lag > lateMax) forgive(step, lag);
    else noticeLag(state, lag, now);
  }
  // A sign of life only puts deadlines off: whoever wakes for one of them finds that out then.
  if (event.type === "heard" && lag < 0) {
    const peer = state.peerByLink.get(event.link);
    heard(step, peer, event.link);
    // Life on one of two links decides between them.
    if (peer !== undefined && peer.links.size > 1) wakeNow(state, peer, now, "life on a link");
    else if (peer !== undefined) wakeLater(state, peer);
    return step.out;
  }
  if (event.type === "frame" && lag < 0 && beatArrived(step, event.link, event.bytes)) return step.out;
  take(step, event);
  const stirs = stirsOthers(event);
  if (event.type === "frame" || event.type === "heard") tendSoon(step, state.peerByLink.get(event.link));
  if (event.type === "dial-failed") tendSoon(step, state.peers.get(event.peer));
  tend(step, stirs || isStirred(step));
  if (stirs && event.type !== "frame") state.observed = true;
  if (state.observed || now >= Math.min(state.announceAt, state.goneAt)) {
    judge(step);
    announce(step);
    state.observed = false;
  }
  nextWake(state, stirs || isStirred(step));
  return step.out;
}

/** More happened than signs of life: what was due when for any peer is to be found anew. */
function isStirred({ state, out }: Step): boolean {
  if (doubtLevel(state) !== state.wakeDoubt) return true;
  for (const { type } of out) if (type !== "send" && type !== "clock-seen") return true;
  return false;
}

/** What a peer says about others may make something due for any of them; all else about it concerns it alone. */
function stirsOthers(event: MembershipEvent): boolean {
  if (event.type === "frame") return isAboutOthers(event.bytes);
  return event.type !== "heard" && event.type !== "wake" && event.type !== "dial-failed";
}

/** What was due when for this peer is to be found anew. */
function tendSoon({ state, now }: Step, peer: PeerState | undefined): void {
  if (peer !== undefined) wakeNow(state, peer, now, "a frame");
}

function take(step: Step, event: MembershipEvent): void {
  switch (event.type) {
    case "peers":
      return setPeers(step, event);
    case "link-opened":
      return linkOpened(step, event);
    case "link-closed":
      return linkClosed(step, event.link, event.end);
    case "hang-up":
      return hangUp(step, event.link);
    case "dial-failed":
      return dialFailed(step, event.peer, event.why, event.detail);
    case "frame":
      return frameArrived(step, event.link, event.bytes);
    case "heard":
      heard(step, step.state.peerByLink.get(event.link), event.link);
      return;
    case "observed":
      return observed(step, event);
    case "in-step":
      return inStep(step, event.link);
    case "network-changed":
      return networkChanged(step);
    case "ask":
      return askNow(step, event.peer, ping);
    case "stalled":
      return forgive(step, event.by);
    case "stopping":
      return sayAway(step);
    case "wake":
      return;
  }
}

function setPeers(step: Step, event: Extract<MembershipEvent, { type: "peers" }>): void {
  const { state, now } = step;
  const { permits, place } = event;
  state.place = place;
  const near =
    permits === undefined
      ? wantedPeers(state.config.self, place, event.peers)
      : permittedPeers(state.config.self, place, event.peers, permits);
  const listed = new Set(event.peers.map(({ id }) => id));
  for (const [id, known] of [...state.peers].filter(([id]) => !listed.has(id))) {
    for (const link of known.links.keys()) closeLink(step, link, "ours");
    state.peers.delete(id);
    state.tended.delete(id);
    state.reports.delete(id);
    state.oldReports.delete(id);
  }
  for (const peer of event.peers) {
    const known = state.peers.get(peer.id) ?? newPeer(peer, false, now);
    const moved = peer.addresses.join() !== known.peer.addresses.join();
    known.peer = peer;
    const isWanted = near.has(peer.id) || (peer.needed === true && permits === undefined);
    known.spare = !near.has(peer.id) && peer.contact === undefined;
    if (isWanted && !known.wanted && known.spare)
      known.redialAt = Math.max(known.redialAt, now + between(step.random, 0, spareWithin));
    known.wanted = isWanted;
    state.peers.set(peer.id, known);
    if (known.wanted || known.links.size > 0) state.tended.set(peer.id, known);
    else state.tended.delete(peer.id);
    if (moved) {
      known.tryingSince = now;
      known.redialAt = now;
    }
  }
  enforcePolicy(step, (link) => closeLink(step, link, "ours"));
}

function observed(step: Step, event: Extract<MembershipEvent, { type: "observed" }>): void {
  const { state, now } = step;
  const before = state.reports.get(event.observer);
  const peers = new Set(event.peers);
  const metAt = new Map(event.peers.map((id) => [id, before?.metAt.get(id) ?? now]));
  const lostAt = new Map([...(before?.lostAt ?? [])].filter(([id]) => !peers.has(id) && state.peers.has(id)));
  const lost = [...(before?.peers ?? [])].filter((id) => !peers.has(id) && state.peers.has(id));
  for (const id of lost) lostAt.set(id, now);
  state.oldReports.delete(event.observer);
  state.reports.set(event.observer, { peers, gone: new Set(event.gone), metAt, lostAt });
  for (const id of lost) {
    const peer = state.tended.get(id);
    if (peer !== undefined) lostByAnother(step, peer, ping);
  }
}

function inStep({ state, now }: Step, id: LinkId): void {
  const link = state.peerByLink.get(id)?.links.get(id);
  if (link !== undefined) link.inStepAt = now;
}

/** Most frames are beats: between two deadlines of ours they move those of their own link only. */
function beatArrived(step: Step, id: LinkId, bytes: Uint8Array): boolean {
  const { state } = step;
  const peer = state.peerByLink.get(id);
  const frame = peer?.links.size === 1 ? decodeFrame(bytes) : undefined;
  const link = frame?.type === "beat" ? heard(step, peer, id) : undefined;
  if (peer === undefined || frame?.type !== "beat" || link === undefined) return false;
  promised(step, peer, link, frame.next);
  wakeLater(state, peer);
  wakeBy(state, peer.deadline);
  return true;
}

function frameArrived(step: Step, id: LinkId, bytes: Uint8Array): void {
  const { state, now } = step;
  const peer = state.peerByLink.get(id);
  const link = heard(step, peer, id);
  if (peer === undefined || link === undefined) return;
  const frame = decodeFrame(bytes);
  if (frame === undefined) return closeLink(step, id, "ours");
  switch (frame.type) {
    case "ping":
      send(step, id, { type: "pong", number: frame.number, wall: toldWall(step) });
      clockSeen(step, link, frame.wall, 0);
      return promised(step, peer, link, frame.next);
    case "unknown":
      return;
    case "beat":
      return promised(step, peer, link, frame.next);
    case "pong": {
      const sentAt = link.sentAt.get(frame.number);
      if (sentAt !== undefined) {
        noteRoundTrip(link, sentAt, now);
        clockSeen(step, link, frame.wall, (now - sentAt) / 2);
        trust(state);
      }
      for (const number of link.sentAt.keys()) if (number <= frame.number) link.sentAt.delete(number);
      return;
    }
    case "use":
      if (!decides(state, link.peer)) use(step, peer, link);
      return;
    case "probe":
      return probed(step, id, frame, ping);
    case "away":
      return awayHeard(step, peer, frame.for);
    case "unneeded":
      return unneededHeard(step, peer);
    case "answer":
      return answered(step, link.peer, frame.number, frame.saw);
  }
}

/** The other end says when it is going to be heard again, as far as we are willing to wait. */
function promised({ state, now }: Step, peer: PeerState, link: Link, next: Duration): void {
  if (next > 0) link.promised = Math.min(next, promiseMax);
  link.dueAt = now + dueAfter(state, peer, link.promised);
}
/** Nobody beats more rarely than every 10 minutes: who says so wants to be held alive while it is not. */
const promiseMax: Duration = 600_000;

/** @param age How old the reading is, as far as we know. */
function clockSeen({ out, wall }: Step, { peer }: Link, theirs: WallTime, age: Duration): void {
  if (theirs > 0) out.push({ type: "clock-seen", peer, ahead: Math.round(theirs + age - wall) });
}

const toldWall = ({ wall }: Step): number => Math.max(0, Math.floor(wall));

function heard(step: Step, peer: PeerState | undefined, id: LinkId): Link | undefined {
  const { state, now } = step;
  const link = peer?.links.get(id);
  if (peer === undefined || link === undefined) return undefined;
  link.heardAt = now;
  peer.heardAt = now;
  link.dueAt = Math.max(link.dueAt, now + dueAfter(state, peer, 0));
  acquit(step, link);
  return link;
}

/**
 * We stood still: nobody is to blame for what we did not hear. Everyone is asked anew first, and the
 * time we lost counts for nobody's absence either. Who stands still again and again has too much to do, and
 * asks nobody whose turn it is not.
 */
function forgive({ state, now }: Step, by: Duration): void {
  const again = now - (state.health.stalled?.at ?? Number.NEGATIVE_INFINITY) < againWithin;
  noticeStall(state, by, now);
  for (const peer of state.peers.values()) {
    if (peer.verdict === "unreachable") peer.since = Math.min(now, peer.since + by);
    for (const link of peer.links.values()) {
      link.heardAt = now;
      // What it promised stands, and may have come meanwhile unread.
      link.dueAt = Math.max(link.dueAt, now + dueAfter(state, peer, 0));
      link.suspicion = undefined;
      if (!again || link.askedAt !== undefined) link.askedAt = now;
      if (again) continue;
      link.nextPingAt = now;
      link.doubted = true;
    }
  }
}

/** Whatever time alone brings to all, or to those whose time has come: pings, silence, better links, dials. */
function tend(step: Step, all: boolean): void {
  const { state, now } = step;
  if (all) {
    for (const peer of state.tended.values()) tendPeer(step, peer);
    return;
  }
  const { peers, at } = state.deadlines;
  for (let place = 0; place < at.length; place++) {
    const peer = now < (at[place] ?? never) ? undefined : peers[place];
    if (peer === undefined) continue;
    if (peer.wanted || peer.links.size > 0 || peer.awayUntil > Number.NEGATIVE_INFINITY) tendPeer(step, peer);
  }
}

function tendPeer(step: Step, peer: PeerState): void {
  const { state, now } = step;
  for (const link of peer.links.values()) {
    watch(step, peer, link, ping);
    if (now >= link.nextPingAt && peer.links.has(link.id)) ping(step, peer, link);
  }
  settleStandby(step, peer);
  endAway(step, peer);
  if (peer.dialingSince !== undefined && now >= peer.dialingSince + dialMax) peer.dialingSince = undefined;
  if (mayDial(peer) && now >= dialAt(peer)) dial(step, peer);
  wakeLater(state, peer);
}

/**
 * A sign of life. Both ends give theirs, so most of them want no answer; a question now and then measures
 * the round trip, and where the other end is late or was just doubted, it is asked.
 */
function ping(step: Step, peer: PeerState, link: Link): void {
  const { state, now, random } = step;
  const next = beatAfter(state, peer, now, random);
  link.nextPingAt = now + next;
  const asks = link.pings % askEvery === 0 || link.pings === 1 || link.doubted || link.askedAt !== undefined;
  const number = ++link.pings;
  link.doubted = false;
  if (!asks) return send(step, link.id, { type: "beat", next });
  link.sentAt.set(number, now);
  if (link.sentAt.size > 8) link.sentAt.delete([...link.sentAt.keys()][0] ?? number);
  send(step, link.id, { type: "ping", number, wall: toldWall(step), next });
}
