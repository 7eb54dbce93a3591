import { between } from "../kernel/random.ts";
import type { Duration } from "../kernel/time.ts";
import { commonProtocol, rangeText, type ProtocolRange } from "../records/protocol.ts";
import type { NodeId } from "../records/record.ts";
import type { LinkEnd, LinkId, MembershipEvent } from "./contract.ts";
import { answerDuties } from "./duties.ts";
import { encodeFrame } from "./frames.ts";
import { isBetterPath, provenEnd, throughWhom } from "./paths.ts";
import {
  explain,
  forgetEnd,
  linkEndSentence,
  newestLink,
  newLink,
  type Link,
  type PeerState,
} from "./peer-state.ts";
import type { State, Step } from "./state.ts";
import { briefMax, dueAfter, pauseAfter, retryFirst, spareWithin, usualBeat } from "./timing.ts";

/**
 * Links as they come and go, and which of several is used.
 *
 * Two nodes may dial each other at once, or one may come back while the other still holds a dead link.
 * Of any two nodes the one with the smaller id decides which link is used, and says so on it (`use`);
 * the other end sends nothing but pings before. So both ends always agree, in every interleaving.
 */

/** A chosen link has this long to show life before a newer one of the same peer takes its place. */
export const standbyPatience: Duration = 600;
/** What others do not know yet is told of so soon. */
const newsAfter: Duration = 20;
/** What replaced a link for longer than this was really chosen after it. */
const overtakenMax: Duration = 2000;
/** A peer with which we have no protocol in common is dialled again after half of it to all of it. */
const mismatchRetry: Duration = 10 * 60_000;

