import { fill, fullAt, fullBucket, type Bucket } from "../kernel/bucket.ts";
import type { Instant } from "../kernel/time.ts";
import type { LinkId } from "../membership/contract.ts";
import {
  bucketRateOf,
  bytesPerSecondOf,
  dayShareOf,
  linkClassOf,
  paceOf,
  reserveOf,
  type LinkClass,
  type Urgency,
} from "../records/link-class.ts";
import type { NodeId } from "../records/record.ts";
import type { Budget } from "../sync/contract.ts";
import { declaredClass, ownClass, type RoundTrips } from "./uplink-class.ts";
import { factsOf } from "./records-index.ts";
import type { NodeState } from "./state.ts";
import { memberOf } from "./trust-view.ts";
import type { Turn } from "./turn.ts";
import type { LinkSpending, UplinkView } from "./uplink-view.ts";

/**
 * What links to other sites cost and may cost: a token bucket per link, filled by the class of the link or
 * the operator's word, and an allowance per day for all of them. Frames are charged by their length when
 * they are handed over, and by what really left as soon as that is known, which is before the next turn.
 */
export type Uplink = {
  /** The day (UTC) that is counted, in days since 1970, and the bytes that left on it to other sites. */
  day: number;
  bytes: number;
  /** What our disk says of them. */
  noted: { readonly day: number; readonly bytes: number };
  readonly linkById: Map<LinkId, MeteredLink>;
  /** Links that frames were handed to in this turn. */
  readonly used: LinkId[];
  readonly roundTrips: RoundTrips;
  /** The class that counted last, and was told to the others. */
  class: LinkClass | undefined;
};

export type MeteredLink = {
  readonly peer: NodeId;
  bucket: Bucket | undefined;
  /** Handed over in this turn, by length; and what had left before. */
  handed: number;
  handedAt: Instant;
  left: number;
  bytesToday: number;
  second: number;
  secondBytes: number;
  peakPerSecond: number;
};

const dayMs = 86_400_000;
/** A link that ran dry begins again with this share of its burst above what is kept for others. */
const pieceShare = 1 / 8;

export function linkOpened({ state }: Turn, link: LinkId, peer: NodeId): void {
  if (memberOf(state, peer)?.site === state.identity.site) return;
  state.uplink.linkById.set(link, {
    peer,
    bucket: undefined,
    handed: 0,
    handedAt: 0,
    left: 0,
    bytesToday: 0,
    second: 0,
    secondBytes: 0,
    peakPerSecond: 0,
  });
}

export function linkEnded({ state }: Turn, link: LinkId): void {
  state.uplink.linkById.delete(link);
}

/** A frame is handed over: charged by its length until the turn is over. */
export function countSent(turn: Turn, link: LinkId, bytes: number): void {
  const metered = turn.state.uplink.linkById.get(link);
  if (metered === undefined) return;
  if (metered.handed === 0) turn.state.uplink.used.push(link);
  metered.handed += bytes;
  metered.handedAt = turn.env.now;
  charge(turn, metered, bytes);
}

/** At the start of a turn: what was handed over in the one before has left, compressed or not. */
export function settleSent(turn: Turn): void {
  const { linkById, used } = turn.state.uplink;
  if (used.length === 0) return;
  for (const link of used) {
    const metered = linkById.get(link);
    if (metered === undefined) continue;
    const left = turn.env.sentBytes(link);
    const second = Math.floor(metered.handedAt / 1_000);
    if (second !== metered.second) {
      metered.second = second;
      metered.secondBytes = 0;
    }
    metered.secondBytes += left - metered.left;
    metered.peakPerSecond = Math.max(metered.peakPerSecond, metered.secondBytes);
    const beyond = left - metered.left - metered.handed;
    if (beyond !== 0) charge(turn, metered, beyond);
    metered.left = left;
    metered.handed = 0;
  }
  used.length = 0;
}

/** What the state exchange may put on its links now. */
export function budgetOf(turn: Turn): Budget {
  const { state, env } = turn;
  return {
    room: (link, urgency) => {
      const metered = state.uplink.linkById.get(link);
      if (metered === undefined) return Number.POSITIVE_INFINITY;
      return Math.min(roomOnLink(state, metered, urgency, env.now), roomToday(turn, urgency));
    },
    opensAt: (link, urgency) => {
      const metered = state.uplink.linkById.get(link);
      if (metered === undefined) return env.now;
      if (roomToday(turn, urgency) <= 0) return env.now + dayMs - (env.wall % dayMs);
      return opensAt(state, metered, urgency, env.now);
    },
  };
}

