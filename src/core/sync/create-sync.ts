import { asleep, earliest, never, type Instant, type Wake } from "../kernel/time.ts";
import type { LinkId } from "../membership/contract.ts";
import { between } from "../kernel/random.ts";
import { freshWork, overworked, roomOf, work, worksAt } from "./budget.ts";
import {
  answerEnded,
  compare,
  compareArrived,
  headsArrived,
  headsAsked,
  noteCovers,
  offerArrived,
  sendOwed,
  wantsArrived,
} from "./compare.ts";
import type { Sync, SyncConfig, SyncEffect, SyncEvent, Waiting } from "./contract.ts";
import { decodeFrame, isRecordsFrame, recordsFrameBytes, type SyncFrame } from "./frames.ts";
import { answerItems, answerSymbols, symbolsArrived } from "./repair.ts";
import { announce, haveArrived, noneOnward, pushArrived, spread, spreadOnward } from "./spread.ts";
import { noneLate, tendLate } from "./late.ts";
import { slotOf, type NodeId } from "../records/record.ts";
import { keeps, scopesOf, type Place } from "../records/scope.ts";
import { frameWork, isQuestion, questionsMax, workOf } from "./questions.ts";
import { confirm, isKnown, lengthOf, type Peer, type State, type Step } from "./state.ts";

/** The work of a frame that is not even read, and how many bytes of records are read in a unit. */
const unreadWork = 1;
const readBytesPerUnit = 20;
/** Links that open within so long may be one reunion. */
const reunionLasts = 10_000;
/** Those who do not begin at once wait longer the more they are, up to what an exchange and its spread take. */
const perLink = 50;
const othersWait = 2_000;
const othersWithin = 10_000;

/**
 * State exchange with every linked peer. Two nodes that meet compare a hash per scope; where they differ,
 * each learns how far the other knows every log and sends what is missing (compare.ts). What is new is
 * pushed along a tree (spread.ts). Where hashes differ although the logs agree, a sketch of the set finds
 * the difference (repair.ts).
 */
export function createSync(config: SyncConfig): Sync {
  const state: State = {
    config,
    peers: new Map(),
    sketches: { byScope: new Map() },
    late: noneLate(),
    onward: noneOnward(),
    doubts: new Map(),
  };
  let wake: Wake = asleep;
  return {
    handle: (event, env) => {
      const out: SyncEffect[] = [];
      const step: Step = { state, env, out, sent: new Map() };
      take(step, event);
      // Before the next deadline there is only something to do for the peer that spoke.
      const peer = event.type === "frame" ? state.peers.get(event.link) : undefined;
      if (peer !== undefined && env.now < wake.at && event.type === "frame") {
        tend(step, event.link, peer);
        wake = earliest(earliest(wake, wakeFor(peer)), wakeForLate(state));
        return out;
      }
      spreadOnward(step);
      for (const [link, each] of state.peers) tend(step, link, each);
      tendLate(step);
      wake = nextWake(state);
      return out;
    },
    wake: () => wake,
    inStep: (link) => state.peers.get(link)?.inStep ?? false,
    waiting: (link) => waitingOn(state.peers.get(link)),
  };
}

function take(step: Step, event: SyncEvent): void {
  const { peers } = step.state;
  switch (event.type) {
    case "peer-up":
      peers.set(event.link, newPeer(step, event));
      return;
    case "peer-down":
      peers.delete(event.link);
      return;
    case "frame":
      return frameArrived(step, event.link, event.bytes);
    case "stored":
      return spread(step, event.records, event.from);
    case "wake":
      return;
  }
}

function newPeer(
  { state, env, out, sent }: Step,
  { peer, place }: Extract<SyncEvent, { type: "peer-up" }>,
): Peer {
  const asks = state.config.self < peer;
  return {
    id: peer,
    place,
    shared: scopesOf(env.place).filter((scope) => keeps(place, scope)),
    asks,
    eager: true,
    compareAt: asks ? firstComparison({ state, env, out, sent }, peer, place) : Number.POSITIVE_INFINITY,
    compared: false,
    upAt: env.now,
    differs: false,
    rounds: 0,
    inStep: false,
    reported: false,
    sent: 0,
    received: 0,
    asked: new Map(),
    told: 0,
    owed: new Map(),
    announceAt: Number.POSITIVE_INFINITY,
    owing: new Map(),
    answerAt: Number.POSITIVE_INFINITY,
    questions: [],
    questionsAt: Number.POSITIVE_INFINITY,
    work: freshWork(env.now),
    met: new Map(),
    repair: undefined,
    restarts: 0,
    repairAfter: Number.NEGATIVE_INFINITY,
    shown: undefined,
  };
}

/**
 * When two islands meet, a few links exchange what differs; the others wait a moment, until it has spread on
 * both sides, and then find equal hashes. Of `settled` members that each see `fresh` links, about one or two
 * begin at once: who just started alone is an island of its own and begins with the first.
 */
function firstComparison({ state, env }: Step, id: NodeId, place: Place): Instant {
  if (place.site === env.place.site)
    return env.now + (env.isSpare(id) ? between(env.random, 0.5, 1) * othersWithin : 0);
  const fresh = [...state.peers.values()].filter(
    (peer) => peer.asks && peer.place.site !== env.place.site && env.now - peer.upAt < reunionLasts,
  );
  const links = env.settled() * (1 + fresh.length);
  if (env.random() * links < 1) return env.now;
  const wait = links * perLink;
  return env.now + Math.min(othersWait, wait) + between(env.random, 0, Math.min(othersWithin, wait));
}