export function linkOpened(step: Step, event: Extract<MembershipEvent, { type: "link-opened" }>): void {
  const { state, now } = step;
  const { link: id, peer: peerId, outbound, speaks = state.config.speaks, via } = event;
  const peer = state.peers.get(peerId);
  if (peer === undefined || peer.peer.forbidden !== undefined) {
    step.out.push({ type: "close", link: id, end: "ours" });
    return;
  }
  if (outbound) peer.dialingSince = undefined;
  const protocol = commonProtocol(state.config.speaks, speaks);
  if (protocol === undefined) return refuseProtocol(step, peer, id, speaks);
  const isNews = peer.lastEnd !== undefined;
  forgetEnd(peer);
  peer.awayUntil = Number.NEGATIVE_INFINITY;
  peer.heardAt = now;
  const promised = usualBeat(state, peer);
  const link = newLink(id, peerId, protocol, now, promised, dueAfter(state, peer, promised), via);
  link.isNews = isNews;
  peer.links.set(id, link);
  state.peerByLink.set(id, peer);
  takeTurns(state);
  state.tended.set(peerId, peer);
  const way = throughWhom(state, link);
  explain(peer, now, `${outbound ? "we reached it" : "it reached us"} on link ${id}${way}`);
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

/**
 * Both ends see both ranges, so both close and both say why. An upgraded peer dials us itself, and after
 * an upgrade of ours we start anew: no dial of ours is urgent.
 */
function refuseProtocol(
  { state, now, random, out }: Step,
  peer: PeerState,
  link: LinkId,
  theirs: ProtocolRange,
): void {
  const ours = rangeText(state.config.speaks);
  explain(peer, now, `it speaks protocol ${rangeText(theirs)}, we speak ${ours}: upgrade the older side`);
  peer.redialAt = now + between(random, mismatchRetry / 2, mismatchRetry);
  out.push({ type: "close", link, end: "ours" });
  out.push({ type: "protocol-mismatch", peer: peer.peer.id, theirs });
}

/** The end with the smaller id decides which of several links is used. */
export function decides(state: State, peer: NodeId): boolean {
  return state.config.self < peer;
}

export function use(step: Step, peer: PeerState, link: Link): void {
  const before = peer.active;
  if (before === link.id) return;
  step.state.observed = true;
  if (before !== undefined)
    step.out.push({ type: "peer-down", peer: peer.peer.id, link: before, end: "ours" });
  const replaced = before === undefined ? undefined : peer.links.get(before);
  if (replaced !== undefined) replaced.replacedAt = step.now;
  peer.active = link.id;
  link.replacedAt = undefined;
  if (link.isNews) step.state.announceAt = Math.min(step.state.announceAt, step.now + newsAfter);
  if (decides(step.state, peer.peer.id)) {
    step.out.push({ type: "send", link: link.id, bytes: encodeFrame({ type: "use" }) });
    for (const other of peer.links.keys()) if (other !== link.id) closeLink(step, other, "ours");
  }
  step.out.push({ type: "peer-up", peer: peer.peer.id, link: link.id });
}

export function linkClosed(step: Step, id: LinkId, told: LinkEnd): void {
  const { state, now } = step;
  const peer = state.peerByLink.get(id);
  const link = peer?.links.get(id);
  if (peer === undefined || link === undefined) return;
  const end = provenEnd(link, told);
  const way = throughWhom(state, link);
  peer.links.delete(id);
  state.peerByLink.delete(id);
  takeTurns(state);
  state.observed = true;
  if (peer.active === id) {
    peer.active = undefined;
    step.out.push({ type: "peer-down", peer: peer.peer.id, link: id, end });
  }
  answerDuties(step, link, peer.active === undefined ? "lost" : "heard");
  if (end === "failed") state.health.offline = { at: now, detail: linkEndSentence(id, end) };
  explain(peer, now, end === told ? linkEndSentence(id, end) : `link ${id}${way} ended`);
  if (peer.links.size === 0) {
    peer.lastEnd = end;
    peer.endedAt = now;
    peer.tryingSince = now;
    peer.redialAt = now + (end === "ours" ? retryFirst : peer.spare ? step.random() * spareWithin : 0);
    peer.briefLinks = now - link.openedAt < briefMax ? peer.briefLinks + 1 : 0;
    peer.pausedUntil = now + pauseAfter(state.config, peer.briefLinks, step.random);
    if (!peer.wanted && now >= peer.awayUntil) state.tended.delete(peer.peer.id);
    return;
  }
  if (peer.active !== undefined) return;
  if (decides(state, peer.peer.id)) useNewest(step, peer);
  else if (peer.links.size > 0) useReplaced(step, peer);
}

/**
 * Words on two links overtake each other: the one for a link that was given up comes after the one for its
 * successor, and then the end of the given-up one. What it had just replaced is what the other end uses.
 */
function useReplaced(step: Step, peer: PeerState): void {
  const fresh = step.now - overtakenMax;
  const replaced = [...peer.links.values()].filter(({ replacedAt = fresh }) => replacedAt > fresh);
  const [last] = replaced.sort((one, other) => (other.replacedAt ?? 0) - (one.replacedAt ?? 0));
  if (last !== undefined) use(step, peer, last);
}

function useNewest(step: Step, peer: PeerState): void {
  const newest = newestLink(peer);
  if (newest !== undefined) use(step, peer, newest);
}

/** Links give their signs of life in the order of their peers: how many come before those of each. */
function takeTurns({ peerByLink }: State): void {
  for (const peer of peerByLink.values()) {
    peer.linksBefore = 0;
    for (const other of peerByLink.values()) if (other.peer.id < peer.peer.id) peer.linksBefore++;
  }
}

/** A newer link waits beside the one in use: life on the old one ends the wait, silence promotes the new. */
export function settleStandby(step: Step, peer: PeerState): void {
  if (peer.links.size < 2 || peer.active === undefined || !decides(step.state, peer.peer.id)) return;
  const active = peer.links.get(peer.active);
  if (active === undefined) return;
  for (const link of peer.links.values()) {
    if (link.id === active.id) continue;
    if (isBetterPath(link, active)) {
      if (link.heardAt > link.openedAt) return use(step, peer, link);
    } else if (active.heardAt > link.openedAt) closeLink(step, link.id, "ours");
    else if (step.now >= link.openedAt + standbyPatience) return use(step, peer, link);
  }
}

export function closeLink(step: Step, link: LinkId, end: LinkEnd): void {
  const peer = step.state.peerByLink.get(link);
  if (peer !== undefined && end === "silent") peer.ownEndUp = step.ownEndUp?.(link);
  step.out.push({ type: "close", link, end });
  linkClosed(step, link, end);
}
