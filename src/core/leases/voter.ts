import { namesMax, numberMax } from "./contract.ts";
import type { Instant } from "../kernel/time.ts";
import type { NodeId } from "../records/record.ts";
import type { Message, Vote } from "./frames.ts";
import { encodeRow } from "./rows.ts";
import {
  bookOf,
  epochBase,
  epochMax,
  mailTo,
  rollName,
  sameVoter,
  store,
  votesIn,
  type Book,
  type LeaseTurn,
  type Promised,
} from "./state.ts";
import { sayHello, storeBook } from "./rolls.ts";

/**
 * A voter's side. It promises a name to one holder at a time, keeps its word for `promiseFor` by its own
 * clock, and writes a new promise to disk before it says it. A renewed promise costs no write: after a
 * restart every promise on disk counts as just made.
 */

type Ask = Extract<Message, { type: "ask" }>;

export function asked(turn: LeaseTurn, peer: NodeId, message: Ask): void {
  const { state, env } = turn;
  const book = bookOf(state, message.electorate, env.now);
  const { roll } = book;
  if (roll === undefined || roll.number !== message.number) return sayHello(turn, book, peer);
  if (!book.stored || !votesIn(state, roll) || !state.members.has(peer)) return;
  const votes: Vote[] = [];
  const later: { readonly vote: Vote; readonly promised: Promised }[] = [];
  for (const claim of message.claims) {
    const vote = voteOn(turn, book, peer, message.memory, claim.name, claim.epoch);
    const promised = book.promises.get(claim.name);
    if (vote.granted && promised?.stored === false) later.push({ vote, promised });
    else votes.push(vote);
  }
  if (votes.length > 0) answer(turn, book, peer, message, votes);
  if (later.length === 0) return;
  const rows = later.map(({ vote, promised: { epoch, holder } }) =>
    encodeRow({ type: "promise", electorate: book.electorate, name: vote.name, epoch, holder }),
  );
  store(turn, rows, (stored) => {
    for (const { promised } of later) promised.stored = true;
    const standing = later.filter(({ vote, promised }) => book.promises.get(vote.name) === promised);
    if (book.roll?.number !== message.number || standing.length === 0) return;
    answer(
      stored,
      book,
      peer,
      message,
      standing.map(({ vote }) => vote),
    );
  });
}

function voteOn(
  { state, env }: LeaseTurn,
  book: Book,
  peer: NodeId,
  memory: string,
  name: string,
  epoch: number,
): Vote {
  const held = book.promises.get(name);
  const holder = { id: peer, memory };
  const base = book.roll === undefined ? 0 : epochBase(book.roll.number);
  const highest = Math.max(held?.epoch ?? 0, book.floor, base);
  const ours = held !== undefined && sameVoter(held.holder, holder);
  if (held !== undefined && !ours && env.now < held.until) {
    return { name, epoch: highest, granted: false, waitMs: held.until - env.now };
  }
  // What was promised by the votes of another founding is not renewed by this one's.
  const again = ours && held.epoch === epoch && epoch > epochBase(book.roll?.founding ?? 0);
  const inRange = book.roll !== undefined && epoch <= epochMax(book.roll.number);
  if (!again && (epoch <= highest || !inRange)) return { name, epoch: highest, granted: false, waitMs: 0 };
  if (!again && !makeRoom(book, env.now)) return { name, epoch: highest, granted: false, waitMs: 60_000 };
  const until = env.now + state.config.promiseFor;
  // What it holds under an earlier roll it may go on holding under that one for as long.
  const stands = ours && env.now < held.until;
  const number = stands ? held.number : (book.roll?.number ?? 0);
  if (again) held.until = until;
  else book.promises.set(name, { epoch, holder, number, until, stored: false });
  book.highest = Math.max(book.highest, epoch);
  return { name, epoch, granted: true, waitMs: 0 };
}

/** Forgets the lowest promise that has run out, and remembers that nothing up to it may come again. */
function makeRoom(book: Book, now: number): boolean {
  if (book.promises.size < namesMax) return true;
  let lowest: { readonly name: string; readonly epoch: number } | undefined;
  for (const [name, { epoch, until, stored }] of book.promises) {
    if (until > now || !stored || (lowest !== undefined && lowest.epoch <= epoch)) continue;
    lowest = { name, epoch };
  }
  if (lowest === undefined) return false;
  book.promises.delete(lowest.name);
  book.floor = Math.max(book.floor, lowest.epoch);
  return true;
}

function answer(turn: LeaseTurn, book: Book, peer: NodeId, message: Ask, votes: readonly Vote[]): void {
  const onRoll = votes.some(({ name, granted }) => granted && name === rollName(book.electorate));
  mailTo(turn, peer, {
    type: "answer",
    electorate: book.electorate,
    number: message.number,
    round: message.round,
    memory: turn.state.memory,
    votes,
    clear: isClear(book, turn.env.now),
    ...(onRoll ? { accepted: book.accepted } : {}),
  });
}

/** Whether nothing can be held, as far as our promises go, by a roll before the one that we go by. */
export function isClear({ electorate, promises, roll }: Book, now: Instant): boolean {
  if (roll === undefined) return false;
  for (const [name, { number, until }] of promises)
    if (number < roll.number && now < until && name !== rollName(electorate)) return false;
  return true;
}

/** The holder says that nothing runs under its claim: it no longer keeps others away. */
export function released(
  { state, env }: LeaseTurn,
  peer: NodeId,
  { electorate, claims }: Extract<Message, { type: "release" }>,
): void {
  const book = bookOf(state, electorate, env.now);
  for (const { name, epoch } of claims) {
    const held = book.promises.get(name);
    if (held !== undefined && held.holder.id === peer && held.epoch === epoch) held.until = env.now;
  }
}

/**
 * Takes a next roll. The one we go by must have stood for `promiseFor`, or all its voters must have said that
 * they stand by no promise from before: then nobody can hold anything by the one before it.
 */
export function acceptAsked(
  turn: LeaseTurn,
  peer: NodeId,
  { electorate, number, ballot, clear, next }: Extract<Message, { type: "accept" }>,
): void {
  const { state, env } = turn;
  const book = bookOf(state, electorate, env.now);
  const { roll } = book;
  if (roll === undefined || !book.stored || !votesIn(state, roll)) return;
  if (
    roll.number !== number ||
    next.number !== number + 1 ||
    next.founding !== roll.founding ||
    next.number > numberMax ||
    next.voters.length === 0
  )
    return;
  if (!clear && env.now - book.since < state.config.promiseFor) return;
  const promised = book.promises.get(rollName(electorate));
  if (promised === undefined || !promised.stored) return;
  if (promised.epoch !== ballot || promised.holder.id !== peer) return;
  book.accepted = { ballot, next };
  storeBook(turn, book, (stored) => {
    if (book.roll?.number !== number) return;
    mailTo(stored, peer, { type: "accepted", electorate, number, ballot, memory: state.memory });
  });
}
