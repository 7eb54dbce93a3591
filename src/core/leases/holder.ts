import { between } from "../kernel/random.ts";
import { never, type Instant } from "../kernel/time.ts";
import type { NodeId } from "../records/record.ts";
import { claimsMax, type Claim, type Message } from "./frames.ts";
import { endResuming, lapse } from "./lapse.ts";
import { encodeRow } from "./rows.ts";
import { isClear } from "./voter.ts";
import { adopt, isSurplus, isVoter, matesOf, proposalOf, votesNeeded } from "./rolls.ts";
import {
  bookOf,
  epochBase,
  epochMax,
  mailTo,
  rollName,
  store,
  votesIn,
  type Attempt,
  type Book,
  type Holding,
  type LeaseTurn,
} from "./state.ts";

/**
 * A holder's side. It counts its lease from the moment it asked, so that every voter's promise began later
 * and lasts longer. A new claim is on our own disk before anybody is asked for it, so that a restarted
 * agent knows what it held.
 */

const attemptFor = 1_000;
const retryMin = 100;
const retryMax = 600;
const backoffMax = 3_000;
/** Others hear of a roll and say that they go by it, before it may be changed. */
const settleFor = 300;
/** Where a site has outgrown votes for everybody, two dozen lose theirs one by one: there is no hurry. */
const settleSurplusFor = 3_000;
const turnFor = 300;
const turnsMax = 10;
/** So many voters try whether a roll may be changed at once. */
const earlyMax = 3;

/** Everything that is due: renewals, new attempts, changes of the roll. */
export function tendHoldings(turn: LeaseTurn): void {
  const { state, env } = turn;
  for (const book of state.books.values()) wantRollChange(turn, book);
  const asks = new Map<Book, Holding[]>();
  for (const name of [...state.holdings.keys()].sort()) {
    const holding = state.holdings.get(name);
    if (holding === undefined) continue;
    if (!holding.wanted) {
      state.holdings.delete(name);
      continue;
    }
    if (env.now < holding.nextAt) continue;
    const book = bookOf(state, holding.electorate, env.now);
    if (prepare(turn, book, holding)) asks.set(book, [...(asks.get(book) ?? []), holding]);
  }
  for (const [book, holdings] of asks) {
    for (let at = 0; at < holdings.length; at += claimsMax)
      ask(turn, book, holdings.slice(at, at + claimsMax));
  }
}

/** Before anything else: an answer that was read too late gives nothing back that ended meanwhile. */
export function lapseOfTime(turn: LeaseTurn): void {
  for (const name of [...turn.state.holdings.keys()].sort()) {
    const holding = turn.state.holdings.get(name);
    if (holding !== undefined && holding.token > 0 && turn.env.now >= holding.until) lapse(turn, holding);
  }
}

/** Whether the claim may be asked for now; chooses its epoch, and writes a new one down first. */
function prepare(turn: LeaseTurn, book: Book, holding: Holding): boolean {
  const { state, env } = turn;
  const { roll } = book;
  holding.lacksVotes = false;
  const failed = holding.attempt !== undefined && holding.token === 0;
  if (failed) giveUp(turn, book, holding);
  if (failed && env.now < holding.nextAt) return false;
  // Who has left or was revoked asks for nothing: what it holds runs out.
  const mayAsk = state.memoryStored && state.members.has(state.config.self);
  if (roll === undefined || !mayAsk) return waitForNews(holding, never);
  const onRoll = holding.name === rollName(book.electorate);
  const needed = votesNeeded(state, book, onRoll, env.now);
  const reachable = roll.voters.filter(
    (voter) => state.linked.has(voter.id) || (voter.id === state.config.self && votesIn(state, roll)),
  );
  // A minority asks nobody; what it holds runs out. Time alone helps only the last voter of two: see `votesNeeded`.
  const alone = book.since + state.config.promiseFor;
  if (reachable.length < needed) return waitForNews(holding, alone > env.now ? alone : never);
  const base = epochBase(roll.number);
  // Others may have claimed it in vain meanwhile: who holds it goes on under a higher epoch.
  const resuming = holding.token === 0 && holding.resuming > 0;
  const stale = !resuming && holding.epoch <= Math.max(base, holding.seen);
  if (stale) {
    const next = Math.max(base, holding.seen, holding.epoch) + 1;
    if (next > epochMax(roll.number)) return wait(turn, holding, retryMax);
    holding.epoch = next;
    holding.epochStored = false;
  }
  if (holding.epochStored) return true;
  const { name, electorate, epoch, token } = holding;
  holding.nextAt = env.now + attemptFor;
  state.claims.set(name, { epoch, token: token || epoch });
  store(turn, [encodeRow({ type: "claim", electorate, name, epoch, token: token || epoch })], (stored) => {
    if (holding.epoch !== epoch) return;
    holding.epochStored = true;
    holding.nextAt = stored.env.now;
  });
  return false;
}

