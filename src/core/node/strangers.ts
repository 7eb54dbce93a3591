import { seconds, type Duration, type Instant } from "../kernel/time.ts";
import type { LinkId } from "../membership/contract.ts";
import type { MeshRecord, NodeId } from "../records/record.ts";
import { admitPending, admitRecords } from "./admission.ts";
import { contactsOf, isSiteFirst, reachesOut, siteFirstUntil, type Contact } from "./contacts.ts";
import type { NodeEvent } from "./contract.ts";
import { coverAndHold } from "./held.ts";
import { credentialsOf, proofOf } from "./guests.ts";
import { credentialsMax, decodeIntroduction, encodeIntroduction } from "./introduction-frames.ts";
import { detailOf, peersSoon } from "./levels.ts";
import { introductionChannel, send } from "./channels.ts";
import { absorb, linkArrived, tellMembership, tellPeers } from "./links.ts";
import { linkEnded } from "./uplink.ts";
import { belongs, memberOf } from "./trust-view.ts";
import { note, type Turn } from "./turn.ts";

/**
 * Links with nodes outside of our roster, and records by authors outside of it.
 *
 * Both ends of a new link show who they are, with the records of their enrollers up to the root; before
 * that is proven, nothing else is taken from the link. Of an author that we do not know, the peer that sent
 * the record is asked.
 */

const waitingMax = 32;
const linksMax = 64;
/** A stranger has this long to show who it is. */
const introductionMax: Duration = seconds(10);
const contactsEvery: Duration = seconds(10);
/** The same while all whom we want links with are there, and nobody else. */
const calmContactsEvery: Duration = seconds(60);
/** A link of ours that no neighbour needs is closed after so long. */
const unwantedMax: Duration = seconds(60);

type Opened = Extract<NodeEvent, { type: "link-opened" }>;

export function linkOpened(turn: Turn, event: Opened): void {
  const { state, env } = turn;
  const { link, peer } = event;
  state.dialFailed.delete(peer);
  if (detailOf(state) === "mesh") return linkArrived(turn, event);
  // It may not know us, though we know it: what we show comes first on the link.
  showCredentials(turn, link, credentialsOf(state, state.identity.id));
  if (state.index.memberById.has(peer)) return linkArrived(turn, event);
  const { waiting } = state.levels;
  if (state.index.goneSince.has(peer) || waiting.size >= waitingMax) {
    turn.out.push({ type: "close", link, end: "ours" });
    return;
  }
  waiting.set(link, { ...event, until: env.now + introductionMax });
  if (memberOf(state, peer) !== undefined) accept(turn, link);
}

export function linkClosed(turn: Turn, { link, end }: Extract<NodeEvent, { type: "link-closed" }>): void {
  const { levels } = turn.state;
  const stranger = levels.waiting.get(link);
  levels.asks.delete(link);
  if (stranger !== undefined) {
    levels.waiting.delete(link);
    return refused(turn, stranger.peer, stranger.outbound, "it closed the link before we knew each other");
  }
  linkEnded(turn, link);
  tellMembership(turn, { type: "link-closed", link, end });
  if (levels.links.delete(link)) peersSoon(turn.state, turn.env.now);
}

/** @returns whether the frame was ours to take: one of the introduction, or on a link that is not further. */
export function introductionArrived(turn: Turn, link: LinkId, bytes: Uint8Array): boolean {
  const { state, env } = turn;
  const stranger = state.levels.waiting.get(link);
  if (bytes[0] !== introductionChannel) {
    if (stranger !== undefined) close(turn, link, "it spoke before it showed who it is");
    return stranger !== undefined;
  }
  if (detailOf(state) === "mesh") return false;
  const frame = decodeIntroduction(bytes.subarray(1), env.crypto);
  if (stranger === undefined) tellMembership(turn, { type: "heard", link });
  if (frame === undefined) close(turn, link, "an introduction that cannot be read", "ProtocolError");
  else if (frame.type === "credentials") {
    absorb(turn, admitRecords(turn, frame.records, link), undefined);
    if (stranger === undefined) return true;
    if (belongs(state, stranger.peer)) accept(turn, link);
    else close(turn, link, "what it showed does not prove that it is a member");
  } else if (stranger === undefined) showCredentials(turn, link, proofsOf(turn, frame.ids));
  return true;
}

/** The end of a turn: what new guests make possible, questions that are due, links that are not. */
export function tendStrangers(turn: Turn): void {
  const { state, env } = turn;
  const { levels } = state;
  if (detailOf(state) === "mesh") return;
  if (levels.grew) welcome(turn);
  const contacts = state.booted && env.now >= levels.contactsAt ? review(turn) : undefined;
  if (env.now >= levels.peersAt && state.booted) {
    levels.peersAt = Number.POSITIVE_INFINITY;
    if (contacts === undefined) levels.contactsAt = Math.min(levels.contactsAt, env.now + contactsEvery);
    tellPeers(turn, contacts);
  }
  for (const [link, { until }] of levels.waiting)
    if (env.now >= until) close(turn, link, "it did not show who it is");
  for (const [link, ids] of levels.asks) {
    const bytes = encodeIntroduction({ type: "who", ids: [...ids] }, env.crypto);
    send(turn, link, introductionChannel, bytes);
  }
  levels.asks.clear();
}

export function strangersWake({ state }: Pick<Turn, "state">): number {
  const { levels } = state;
  if (detailOf(state) === "mesh") return Number.POSITIVE_INFINITY;
  let at = Math.min(levels.contactsAt, levels.peersAt);
  for (const { until } of levels.waiting.values()) at = Math.min(at, until);
  return at;
}

