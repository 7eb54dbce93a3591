import { shuffled } from "../kernel/random.ts";
import type { Instant } from "../kernel/time.ts";
import type { NodeId } from "../records/record.ts";
import type { LinkId } from "./contract.ts";
import { answerDuties, owe, send } from "./duties.ts";
import type { Saw } from "./frames.ts";
import { doubt } from "./health.ts";
import { closeLink } from "./peer-links.ts";
import { explain, type Link, type PeerState } from "./peer-state.ts";
import type { State, Step } from "./state.ts";
import { answerWithin, givenUpAt, witnessesMax } from "./timing.ts";

/**
 * From a sign of life that did not come to the end of a link.
 *
 * A peer that is late is asked. One that does not answer is suspect, and others who have a link with it are
 * asked to ask it (SWIM's indirect probe: Das, Gupta, Motivala 2002, section 3.1). If none of them hears it
 * either, the link is given up; if one does, it is only our link that is bad, and it gets the full time.
 * The first to suspect it asks everybody, so that all find out in the same round; whoever was asked knows one
 * already whom it does not answer. Nobody answers us: rather our own fault, so we doubt ourselves and wait the
 * full time too. In contact with nobody else, while our own interface runs, we have nobody to ask: the peer has
 * as long again to answer.
 */

/** Whom the first to suspect a peer asks about it. */
const helpersMax = 32;

/** Sends a sign of life that wants an answer. */
type Ask = (step: Step, peer: PeerState, link: Link) => void;

/** What time brings for one link. */
export function watch(step: Step, peer: PeerState, link: Link, ask: Ask): void {
  const { state, now } = step;
  if (now >= givenUpAt(state, peer, link)) return closeLink(step, link.id, "silent");
  if (link.askedAt === undefined) {
    if (now < link.dueAt) return;
    link.askedAt = now;
    return ask(step, peer, link);
  }
  if (link.suspicion !== undefined) {
    if (now >= link.suspicion.until) conclude(step, peer, link);
    return;
  }
  if (now < link.askedAt + answerWithin(state, peer, link)) return;
  const askers = link.duties.map((duty) => duty.link);
  answerDuties(step, link, "lost");
  suspect(step, peer, link, askers);
}

/** When `watch` has something to do next. */
export function watchAt(state: State, peer: PeerState, link: Link): Instant {
  const end = givenUpAt(state, peer, link);
  if (link.askedAt === undefined) return Math.min(end, link.dueAt);
  return Math.min(end, link.suspicion?.until ?? link.askedAt + answerWithin(state, peer, link));
}

/** Whoever gives a sign of life is not late, and those who asked for it are told. */
export function acquit(step: Step, link: Link): void {
  link.askedAt = undefined;
  link.suspicion = undefined;
  link.witnesses = 0;
  if (link.duties.length > 0) answerDuties(step, link, "heard");
}

/** @param askers The links over which others asked about the peer: it had not answered them. */
function suspect(step: Step, peer: PeerState, link: Link, askers: readonly LinkId[]): void {
  const { state, now, random } = step;
  const answerBy = new Map<NodeId, Saw | "asked">();
  const patience = (isOnlyAndOurEndWorks(step, peer, link) ? 1 : 2) * answerWithin(state, peer, link);
  link.suspicion = { number: ++state.probes, until: now + patience, answerBy };
  for (const asker of askers) {
    const other = state.peerByLink.get(asker);
    if (other !== undefined) answerBy.set(other.peer.id, "lost");
  }
  // Who lost it just now has answered already.
  for (const id of losersOf(state, peer, link)) answerBy.set(id, "lost");
  const helpers = helpersFor(state, peer, random).filter(({ peer: { id } }) => !answerBy.has(id));
  const wanted = answerBy.size === 0 ? helpersMax : Math.max(0, witnessesMax - answerBy.size);
  for (const helper of helpers.slice(0, wanted)) {
    answerBy.set(helper.peer.id, "asked");
    if (helper.active === undefined) continue;
    send(step, helper.active, { type: "probe", number: state.probes, peer: peer.peer.id });
  }
  concludeIfAnswered(step, peer, link);
}

/** Those in view who lost it since we heard it last. */
function losersOf(state: State, { peer }: PeerState, link: Link): NodeId[] {
  return [...state.reports].flatMap(([id, { lostAt }]) =>
    (lostAt.get(peer.id) ?? Number.NEGATIVE_INFINITY) > link.heardAt &&
    state.peers.get(id)?.verdict === "alive"
      ? [id]
      : [],
  );
}