function frameArrived(step: Step, link: LinkId, bytes: Uint8Array): void {
  const peer = step.state.peers.get(link);
  if (peer === undefined) return;
  const asked = peer.asked.size > 0 || peer.repair !== undefined;
  // Nothing is lost with records that we did not ask for: the next comparison finds them.
  if (isRecordsFrame(bytes) && !asked && worksAt(step, peer.work) > step.env.now) {
    work(step, peer.work, unreadWork);
  } else readFrame(step, link, peer, bytes);
  if (overworked(peer.work)) broken(step, link, "it costs more work than one peer may, for nothing");
}

function readFrame(step: Step, link: LinkId, peer: Peer, bytes: Uint8Array): void {
  const frame = decodeFrame(bytes, step.env.crypto);
  if (frame === undefined) return broken(step, link, "a sync frame that cannot be read");
  if (!isQuestion(frame)) {
    work(step, peer.work, frameWork);
    return answer(step, link, peer, frame);
  }
  // Of what a peer repeats only the last counts; one that asks more than anybody needs is not heard.
  const same = peer.questions.findIndex(
    ({ type }) => type === frame.type && (type === "compare" || type === "heads"),
  );
  if (same >= 0) peer.questions.splice(same, 1);
  if (peer.questions.length < questionsMax) peer.questions.push(frame);
  else work(step, peer.work, bytes.length / readBytesPerUnit + frameWork);
  if (peer.questionsAt === Number.POSITIVE_INFINITY) peer.questionsAt = step.env.now;
  answerQuestions(step, link, peer);
}

/** What makes us look things up and answer: only while the peer has work left and the link has room. */
function answerQuestions(step: Step, link: LinkId, peer: Peer): void {
  const { now, budget } = step.env;
  if (now < peer.questionsAt) return;
  for (let [next] = peer.questions; next !== undefined; [next] = peer.questions) {
    const worked = worksAt(step, peer.work);
    const open = roomOf(step, link, "control") > 0;
    if (worked > now || !open) {
      const opensAt = open ? now : budget.opensAt(link, "control");
      peer.questionsAt = Math.max(now + 1, worked, opensAt);
      return;
    }
    peer.questions.shift();
    work(step, peer.work, workOf(step, next));
    answer(step, link, peer, next);
  }
  peer.questionsAt = Number.POSITIVE_INFINITY;
}

function broken(step: Step, link: LinkId, detail: string): void {
  step.state.peers.delete(link);
  step.out.push({ type: "protocol-error", link, detail });
}

function answer(step: Step, link: LinkId, peer: Peer, frame: SyncFrame): void {
  switch (frame.type) {
    case "compare":
      return compareArrived(step, link, peer, frame);
    case "heads":
      return headsArrived(step, link, peer, frame);
    case "heads-want":
      return headsAsked(step, link, peer, frame.scope);
    case "offer":
      return offerArrived(step, link, peer, frame.logs);
    case "wants":
      if (frame.graft) peer.eager = true;
      return wantsArrived(step, link, peer, frame.logs);
    case "records":
      return recordsArrived(step, link, peer, frame);
    case "have":
      return haveArrived(step, link, peer, frame.logs);
    case "prune":
      peer.eager = false;
      return;
    case "symbols-want":
      return answerSymbols(step, link, peer, frame);
    case "symbols":
      return symbolsArrived(step, link, peer, frame);
    case "items-want":
      return answerItems(step, link, peer, frame);
    case "unknown":
      return;
  }
}

function recordsArrived(
  step: Step,
  link: LinkId,
  peer: Peer,
  { mode, records, covers }: Extract<SyncFrame, { type: "records" }>,
): void {
  peer.received += records.length;
  const known = records.filter((record) => isKnown(step, record, slotOf(record)));
  const knownBytes = lengthOf(known);
  work(step, peer.work, knownBytes / readBytesPerUnit);
  // A large repair takes several exchanges.
  if (mode === "part" && lengthOf(records) - knownBytes > recordsFrameBytes / 2) peer.rounds = 0;
  noteCovers(peer, covers);
  if (mode === "push") pushArrived(step, link, peer, records, covers);
  if (records.length + covers.length > 0) step.out.push({ type: "received", link, records, covers });
  if (mode === "found") confirm(step, peer);
  if (mode === "end" || mode === "cut") answerEnded(step, link, peer, mode === "cut");
}

function tend(step: Step, link: LinkId, peer: Peer): void {
  if (step.env.now >= peer.compareAt) compare(step, link, peer);
  answerQuestions(step, link, peer);
  sendOwed(step, link, peer);
  announce(step, link, peer);
}

function waitingOn(peer: Peer | undefined): Waiting | undefined {
  if (peer === undefined) return undefined;
  const logs = peer.owing.size + peer.owed.size;
  const questions = peer.questions.length;
  const until = Math.min(peer.answerAt, peer.questionsAt, peer.owed.size > 0 ? peer.announceAt : never);
  return logs + questions === 0 ? undefined : { logs, questions, until };
}

function nextWake(state: State): Wake {
  let first = earliest(wakeForLate(state), { at: state.onward.at, why: "news that go on together" });
  for (const peer of state.peers.values()) first = earliest(first, wakeFor(peer));
  return first;
}

const wakeForLate = ({ late }: State): Wake => ({ at: late.askAt, why: "news that are late" });

function wakeFor(peer: Peer): Wake {
  const news = peer.owed.size > 0 ? peer.announceAt : never;
  const answers = Math.min(peer.answerAt, peer.questionsAt);
  if (peer.compareAt <= Math.min(answers, news)) return { at: peer.compareAt, why: "comparison with a peer" };
  if (answers <= news) return { at: answers, why: "answers that waited for a budget" };
  return { at: news, why: "news for a peer" };
}