export function linkClassTo(state: NodeState, peer: NodeId): LinkClass {
  const sameSite = memberOf(state, peer)?.site === state.identity.site;
  return linkClassOf(sameSite, ownClass(state), classOfPeer(state, peer));
}

export const paceTo = (state: NodeState, peer: NodeId): number => paceOf[linkClassTo(state, peer)];

export function uplinkView(state: NodeState, now: Instant): UplinkView {
  const { config, uplink } = state;
  const links = [...uplink.linkById].map(([link, metered]) => spendingOf(state, link, metered, now));
  return {
    class: ownClass(state),
    declared: declaredClass(state),
    bytesToday: uplink.bytes,
    bytesPerDay: config.uplinkBytesPerDay,
    links: links.sort((left, right) => (left.peer < right.peer ? -1 : 1)),
  };
}

function spendingOf(state: NodeState, link: LinkId, metered: MeteredLink, now: Instant): LinkSpending {
  const perSecond = bytesPerSecondTo(state, metered.peer);
  const waits = state.sync.waiting(link);
  const { peer, bytesToday, peakPerSecond } = metered;
  return {
    peer,
    name: memberOf(state, peer)?.name ?? peer,
    class: linkClassTo(state, peer),
    bytesToday,
    peakPerSecond,
    bytesPerSecond: Number.isFinite(perSecond) ? perSecond : undefined,
    waiting:
      waits === undefined
        ? undefined
        : { logs: waits.logs, questions: waits.questions, forMs: Math.max(0, Math.ceil(waits.until - now)) },
  };
}

function charge({ state, env }: Turn, metered: MeteredLink, bytes: number): void {
  const { uplink } = state;
  const day = Math.floor(env.wall / dayMs);
  if (day !== uplink.day) {
    uplink.day = day;
    uplink.bytes = 0;
    for (const each of uplink.linkById.values()) [each.bytesToday, each.peakPerSecond] = [0, 0];
  }
  uplink.bytes += bytes;
  metered.bytesToday += bytes;
  const perSecond = bytesPerSecondTo(state, metered.peer);
  if (perSecond === Number.POSITIVE_INFINITY) return;
  const rate = bucketRateOf(perSecond);
  metered.bucket ??= fullBucket(rate, env.now);
  fill(metered.bucket, rate, env.now);
  metered.bucket.level -= bytes;
}

function roomOnLink(state: NodeState, metered: MeteredLink, urgency: Urgency, now: Instant): number {
  const perSecond = bytesPerSecondTo(state, metered.peer);
  if (perSecond === Number.POSITIVE_INFINITY) return perSecond;
  const rate = bucketRateOf(perSecond);
  metered.bucket ??= fullBucket(rate, now);
  return Math.max(0, fill(metered.bucket, rate, now) - reserveOf(urgency) * rate.burst);
}

function opensAt(state: NodeState, metered: MeteredLink, urgency: Urgency, now: Instant): Instant {
  const perSecond = bytesPerSecondTo(state, metered.peer);
  if (perSecond === Number.POSITIVE_INFINITY) return now;
  const rate = bucketRateOf(perSecond);
  metered.bucket ??= fullBucket(rate, now);
  fill(metered.bucket, rate, now);
  return fullAt(metered.bucket, rate, (reserveOf(urgency) + pieceShare) * rate.burst);
}

function roomToday({ state, env }: Turn, urgency: Urgency): number {
  const { uplinkBytesPerDay } = state.config;
  if (uplinkBytesPerDay === 0) return Number.POSITIVE_INFINITY;
  const spent = Math.floor(env.wall / dayMs) === state.uplink.day ? state.uplink.bytes : 0;
  return Math.max(0, dayShareOf(urgency) * uplinkBytesPerDay - spent);
}

/**
 * Each end keeps to its own rate; that of the peer is known by its class alone. Until it has said that, it may be
 * of the slowest: what has been sent cannot be taken back.
 */
function bytesPerSecondTo(state: NodeState, peer: NodeId): number {
  if (memberOf(state, peer)?.site === state.identity.site) return Number.POSITIVE_INFINITY;
  const ours = state.config.uplinkBytesPerSecond || bytesPerSecondOf[ownClass(state)];
  return Math.min(ours, bytesPerSecondOf[classSaidBy(state, peer) ?? "satellite"]);
}

export const classOfPeer = (state: NodeState, peer: NodeId): LinkClass => classSaidBy(state, peer) ?? "lan";

/** Undefined before we heard of its status. */
function classSaidBy(state: NodeState, peer: NodeId): LinkClass | undefined {
  const status = factsOf(state.index, peer)?.status?.body ?? state.levels.guests.get(peer)?.status?.body;
  return status === undefined ? undefined : (status.uplink ?? "lan");
}