/** Those who say that they have a link with it; of its own site first, since they know best. */
function helpersFor(state: State, { peer }: PeerState, random: Step["random"]): readonly PeerState[] {
  const able: PeerState[] = [];
  for (const [id, other] of state.tended) {
    const link = other.active === undefined ? undefined : other.links.get(other.active);
    if (id === peer.id || link === undefined || link.askedAt !== undefined) continue;
    if (state.reports.get(id)?.peers.has(peer.id) === true) able.push(other);
  }
  able.sort((left, right) => (left.peer.id < right.peer.id ? -1 : 1));
  const near = able.filter((other) => other.peer.site === peer.site);
  const far = able.filter((other) => other.peer.site !== peer.site);
  return [...shuffled(random, near), ...shuffled(random, far)];
}

/** Another asks whether we hear a peer. We ask it ourselves, unless we know that it is silent. */
export function probed(
  step: Step,
  requester: LinkId,
  { number, peer: about }: { readonly number: number; readonly peer: NodeId },
  ask: Ask,
): void {
  const { state, now } = step;
  const peer = state.peers.get(about);
  const link = peer?.active === undefined ? undefined : peer.links.get(peer.active);
  if (peer === undefined || link === undefined)
    return send(step, requester, { type: "answer", number, saw: "apart" });
  if (link.askedAt !== undefined && now >= link.askedAt + answerWithin(state, peer, link))
    return send(step, requester, { type: "answer", number, saw: "lost" });
  owe(link, requester, number);
  if (link.askedAt === undefined) {
    link.askedAt = now;
    ask(step, peer, link);
  }
}

export function answered(step: Step, by: NodeId, number: number, saw: Saw): void {
  for (const peer of step.state.tended.values()) {
    for (const link of peer.links.values()) {
      if (link.suspicion?.number !== number || link.suspicion.answerBy.get(by) !== "asked") continue;
      link.suspicion.answerBy.set(by, saw);
      return concludeIfAnswered(step, peer, link);
    }
  }
}

/** Somebody wants to know what the peer has said up to now. */
export function askNow(step: Step, id: NodeId, ask: Ask): void {
  const peer = step.state.peers.get(id);
  const link = peer?.links.get(peer.active ?? -1);
  if (peer === undefined || link === undefined) return;
  link.doubted = true;
  ask(step, peer, link);
}

/** An observer lost its link with a peer that we still have one with: time to ask, or to believe it. */
export function lostByAnother(step: Step, peer: PeerState, ask: Ask): void {
  const { state, now } = step;
  const link = peer.active === undefined ? undefined : peer.links.get(peer.active);
  if (link === undefined) return;
  link.witnesses = losersOf(state, peer, link).length;
  if (link.askedAt === undefined) {
    link.askedAt = now;
    return ask(step, peer, link);
  }
  if (now >= link.askedAt + answerWithin(state, peer, link)) closeLink(step, link.id, "silent");
}

function concludeIfAnswered(step: Step, peer: PeerState, link: Link): void {
  const answers = [...(link.suspicion?.answerBy.values() ?? [])];
  if (answers.length === 0 || answers.includes("heard")) return;
  const lost = answers.filter((saw) => saw === "lost").length;
  if (lost >= witnessesMax || !answers.includes("asked")) conclude(step, peer, link);
}

function conclude(step: Step, peer: PeerState, link: Link): void {
  const { state, now } = step;
  const { suspicion } = link;
  if (suspicion === undefined) return;
  suspicion.until = Number.POSITIVE_INFINITY;
  const by = (wanted: Saw | "asked"): string[] =>
    [...suspicion.answerBy]
      .filter(([, saw]) => saw === wanted)
      .map(([id]) => state.peers.get(id)?.peer.name ?? id)
      .sort();
  const [heard, lost, mute] = [by("heard"), by("lost"), by("asked")];
  if (mute.length > 0 && lost.length < witnessesMax) doubt(state, now);
  if (heard.length > 0)
    return explain(peer, now, `it does not answer us, but it answers ${heard.join(", ")}`);
  if (lost.length === 0 && !isOnlyAndOurEndWorks(step, peer, link)) return;
  explain(
    peer,
    now,
    lost.length > 0
      ? `it answers neither us nor ${lost.join(", ")}`
      : "it does not answer us, and nobody else is here to ask it",
  );
  closeLink(step, link.id, "silent");
}

/** We have links with nobody else, and the interface of this one runs. */
function isOnlyAndOurEndWorks({ state, ownEndUp }: Step, peer: PeerState, link: Link): boolean {
  const others = [...state.tended.values()].some((other) => other !== peer && other.active !== undefined);
  return !others && ownEndUp?.(link.id) === true;
}
