import type { Duration, Instant } from "../kernel/time.ts";
import type { NodeId } from "../records/record.ts";
import type { LinkEnd, LinkId, Peer, Verdict } from "./contract.ts";
import type { Saw } from "./frames.ts";

/** What is known of one peer at first hand, and the sentences that explain it. */

/** How many sentences of evidence are kept per peer, newest first. */
const reasonsMax = 8;
/** A host that refuses for so long is not one whose agent is only being restarted. */
export const restartGrace: Duration = 500;

/** It does not answer us, and we have asked others whether it answers them. */
export type Suspicion = {
  readonly number: number;
  /** When answers no longer count; infinite once they were counted. */
  until: Instant;
  readonly answerBy: Map<NodeId, Saw | "asked">;
};

/** Somebody wants to know whether we hear the peer at the other end. */
export type Duty = { readonly link: LinkId; readonly number: number };

export type Link = {
  readonly id: LinkId;
  readonly peer: NodeId;
  /** The relay it goes through, if any; see paths.ts. */
  readonly via: NodeId | undefined;
  /** What both ends agreed on. */
  readonly protocol: number;
  readonly openedAt: Instant;
  /** When we last had all that the peer has; -Infinity before that. */
  inStepAt: Instant;
  heardAt: Instant;
  /** How long after its last sign of life the other end is going to give the next. */
  promised: Duration;
  /** When its next sign of life is late. */
  dueAt: Instant;
  nextPingAt: Instant;
  pings: number;
  /** The next sign of life asks for an answer. */
  doubted: boolean;
  /** Since when we wait for an answer because it was late; undefined while all is well. */
  askedAt: Instant | undefined;
  suspicion: Suspicion | undefined;
  /** How many others say that they lost the peer since we heard it last. */
  witnesses: number;
  duties: Duty[];
  readonly sentAt: Map<number, Instant>;
  roundTrip: Duration | undefined;
  /** When the last question was sent that it has answered. */
  answeredFrom: Instant | undefined;
  /** What the way alone takes: round trips without most of what the ends were too busy for. */
  wayTrip: Duration;
  /** We had lost the peer, and knew of nobody who had seen it since. */
  isNews: boolean;
  /** When the word for another link took it out of use; only at the end that does not decide. */
  replacedAt: Instant | undefined;
};

export type PeerState = {
  peer: Peer;
  wanted: boolean;
  /** A link with it is one more than what we see of each other, and what records spread on, takes: see paths.ts. */
  spare: boolean;
  readonly links: Map<LinkId, Link>;
  /** The link in use. */
  active: LinkId | undefined;
  dialingSince: Instant | undefined;
  redialAt: Instant;
  /** Since when we try to reach it: the longer, the rarer. */
  tryingSince: Instant;
  /** Links in a row that ended soon after they came, and when it is dialled again at the earliest for that. */
  briefLinks: number;
  pausedUntil: Instant;
  /** How our last link ended; undefined once the peer was seen alive after that, by us or by others. */
  lastEnd: LinkEnd | undefined;
  /** When our last link to it ended for silence: whether our own end of it still worked. */
  ownEndUp: boolean | undefined;
  /** When our last link to it ended. */
  endedAt: Instant;
  /** Until then it is away on purpose: a restart of its agent, or a link that was not needed any more. */
  awayUntil: Instant;
  /** The first and the last refusal since then. */
  refused: { readonly first: Instant; readonly last: Instant } | undefined;
  /** Minus infinity before it was ever heard. */
  heardAt: Instant;
  verdict: Verdict;
  since: Instant;
  reasons: readonly { readonly what: string; readonly at: Instant }[];
  /** How many links there are with peers before it in the order of ids. */
  linksBefore: number;
  /** Its place among the deadlines; see wakes.ts. */
  deadline: number;
};

export function newPeer(peer: Peer, wanted: boolean, now: Instant): PeerState {
  return {
    peer,
    wanted,
    spare: false,
    links: new Map(),
    active: undefined,
    dialingSince: undefined,
    redialAt: now,
    tryingSince: now,
    briefLinks: 0,
    pausedUntil: Number.NEGATIVE_INFINITY,
    lastEnd: undefined,
    ownEndUp: undefined,
    endedAt: now,
    awayUntil: Number.NEGATIVE_INFINITY,
    refused: undefined,
    heardAt: Number.NEGATIVE_INFINITY,
    verdict: "unreachable",
    since: now,
    reasons: [{ what: "never in contact since this agent started", at: now }],
    linksBefore: 0,
    deadline: -1,
  };
}

/** Its kernel closed our last link, and its host has refused since then for longer than a restart takes. */
export function isProcessGone({ lastEnd, refused, links }: PeerState): boolean {
  if (links.size > 0 || lastEnd !== "closed" || refused === undefined) return false;
  return refused.last >= refused.first + restartGrace;
}

export function forgetEnd(peer: PeerState): void {
  peer.refused = undefined;
  peer.lastEnd = undefined;
  peer.ownEndUp = undefined;
}

/** What was said before and is said again is not told twice; its age is that of the first time. */
export function explain(peer: PeerState, now: Instant, what: string): void {
  if (peer.reasons[0]?.what === what) return;
  peer.reasons = [{ what, at: now }, ...peer.reasons].slice(0, reasonsMax);
}

export function linkEndSentence(id: LinkId, end: LinkEnd): string {
  switch (end) {
    case "closed":
      return `its kernel closed link ${id}`;
    case "silent":
      return `nothing was heard on link ${id} for too long`;
    case "failed":
      return `our own kernel could not send on link ${id}`;
    case "ours":
      return `we closed link ${id}`;
  }
}

/** @param promised How often a peer gives a sign of life that has not said it itself yet. */
export function newLink(
  id: LinkId,
  peer: NodeId,
  protocol: number,
  now: Instant,
  promised: Duration,
  due: Duration,
  via?: NodeId,
): Link {
  return {
    id,
    peer,
    via,
    protocol,
    openedAt: now,
    inStepAt: Number.NEGATIVE_INFINITY,
    heardAt: now,
    promised,
    dueAt: now + due,
    nextPingAt: now,
    pings: 0,
    doubted: false,
    askedAt: undefined,
    suspicion: undefined,
    witnesses: 0,
    duties: [],
    sentAt: new Map(),
    roundTrip: undefined,
    answeredFrom: undefined,
    wayTrip: 0,
    isNews: false,
    replacedAt: undefined,
  };
}

export function newestLink({ links }: PeerState): Link | undefined {
  let newest: Link | undefined;
  for (const link of links.values()) {
    if (newest === undefined || link.openedAt > newest.openedAt || link.id > newest.id) newest = link;
  }
  return newest;
}
