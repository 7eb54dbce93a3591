import type { NodeId } from "../records/record.ts";
import { never, type Duration } from "../kernel/time.ts";
import { numberMax, votersMax, type Electorate, type Roll, type Voter } from "./contract.ts";
import type { Message } from "./frames.ts";
import { endAllOf } from "./lapse.ts";
import { encodeRow } from "./rows.ts";
import {
  bookOf,
  firstNumber,
  isWorn,
  mailTo,
  majorityOf,
  sameVoter,
  stampOf,
  store,
  votesIn,
  type Book,
  type LeaseState,
  type LeaseTurn,
} from "./state.ts";

/**
 * The roll that majorities are counted on follows the signed roster, but is not the roster: that one
 * spreads record by record, and two nodes that count on different versions of it could both find a
 * majority. A roll changes by one voter at a time, by agreement of the roll before it. docs/decisions/0023.
 */

const storeAgainEvery = 2_000;
/** Who was heard to go by a roll is written down together, so long after the first. */
const noteAfter = 1_000;

export function sayHello(turn: LeaseTurn, book: Book, peer: NodeId): void {
  const { memory, memoryStored, config } = turn.state;
  const { electorate, roll, stored, ungreeted } = book;
  if (!memoryStored || peer === config.self) return;
  if (!stored) return void ungreeted.add(peer);
  mailTo(turn, peer, { type: "hello", electorate, memory, ...(roll === undefined ? {} : { roll }) });
}

/**
 * Whoever told us of a roll tells others of it as well: most have it, and want to hear that we have it, too. Nobody
 * waits to hear that of who does not vote by it.
 */
function sayGoesBy(turn: LeaseTurn, book: Book): void {
  const { roll, electorate } = book;
  const { memory } = turn.state;
  if (roll === undefined || !votesIn(turn.state, roll)) return;
  const { founding, number } = roll;
  for (const peer of matesOf(turn.state, book))
    mailTo(turn, peer, { type: "goes-by", electorate, memory, founding, number });
}

export function goesBy(
  turn: LeaseTurn,
  peer: NodeId,
  { electorate, memory, founding, number }: Extract<Message, { type: "goes-by" }>,
): void {
  const { state, env } = turn;
  const book = bookOf(state, electorate, env.now);
  state.memories.set(peer, memory);
  if (!state.members.has(peer)) return;
  book.told.set(peer, number);
  if (book.roll?.number === number && book.roll.founding === founding) confirmed(turn, book, peer);
  else sayHello(turn, book, peer);
}

/** Everybody linked whom the electorate concerns, sorted. */
export const matesOf = (state: LeaseState, book: Book): readonly NodeId[] =>
  [...state.linked].sort().filter((peer) => concerns(state, book, peer));

export function concerns(state: LeaseState, book: Book, node: NodeId): boolean {
  const members = state.electorates.get(book.electorate)?.members ?? [];
  return members.includes(node) || book.roll?.voters.some(({ id }) => id === node) === true;
}

export function helloHeard(
  turn: LeaseTurn,
  peer: NodeId,
  { electorate, memory, roll }: Extract<Message, { type: "hello" }>,
): void {
  const { state, env } = turn;
  const book = bookOf(state, electorate, env.now);
  state.memories.set(peer, memory);
  if (!state.members.has(peer)) return;
  book.told.set(peer, roll?.number ?? 0);
  if (roll === undefined) {
    if (book.roll !== undefined) sayHello(turn, book, peer);
  } else if (stampOf(roll) <= env.latest) {
    const order = book.roll === undefined ? 1 : compareRolls(roll, book.roll);
    if (order > 0) adopt(turn, book, roll);
    else if (order < 0) sayHello(turn, book, peer);
    else confirmed(turn, book, peer);
  }
  found(turn, book);
}

/**
 * Which of two rolls stands: the later one, be it of another founding. Two foundings within the same 4 ms, in
 * islands that had not met, are told apart by who votes.
 */
function compareRolls(left: Roll, right: Roll): number {
  const [one, other] = [left, right].map(({ voters }) =>
    voters.map(({ id, memory }) => `${id}/${memory}`).join(" "),
  ) as [string, string];
  return left.number - right.number || (one === other ? 0 : one < other ? -1 : 1);
}

/**
 * Takes up a later roll: from now on nothing is promised by the old one. When it comes from another founding,
 * what we hold ends at once, for the two never agreed on who holds what.
 */
