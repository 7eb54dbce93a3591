import { between } from "../kernel/random.ts";
import { hash53 } from "../kernel/hash.ts";
import { never, type Duration, type Instant } from "../kernel/time.ts";
import type { NodeId } from "../records/record.ts";
import { directPeers, isReported } from "./paths.ts";
import { decides } from "./peer-links.ts";
import { forgetEnd, isProcessGone, restartGrace, type PeerState } from "./peer-state.ts";
import { noticeLoss } from "./health.ts";
import type { Published, State, Step } from "./state.ts";
import { retryFirst, spareWithin } from "./timing.ts";
import { verdictsOf, witnessesMin, type FirstHand } from "./verdicts.ts";

/** From what was seen to what is held of the peers, and to what we publish of our links. */

export function judge(step: Step): void {
  const { state, now } = step;
  const firstHand = new Map<NodeId, FirstHand>();
  for (const [id, peer] of state.peers) {
    const processGone = isProcessGone(peer) || (peer.verdict === "dead" && peer.links.size === 0);
    const linked = peer.links.size > 0 || now < peer.awayUntil;
    firstHand.set(id, { site: peer.peer.site, linked, processGone });
  }
  renewReports(state);
  let lost = false;
  const returned: PeerState[] = [];
  for (const [id, to] of verdictsOf(firstHand, state.reports)) {
    const peer = state.peers.get(id);
    if (peer === undefined || peer.verdict === to) continue;
    const from = peer.verdict;
    peer.verdict = to;
    if (to === "alive") {
      // It came back, be it to others: the end that we saw was that of a process before this one.
      forgetEnd(peer);
      if (peer.links.size === 0 && peer.wanted) returned.push(peer);
    } else {
      const report = state.reports.get(id);
      if (report !== undefined) state.oldReports.set(id, { report, since: now });
      state.reports.delete(id);
      lost = true;
    }
    peer.since = now;
    step.out.push({ type: "verdict-changed", peer: id, from, to });
  }
  if (lost) noticeLoss(state, now);
  // Where others get to, we may get now: the way is open again. An island is not dialled all at once.
  const within = Math.max(2 * retryFirst, perReturned * returned.length);
  for (const peer of returned) {
    // One end after the other: of two links one would be closed again.
    const from = decides(state, peer.peer.id) ? 0 : within;
    const least = peer.spare ? spareWithin : within;
    peer.tryingSince = now;
    peer.redialAt = Math.min(peer.redialAt, now + between(step.random, from, from + least));
  }
}

/**
 * What a lost one said of others before is old news when it comes back, but for what it says still: who did not lose
 * a link meanwhile says nothing new. We know that once we had, after the loss, all that somebody has who hears of it.
 */
function renewReports({ peers, reports, oldReports }: State): void {
  if (oldReports.size === 0) return;
  const inStep = [...peers].flatMap(([id, { links }]) => {
    const at = Math.max(...[...links.values()].map(({ inStepAt }) => inStepAt));
    return at > Number.NEGATIVE_INFINITY ? [{ id, at }] : [];
  });
  const seen = new Set<NodeId>();
  for (const { id, at } of inStep.sort((left, right) => right.at - left.at)) {
    const hearing = [id];
    for (let one = hearing.pop(); one !== undefined; one = hearing.pop()) {
      if (seen.has(one)) continue;
      seen.add(one);
      const old = oldReports.get(one);
      if (old !== undefined && old.since <= at) {
        reports.set(one, old.report);
        oldReports.delete(one);
      }
      hearing.push(...(reports.get(one)?.peers ?? []));
    }
  }
}

/** A handshake costs both ends, and while many are made, who is back waits to be told. */
const perReturned: Duration = 250;

/**
 * Our links as others are to know them. Which member is lost is told at once; links that came may be the first of
 * several, and each word costs everybody a record, so they are told together. Those with other places can wait
 * longest: nobody's membership is judged by them. The more there are to hear it, the longer the next word waits
 * for what else there is to say.
 */
export function announce(step: Step): void {
  const { state, now } = step;
  const gone: NodeId[] = [];
  state.goneAt = never;
  for (const [id, peer] of state.peers) {
    const at = goneToldAt(state, id, peer);
    if (now >= at) gone.push(id);
    else state.goneAt = Math.min(state.goneAt, at);
  }
  announceLinks(step, directPeers(state, now), gone.sort());
}