function ask(turn: LeaseTurn, book: Book, holdings: readonly Holding[]): void {
  const { state, env } = turn;
  const { roll } = book;
  if (roll === undefined) return;
  const round = ++state.rounds;
  const claims: Claim[] = [];
  for (const holding of holdings) {
    const attempt: Attempt = {
      round,
      number: roll.number,
      sentAt: env.now,
      granted: new Set(),
      refused: new Set(),
      clear: new Set(),
      waitMs: 0,
      accepted: undefined,
      proposal: undefined,
    };
    holding.attempt = attempt;
    holding.nextAt = env.now + (holding.token > 0 ? state.config.leaseFor / 4 : attemptFor);
    claims.push({ name: holding.name, epoch: holding.epoch });
  }
  const { electorate } = book;
  const { memory } = state;
  for (const { id } of roll.voters) {
    mailTo(turn, id, { type: "ask", electorate, number: roll.number, round, memory, claims });
  }
}

export function answered(turn: LeaseTurn, peer: NodeId, message: Extract<Message, { type: "answer" }>): void {
  const { state, env } = turn;
  const book = bookOf(state, message.electorate, env.now);
  const { roll } = book;
  if (roll === undefined || roll.number !== message.number || !isVoter(roll, peer, message.memory)) return;
  for (const vote of message.votes) {
    const holding = state.holdings.get(vote.name);
    const attempt = holding?.attempt;
    if (holding === undefined || attempt === undefined) continue;
    if (attempt.round !== message.round || attempt.number !== message.number) continue;
    holding.seen = Math.max(holding.seen, vote.granted ? 0 : vote.epoch);
    if (vote.granted && vote.epoch === holding.epoch) attempt.granted.add(peer);
    else {
      attempt.refused.add(peer);
      attempt.waitMs = Math.max(attempt.waitMs, vote.waitMs);
      const outbid = holding.token > 0 && vote.waitMs === 0 && vote.epoch >= holding.epoch;
      if (outbid) holding.nextAt = Math.min(holding.nextAt, env.now + retryMin);
    }
    if (message.clear) attempt.clear.add(peer);
    if ((message.accepted?.ballot ?? 0) > (attempt.accepted?.ballot ?? 0))
      attempt.accepted = message.accepted;
    judge(turn, book, holding, attempt);
  }
}

/** Enough promises make a lease, enough refusals end the attempt. */
function judge(turn: LeaseTurn, book: Book, holding: Holding, attempt: Attempt): void {
  const { state, env } = turn;
  const { roll } = book;
  if (roll === undefined) return;
  const onRoll = holding.name === rollName(book.electorate);
  const needed = votesNeeded(state, book, onRoll, env.now);
  if (attempt.granted.size >= needed) {
    if (onRoll) return proposeRoll(turn, book, holding, attempt);
    const until = attempt.sentAt + state.config.leaseFor;
    if (until <= env.now || until <= holding.until) return;
    holding.until = until;
    if (holding.token === 0) holding.token = holding.resuming || holding.epoch;
    holding.resuming = 0;
    holding.failures = 0;
    turn.out.push({ type: "held", name: holding.name, epoch: holding.token, until });
    return;
  }
  if (roll.voters.length - attempt.refused.size >= needed || holding.token > 0) return;
  if (holding.resuming > 0) endResuming(turn, holding);
  giveUp(turn, book, holding);
}

/** Lets go of what an attempt won, so that it keeps nobody else away, and tries again later. */
function giveUp(turn: LeaseTurn, book: Book, holding: Holding): void {
  const { env } = turn;
  const { attempt } = holding;
  if (attempt !== undefined && isEarly(turn, book)) book.unclear = true;
  holding.attempt = undefined;
  holding.failures++;
  if (attempt === undefined) return;
  if (holding.resuming === 0) letGo(turn, book, holding);
  const backoff = Math.min(backoffMax, retryMax * 2 ** Math.min(4, holding.failures - 1));
  const soonest = Math.min(attempt.waitMs, turn.state.config.promiseFor);
  // A promise to another is let be until it ends, or its holder is likely to have let go.
  holding.nextAt = env.now + Math.min(soonest, 1_000) + between(env.random, retryMin, backoff);
}

/** The claim is used up: a message about it that comes late can then do no harm. */
export function letGo(turn: LeaseTurn, { electorate, roll }: Book, holding: Holding): void {
  const { name, epoch } = holding;
  holding.seen = Math.max(holding.seen, epoch);
  for (const { id } of roll?.voters ?? []) {
    mailTo(turn, id, { type: "release", electorate, claims: [{ name, epoch }] });
  }
}

function wait({ env }: LeaseTurn, holding: Holding, most: number): false {
  holding.nextAt = env.now + between(env.random, most / 2, most);
  return false;
}