export function adopt(turn: LeaseTurn, book: Book, roll: Roll): void {
  if (book.roll !== undefined && compareRolls(roll, book.roll) <= 0) return;
  const { roll: known } = book;
  const isForeign = known?.founding !== roll.founding || known.number === roll.number;
  if (known !== undefined && isForeign) endAllOf(turn, book.electorate);
  book.roll = roll;
  book.vacant = undefined;
  book.since = turn.env.now;
  book.unclear = false;
  book.confirmed.clear();
  book.accepted = undefined;
  turn.out.push({ type: "roll-changed", electorate: book.electorate, roll });
  storeRoll(turn, book);
}

/** Once the roll that we take up is on disk, others hear of it. */
export function storeRoll(turn: LeaseTurn, book: Book): void {
  storeBook(turn, book, (stored) => {
    sayGoesBy(stored, book);
    // Those whom we have it from said so before it was ours.
    for (const [peer, number] of book.told) if (number === book.roll?.number) confirmed(stored, book, peer);
  });
}

export function storeBook(turn: LeaseTurn, book: Book, done: (turn: LeaseTurn) => void): void {
  const { roll, accepted } = book;
  book.stored = false;
  book.noteAt = never;
  store(
    turn,
    [rowOf(book)],
    (stored) => {
      // A later change of the book is on its way to the disk as well.
      if (book.roll !== roll || book.accepted !== accepted) return;
      book.stored = true;
      const { ungreeted } = book;
      for (const peer of matesOf(stored.state, book)) if (ungreeted.has(peer)) sayHello(stored, book, peer);
      ungreeted.clear();
      done(stored);
    },
    () => {
      turn.state.storeAgainAt = Math.min(turn.state.storeAgainAt, turn.env.now + storeAgainEvery);
    },
  );
}

function rowOf({ electorate, roll, confirmed, floor, accepted }: Book): { slot: string; bytes: Uint8Array } {
  return encodeRow({ type: "roll", electorate, roll, confirmed: [...confirmed].sort(), floor, accepted });
}

/**
 * Notes who goes by the roll, where we vote: nobody else decides by that. It is on disk there, so it stands for ever; and soon here, for whoever said it may be
 * gone when this agent starts again. What was not written, or refused by a full disk, is heard again from who is
 * still there.
 */
export function confirmed(turn: LeaseTurn, book: Book, peer: NodeId): void {
  const { state } = turn;
  const { roll } = book;
  if (roll === undefined || book.confirmed.has(peer) || !votesIn(state, roll)) return;
  const voter = roll.voters.find(({ id }) => id === peer);
  if (voter === undefined || memoryOf(state, peer) !== voter.memory) return;
  const wasSettled = isSettled(state, book);
  book.confirmed.add(peer);
  if (!wasSettled && isSettled(state, book)) book.since = turn.env.now;
  book.noteAt = Math.min(book.noteAt, turn.env.now + noteAfter);
}

export function noteConfirmed(turn: LeaseTurn, book: Book): void {
  if (turn.env.now < book.noteAt) return;
  book.noteAt = never;
  store(turn, [rowOf(book)], () => {});
}

/**
 * Once every voter was heard to go by the roll, nobody acts by an older one any more; before a first one there
 * is none.
 */
const isSettled = ({ config }: LeaseState, { roll, confirmed: heard }: Book): boolean =>
  roll !== undefined &&
  (roll.number === roll.founding || roll.voters.every(({ id }) => id === config.self || heard.has(id)));

/**
 * The first roll of an electorate. It is written by one node, the founder, once, with every member that
 * the roster names having said that it never saw one, and never by a node that lost its disk. Where all who
 * voted have left or were revoked, or may have, it is written anew: after `promiseFor`, when whoever
 * knows that it has gone holds nothing any more, and with a number larger than theirs.
 */
export function found(turn: LeaseTurn, book: Book): void {
  const { state, env } = turn;
  const electorate = state.electorates.get(book.electorate);
  if (electorate === undefined || !isVacant(state, book)) return void (book.vacant = undefined);
  if (book.vacant === undefined || book.vacant.ended !== electorate.ended)
    book.vacant = { since: env.now, ended: electorate.ended };
  if (electorate.founder !== state.config.self || !state.original || !state.memoryStored) return;
  if (env.now < book.vacant.since + vacantFor(state, electorate)) return;
  const ours = book.roll?.number ?? 0;
  const { self } = state.config;
  const others = electorate.members.filter((id) => id !== self);
  const agrees = (id: NodeId): boolean =>
    state.linked.has(id) && state.memories.has(id) && (book.told.get(id) ?? numberMax) <= ours;
  if (!others.every(agrees)) return;
  const voters = [self, ...electorate.voters.filter((id) => id !== self)]
    .slice(0, votersMax)
    .sort()
    .map((id): Voter => ({ id, memory: memoryOf(state, id) ?? "" }));
  const founding = firstNumber(env.stamp, env.random);
  adopt(turn, book, { founding, number: founding, voters });
}

