import type { Duration, Instant } from "../kernel/time.ts";
import type { NodeId } from "../records/record.ts";
import type { LinkEnd, LinkId, Peer, Verdict } from "./contract.ts";

/** What is known of one peer at first hand, and the sentences that explain it. */

/** How many sentences of evidence are kept per peer, newest first. */
export const reasonsMax = 8;

export type Link = {
  readonly id: LinkId;
  readonly peer: NodeId;
  readonly openedAt: Instant;
  heardAt: Instant;
  nextPingAt: Instant;
  pings: number;
  /** The next sign of life asks for an answer. */
  doubted: boolean;
  readonly sentAt: Map<number, Instant>;
  roundTrip: Duration | undefined;
};

export type PeerState = {
  peer: Peer;
  wanted: boolean;
  readonly links: Map<LinkId, Link>;
  /** The link in use. */
  active: LinkId | undefined;
  dialingSince: Instant | undefined;
  redialAt: Instant;
  failures: number;
  /** How our last link ended; undefined once the peer was seen alive after that, by us or by others. */
  lastEnd: LinkEnd | undefined;
  /** When our last link to it ended. */
  endedAt: Instant;
  refusedSince: boolean;
  heardAt: Instant | undefined;
  verdict: Verdict;
  since: Instant;
  reasons: string[];
};

export function newPeer(peer: Peer, wanted: boolean, now: Instant): PeerState {
  return {
    peer,
    wanted,
    links: new Map(),
    active: undefined,
    dialingSince: undefined,
    redialAt: now,
    failures: 0,
    lastEnd: undefined,
    endedAt: now,
    refusedSince: false,
    heardAt: undefined,
    verdict: "unreachable",
    since: now,
    reasons: ["never in contact since this agent started"],
  };
}

export function forgetEnd(peer: PeerState): void {
  peer.refusedSince = false;
  peer.lastEnd = undefined;
}

export function explain(peer: PeerState, sentence: string): void {
  if (peer.reasons[0] === sentence) return;
  peer.reasons = [sentence, ...peer.reasons].slice(0, reasonsMax);
}

export function linkEndSentence(id: LinkId, end: LinkEnd): string {
  if (end === "closed") return `its kernel closed link ${id}`;
  return end === "silent" ? `nothing was heard on link ${id} for too long` : `we closed link ${id}`;
}

export function newLink(id: LinkId, peer: NodeId, now: Instant): Link {
  return {
    id,
    peer,
    openedAt: now,
    heardAt: now,
    nextPingAt: now,
    pings: 0,
    doubted: false,
    sentAt: new Map(),
    roundTrip: undefined,
  };
}

export function newestLink({ links }: PeerState): Link | undefined {
  let newest: Link | undefined;
  for (const link of links.values()) {
    if (newest === undefined || link.openedAt > newest.openedAt || link.id > newest.id) newest = link;
  }
  return newest;
}