/** An island without a majority may last for weeks: it does not look again until it hears something. */
function waitForNews(holding: Holding, at: Instant): false {
  holding.nextAt = at;
  holding.lacksVotes = true;
  return false;
}

/** Something was heard: who lacked voters looks again, soon, and not all at once. */
export function lookAgain({ state, env }: LeaseTurn): void {
  for (const holding of state.holdings.values()) {
    if (!holding.lacksVotes) continue;
    holding.lacksVotes = false;
    holding.nextAt = Math.min(holding.nextAt, env.now + between(env.random, retryMax / 2, retryMax));
  }
}

/** We want to change the roll when it is not what the roster says, or when somebody left a change half done. */
function wantRollChange(turn: LeaseTurn, book: Book): void {
  const { state, env } = turn;
  const name = rollName(book.electorate);
  const { roll } = book;
  const due =
    roll !== undefined &&
    votesIn(state, roll) &&
    env.now >= soonestChange(turn, book) &&
    (book.accepted !== undefined || proposalOf(state, book) !== undefined);
  const holding = state.holdings.get(name);
  if (holding !== undefined) holding.wanted = due;
  else if (due) {
    const nextAt = env.now + between(env.random, 0, retryMin);
    state.holdings.set(name, newHolding(name, book.electorate, nextAt));
  }
}

/**
 * The voters in reach have their turns, so that one asks and not all at once. Where nothing was promised before
 * this roll, the first few find out at once whether the same is true of all.
 */
function soonestChange({ state, env }: Pick<LeaseTurn, "state" | "env">, book: Book): Instant {
  const { self, promiseFor } = state.config;
  const before = (book.roll?.voters ?? []).filter(({ id }) => id < self && state.linked.has(id)).length;
  const early = isEarly({ state, env }, book) && !book.unclear && before < earlyMax && isClear(book, env.now);
  const settled = isSurplus(state, book) ? settleSurplusFor : settleFor;
  return book.since + (early ? settled : promiseFor) + Math.min(before, turnsMax) * turnFor;
}

/** Not by time alone: somebody may hold something by the roll before this one. */
const isEarly = ({ state, env }: Pick<LeaseTurn, "state" | "env">, { since }: Book): boolean =>
  env.now < since + state.config.promiseFor;

/** When the roll may be changed, for the wake-up. */
export function rollChangeAt(turn: Pick<LeaseTurn, "state" | "env">, book: Book): number {
  const { state } = turn;
  const { roll } = book;
  if (roll === undefined || !votesIn(state, roll) || state.holdings.has(rollName(book.electorate)))
    return never;
  if (book.accepted === undefined && proposalOf(state, book) === undefined) return never;
  return soonestChange(turn, book);
}

/** Paxos' second phase: what a voter accepted before comes first, our own wish only when there is none. */
function proposeRoll(turn: LeaseTurn, book: Book, holding: Holding, attempt: Attempt): void {
  const { state } = turn;
  const { roll, electorate } = book;
  if (roll === undefined || attempt.proposal !== undefined) return;
  const clear = attempt.clear.size === roll.voters.length;
  if (!clear && isEarly(turn, book)) return;
  const next = attempt.accepted?.next ?? proposalOf(state, book);
  if (next === undefined || next.number !== roll.number + 1) return giveUp(turn, book, holding);
  attempt.proposal = { next, by: new Set() };
  const { number } = roll;
  for (const { id } of roll.voters) {
    mailTo(turn, id, { type: "accept", electorate, number, ballot: holding.epoch, clear, next });
  }
}

export function acceptedBy(
  turn: LeaseTurn,
  peer: NodeId,
  { electorate, number, ballot, memory }: Extract<Message, { type: "accepted" }>,
): void {
  const { state, env } = turn;
  const book = bookOf(state, electorate, env.now);
  const holding = state.holdings.get(rollName(electorate));
  const { roll } = book;
  const proposal = holding?.attempt?.proposal;
  if (roll === undefined || holding === undefined || proposal === undefined) return;
  if (roll.number !== number || holding.epoch !== ballot || !isVoter(roll, peer, memory)) return;
  proposal.by.add(peer);
  if (proposal.by.size < votesNeeded(state, book, true, env.now)) return;
  state.holdings.delete(holding.name);
  adopt(turn, book, proposal.next);
  // Who does not vote is told as well: it would ask every voter that says that it goes by this roll.
  const { memory: own } = state;
  for (const id of new Set([...roll.voters.map((voter) => voter.id), ...matesOf(state, book)]))
    mailTo(turn, id, { type: "hello", electorate, memory: own, roll: proposal.next });
}

export function newHolding(name: string, electorate: string, nextAt: number): Holding {
  return {
    name,
    electorate,
    wanted: true,
    epoch: 0,
    epochStored: false,
    token: 0,
    until: Number.NEGATIVE_INFINITY,
    resuming: 0,
    seen: 0,
    attempt: undefined,
    nextAt,
    lacksVotes: false,
    failures: 0,
  };
}