/** No roll, as far as we know, or one whose voters are no members any more. */
const isVacant = ({ members }: LeaseState, { roll }: Book): boolean =>
  roll === undefined || !roll.voters.some(({ id }) => members.has(id));

/** Where nobody has ever gone nothing can have been held before. */
const vacantFor = ({ config }: LeaseState, { ended, listenFor }: Electorate): Duration =>
  Math.max(listenFor, ended === 0 ? 0 : config.promiseFor);

/** When a founder's waiting ends, for the wake-up. */
export function foundingAt(state: LeaseState, book: Book, now: number): number {
  const electorate = state.electorates.get(book.electorate);
  if (electorate?.founder !== state.config.self || book.vacant === undefined) return never;
  const at = book.vacant.since + vacantFor(state, electorate);
  return at > now ? at : never;
}

/** The next roll that we would propose, one voter away from this one; undefined when it is as it ought to be. */
export function proposalOf(state: LeaseState, book: Book): Roll | undefined {
  const { roll } = book;
  const electorate = state.electorates.get(book.electorate);
  if (roll === undefined || electorate === undefined) return undefined;
  const { founding } = roll;
  const number = roll.number + 1;
  const leaving =
    roll.voters.find((voter) => isLeaving(state, electorate, voter)) ??
    roll.voters.find(({ id }) => !electorate.voters.includes(id));
  if (leaving !== undefined && roll.voters.length > 1) {
    return { founding, number, voters: roll.voters.filter((voter) => voter !== leaving) };
  }
  const hasRoom = roll.voters.length < votersMax;
  const coming = electorate.voters.find((id) => {
    const reachable = id === state.config.self || state.linked.has(id);
    return (
      hasRoom &&
      reachable &&
      memoryOf(state, id) !== undefined &&
      !roll.voters.some((voter) => voter.id === id)
    );
  });
  if (coming === undefined) return isWorn(roll, book.highest) ? { ...roll, number } : undefined;
  const voters = [...roll.voters, { id: coming, memory: memoryOf(state, coming) ?? "" }];
  return { founding, number, voters: voters.sort((left, right) => (left.id < right.id ? -1 : 1)) };
}

/** Whether the next roll would only be shorter: one that it leaves out could vote as well as before. */
export function isSurplus(state: LeaseState, book: Book): boolean {
  const electorate = state.electorates.get(book.electorate);
  const voters = book.roll?.voters ?? [];
  return (
    book.accepted === undefined &&
    electorate !== undefined &&
    voters.some(({ id }) => !electorate.voters.includes(id)) &&
    !voters.some((voter) => isLeaving(state, electorate, voter))
  );
}

/** No longer on the roster, or back with another memory: this vote cannot be had any more. */
function isLeaving(state: LeaseState, { members }: Electorate, { id, memory }: Voter): boolean {
  return !members.includes(id) || (memoryOf(state, id) ?? memory) !== memory;
}

/**
 * How many voters a claim needs. Of an even number of voters of whom one has left for good or lost its memory,
 * half of them decide to go on without it, of two the last one: the other half is no majority. All must have gone
 * by this roll before, for then nobody can act by an older one.
 */
export function votesNeeded(state: LeaseState, book: Book, onRoll: boolean, now: number): number {
  const { roll } = book;
  if (roll === undefined) return Number.POSITIVE_INFINITY;
  const majority = majorityOf(roll);
  const electorate = state.electorates.get(book.electorate);
  if (!onRoll || roll.voters.length % 2 === 1 || electorate === undefined || !votesIn(state, roll))
    return majority;
  if (!roll.voters.some((voter) => isLeaving(state, electorate, voter))) return majority;
  const isOver = isSettled(state, book) && now - book.since >= state.config.promiseFor;
  return isOver ? roll.voters.length / 2 : majority;
}

export function memoryOf(state: LeaseState, node: NodeId): string | undefined {
  return node === state.config.self ? state.memory : state.memories.get(node);
}

export const isVoter = (roll: Roll, id: NodeId, memory: string): boolean =>
  roll.voters.some((voter) => sameVoter(voter, { id, memory }));