/** Guests are new: records and covers that waited for them count now. */
function welcome(turn: Turn): void {
  const { levels } = turn.state;
  levels.grew = false;
  absorb(turn, admitPending(turn), undefined);
  if (turn.state.pending.size === 0) levels.placeFrom = Math.min(levels.placeFrom, turn.env.now);
  for (const [author, covers] of levels.covers) {
    if (memberOf(turn.state, author) === undefined) continue;
    levels.covers.delete(author);
    for (const cover of covers) coverAndHold(turn, cover);
  }
}

/** Time passes over gateways that are out of reach, and over links that nobody needs any more. @returns our contacts, unless a link ended. */
function review(turn: Turn): readonly Contact[] | undefined {
  const { state, env } = turn;
  const { levels } = state;
  levels.peersAt = env.now;
  const contacts = contactsOf(state, env.now);
  const wanted = new Set(contacts.map(({ id }) => id));
  for (const held of levels.links.values()) {
    if (!held.outbound || wanted.has(held.peer)) held.unwantedSince = undefined;
    else held.unwantedSince ??= env.now;
  }
  levels.contactsAt = reviewAt(turn, contacts);
  const before = levels.links.size;
  for (const [link, { unwantedSince }] of levels.links)
    if (unwantedSince !== undefined && env.now >= unwantedSince + unwantedMax) dismiss(turn, link);
  return levels.links.size === before ? contacts : undefined;
}

/** Verdicts, summaries and links that change make us look sooner; between them only time over what is lost or unwanted. */
function reviewAt({ state, env }: Turn, contacts: readonly Contact[]): Instant {
  const { levels, membership } = state;
  // Once we have settled we look at once.
  if (state.settling) return Number.POSITIVE_INFINITY;
  if (isSiteFirst(state, env.now)) return siteFirstUntil(state);
  if (!reachesOut(state) && levels.links.size === 0) return Number.POSITIVE_INFINITY;
  const isCalm =
    contacts.every(({ id }) => membership.standing(id)?.verdict === "alive") &&
    [...levels.links.values()].every(({ unwantedSince }) => unwantedSince === undefined);
  return env.now + (isCalm ? calmContactsEvery : contactsEvery);
}

function accept(turn: Turn, link: LinkId): void {
  const { state } = turn;
  const { levels } = state;
  const stranger = levels.waiting.get(link);
  if (stranger === undefined) return;
  const { peer, outbound, tlsKey } = stranger;
  if (memberOf(state, peer)?.tlsKey !== tlsKey)
    return close(turn, link, "its TLS key is not the one on record");
  levels.waiting.delete(link);
  const guest = levels.guests.get(peer);
  if (guest !== undefined) guest.usedAt = turn.env.now;
  if (!state.index.memberById.has(peer)) {
    if (levels.links.size >= linksMax) {
      turn.out.push({ type: "close", link, end: "ours" });
      return refused(turn, peer, outbound, "too many links to other places");
    }
    levels.links.set(link, { peer, outbound, unwantedSince: undefined });
  }
  levels.peersAt = Number.POSITIVE_INFINITY;
  levels.contactsAt = Math.min(levels.contactsAt, turn.env.now + contactsEvery);
  tellPeers(turn);
  linkArrived(turn, stranger);
}

/**
 * Ends a link whose peer is not introduced, or broke the introduction. Who keeps all rules may be refused all
 * the same: whom an enroller admitted that was revoked before may not know so yet, and has nothing to show after.
 */
function close(
  turn: Turn,
  link: LinkId,
  why: string,
  reason: "ProtocolError" | "StrangerRefused" = "StrangerRefused",
): void {
  const { waiting } = turn.state.levels;
  const stranger = waiting.get(link);
  const whose = stranger === undefined ? "" : ` of ${stranger.peer}`;
  note(turn, "warning", reason, `link ${link}${whose}: ${why}`);
  if (stranger === undefined) return hangUp(turn, link);
  waiting.delete(link);
  turn.out.push({ type: "close", link, end: "ours" });
  refused(turn, stranger.peer, stranger.outbound, why);
}

/** Ends a link that nobody here needs: no loss, neither to us nor to the other end. */
function dismiss(turn: Turn, link: LinkId): void {
  tellMembership(turn, { type: "hang-up", link });
  linkClosed(turn, { type: "link-closed", link, end: "ours" });
}

function hangUp(turn: Turn, link: LinkId): void {
  turn.out.push({ type: "close", link, end: "ours" });
  linkClosed(turn, { type: "link-closed", link, end: "ours" });
}

function refused(turn: Turn, peer: NodeId, outbound: boolean, detail: string): void {
  if (outbound) tellMembership(turn, { type: "dial-failed", peer, why: "untrusted", detail });
}

/** Who asks for authors wants to know that they belong, not where they are reached. */
function proofsOf({ state }: Turn, ids: readonly NodeId[]): readonly MeshRecord[] {
  const shown = new Set<MeshRecord>();
  for (const id of ids) {
    const chain = proofOf(state, id);
    if (shown.size + chain.length <= credentialsMax) for (const record of chain) shown.add(record);
  }
  return [...shown];
}

function showCredentials(turn: Turn, link: LinkId, records: readonly MeshRecord[]): void {
  if (records.length === 0) return;
  const bytes = encodeIntroduction({ type: "credentials", records }, turn.env.crypto);
  send(turn, link, introductionChannel, bytes);
}