function announceLinks({ state, now, out }: Step, peers: readonly NodeId[], gone: readonly NodeId[]): void {
  const { published } = state;
  const links: Links = { peers: new Set(peers), gone: new Set(gone) };
  let isLoss = false;
  if (published !== undefined) {
    const patience = patienceWith(state, published, links);
    if (patience === undefined) {
      state.announceAt = never;
      return;
    }
    isLoss = patience === 0;
    if (!isLoss) {
      state.announceAt = Math.min(state.announceAt, now + patience + lagShare * state.health.lag);
      if (now < state.announceAt) return;
    }
  }
  // Who is lost waits for nobody's processor.
  const pause =
    Math.min(betweenWordsMax, perListener * state.peers.size) + (isLoss ? 0 : lagShare * state.health.lag);
  const next = (published?.at ?? Number.NEGATIVE_INFINITY) + pause;
  if (now < next) {
    state.announceAt = next;
    return;
  }
  state.announceAt = never;
  const contacts = [...peers, ...gone].filter((id) => isContact(state, id));
  state.published = { ...links, contacts, at: now };
  out.push({ type: "links-changed", peers, gone });
}

/**
 * All neighbours of a process see it go, and the word of two is enough: so they take turns, and who hears of enough
 * others before its own says nothing.
 */
function goneToldAt(state: State, id: NodeId, peer: PeerState): Instant {
  if (!isProcessGone(peer) || peer.spare) return never;
  if (state.published?.gone.has(id) !== true && witnessesOf(state, id, peer.peer.site) >= witnessesTold)
    return never;
  const turns = Math.min(turnsMax, perTurn * Math.max(0, state.tended.size - witnessesTold));
  const turn = (hash53(`${state.config.self} ${id}`) % 997) / 997;
  return Math.max(peer.awayUntil, (peer.refused?.first ?? 0) + restartGrace + turn * turns);
}
/** One more than it takes. */
const witnessesTold = witnessesMin + 1;
const perTurn: Duration = 100;
const turnsMax: Duration = 2_000;

/** How many of its site, alive to us, say that they saw its process go. */
function witnessesOf({ reports, peers }: State, id: NodeId, site: string): number {
  let witnesses = 0;
  for (const [observer, { gone }] of reports) {
    const by = peers.get(observer);
    if (gone.has(id) && by?.verdict === "alive" && by.peer.site === site) witnesses++;
  }
  return witnesses;
}

type Links = Pick<Published, "peers" | "gone">;

/** How long what has changed may wait for company; undefined when nothing has. */
function patienceWith(state: State, before: Published, after: Links): Duration | undefined {
  /** Or was one: of a contact whose link is lost we may know no more. */
  const isMember = (id: NodeId): boolean => !isContact(state, id) && !before.contacts.includes(id);
  const lost = newIn(after.peers, before.peers);
  const came = newIn(before.peers, after.peers);
  const gone = [...newIn(before.gone, after.gone), ...newIn(after.gone, before.gone)];
  if (lost.length + came.length + gone.length === 0) return undefined;
  /** Its link is only told of no more. */
  const isLinked = (id: NodeId): boolean => state.peers.get(id)?.active !== undefined;
  if (lost.some((id) => isMember(id) && !isLinked(id)) || gone.some(isMember)) return 0;
  if (![...came, ...lost].some(isMember)) return companyOutside;
  // Where others have a link with it, too, one more changes nobody's verdict.
  const isNews = (id: NodeId): boolean => isMember(id) && !isReported(state, id, () => true);
  return came.some(isNews) ? companyFor(state) : companyOfDetail(state);
}

const isContact = ({ peers }: State, id: NodeId): boolean => peers.get(id)?.peer.contact !== undefined;

const newIn = (before: ReadonlySet<NodeId>, after: ReadonlySet<NodeId>): readonly NodeId[] =>
  [...after].filter((id) => !before.has(id));

/** Longer than most flaps of an uplink. */
const companyOutside: Duration = 5_000;
/** A link that came waits so long for others, and longer where others have one with the same peer. */
const companyFor = ({ peers }: State): Duration =>
  Math.min(companyMax, Math.max(companyMin, companyPerListener * peers.size));
const companyMin: Duration = 400;
const companyPerListener: Duration = 40;
const companyMax: Duration = 2_000;
const companyOfDetail = (state: State): Duration => 5 * companyFor(state);
/** Between two words of ours on our links. */
const perListener: Duration = 10;
const betweenWordsMax: Duration = 1_000;
/** Where our turns are late there is too much to do already, here and with those who share the machine. */
const lagShare = 4;

export function activePeers(state: State): NodeId[] {
  return [...state.tended]
    .filter(([, peer]) => peer.active !== undefined)
    .map(([id]) => id)
    .sort();
}
