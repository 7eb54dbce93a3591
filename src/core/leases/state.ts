import type { Version } from "../kernel/hybrid-clock.ts";
import { below, type Random } from "../kernel/random.ts";
import { never, type Instant } from "../kernel/time.ts";
import type { NodeId } from "../records/record.ts";
import {
  numberMax,
  type Electorate,
  type LeaseConfig,
  type LeaseEffect,
  type LeaseEnv,
  type Roll,
  type Voter,
} from "./contract.ts";
import type { Accepted, Message } from "./frames.ts";

/** What a voter said of a name. The end is by the voter's own clock; after a restart it starts anew. */
export type Promised = {
  readonly epoch: number;
  readonly holder: Voter;
  /** The number of the roll under which the holder got it, under whatever epoch; 0 after a restart. */
  readonly number: number;
  until: Instant;
  /** On disk: only then may it be answered. */
  stored: boolean;
};

/** One electorate as this node knows it, and as this node votes in it. */
export type Book = {
  readonly electorate: string;
  roll: Roll | undefined;
  /** When we took up the roll, or started; nobody may replace it before `promiseFor` has passed since. */
  since: Instant;
  /** The roll is on our disk. A voter without that says nothing. */
  stored: boolean;
  /** A voter was heard to stand by promises from before this roll, or not heard: the next one has to wait. */
  unclear: boolean;
  /** Voters who were heard to go by the roll. */
  readonly confirmed: Set<NodeId>;
  /** When those of them that the disk does not know are written down. */
  noteAt: Instant;
  accepted: Accepted | undefined;
  readonly promises: Map<string, Promised>;
  /** At least the epoch of every promise that was forgotten to stay in bounds. */
  floor: number;
  /** The largest epoch that was ever promised. */
  highest: number;
  /** Whom we could not greet, because a roll was on its way to the disk. */
  readonly ungreeted: Set<NodeId>;
  /** The number of the roll that each linked peer said it goes by; 0: it never saw one. */
  readonly told: Map<NodeId, number>;
  /** Since when nobody on the roster votes here, as far as we know, and how many had gone by then. */
  vacant: { readonly since: Instant; readonly ended: number } | undefined;
};

/** A name that this node wants or holds. */
export type Holding = {
  readonly name: string;
  readonly electorate: string;
  wanted: boolean;
  /** The claim's epoch: on our disk before anybody is asked. */
  epoch: number;
  epochStored: boolean;
  /** The epoch it was acquired under, which the workload knows; 0 while it is not held. */
  token: number;
  until: Instant;
  /** The token of a workload that still runs from before a restart: only the old claim will do. */
  resuming: number;
  /** The highest epoch that any voter spoke of. */
  seen: number;
  attempt: Attempt | undefined;
  nextAt: Instant;
  /** Too few voters are in reach, or the roll is not known: only news can change that. */
  lacksVotes: boolean;
  failures: number;
};

export type Attempt = {
  readonly round: number;
  readonly number: number;
  readonly sentAt: Instant;
  readonly granted: Set<NodeId>;
  readonly refused: Set<NodeId>;
  /** Voters that stand by no promise from before this roll. */
  readonly clear: Set<NodeId>;
  /** Soonest moment at which a refusing voter's promise to another ends, as far as told. */
  waitMs: number;
  /** For a change of the roll: what voters had accepted before, and who accepts it now. */
  accepted: Accepted | undefined;
  proposal: { readonly next: Roll; readonly by: Set<NodeId> } | undefined;
};

export type LeaseState = {
  readonly config: LeaseConfig;
  memory: string;
  memoryStored: boolean;
  /** Our disk was never lost: only such a node may write a first roll. */
  original: boolean;
  bootAt: Instant;
  electorates: ReadonlyMap<string, Electorate>;
  members: ReadonlySet<NodeId>;
  readonly books: Map<string, Book>;
  readonly holdings: Map<string, Holding>;
  /** What we claimed last under each name, as our disk knows it: told apart after a restart. */
  readonly claims: Map<string, { readonly epoch: number; readonly token: number }>;
  readonly linked: Set<NodeId>;
  /** The memory that each peer has now, as it said on a link. */
  readonly memories: Map<NodeId, string>;
  rounds: number;
  tickets: number;
  /** What to do once a ticket is on disk. */
  readonly storing: Map<number, { readonly done: (turn: LeaseTurn) => void; readonly failed: () => void }>;
  storeAgainAt: Instant;
};

export type LeaseTurn = {
  readonly state: LeaseState;
  readonly env: LeaseEnv;
  readonly out: LeaseEffect[];
  /** Messages of this turn by receiver; those to ourselves are handled before the turn ends. */
  readonly mail: Map<NodeId, Message[]>;
};

export function newLeaseState(config: LeaseConfig): LeaseState {
  return {
    config,
    memory: "",
    memoryStored: false,
    original: false,
    bootAt: 0,
    electorates: new Map(),
    members: new Set(),
    books: new Map(),
    holdings: new Map(),
    claims: new Map(),
    linked: new Set(),
    memories: new Map(),
    rounds: 0,
    tickets: 0,
    storing: new Map(),
    storeAgainAt: never,
  };
}

export function bookOf(state: LeaseState, electorate: string, now: Instant): Book {
  let book = state.books.get(electorate);
  if (book === undefined) {
    book = {
      electorate,
      roll: undefined,
      since: now,
      stored: true,
      unclear: false,
      confirmed: new Set(),
      noteAt: never,
      accepted: undefined,
      promises: new Map(),
      floor: 0,
      highest: 0,
      ungreeted: new Set(),
      told: new Map(),
      vacant: undefined,
    };
    state.books.set(electorate, book);
  }
  return book;
}

export const sameVoter = (left: Voter, right: Voter): boolean =>
  left.id === right.id && left.memory === right.memory;

export const majorityOf = (roll: Roll): number => Math.floor(roll.voters.length / 2) + 1;

/** Whether we vote by this roll, with the memory that we have now. */
export const votesIn = (state: LeaseState, roll: Roll): boolean =>
  state.memoryStored &&
  roll.voters.some((voter) => sameVoter(voter, { id: state.config.self, memory: state.memory }));

const epochsPerRoll = 2 ** 14;

/**
 * Every epoch claimed under a roll is larger than this, and so than every epoch claimed under the rolls
 * before: new voters need not know the old ones.
 */
export const epochBase = (number: number): number => number * epochsPerRoll;

export const epochMax = (number: number): number => (number + 1) * epochsPerRoll - 1;

/** Most epochs of the roll are used up: the same voters go on under the next number. */
export const isWorn = ({ number }: Roll, highest: number): boolean =>
  highest > epochBase(number) + 0.75 * epochsPerRoll;

const spread = 2 ** 8;

/**
 * The number of a first roll. Its epochs begin where the stamps of the founder's hybrid clock are, so they lie
 * above those of every founding that the founder can know of; stamps grow by 2^14 in 4 ms, and a roll changes
 * once in `promiseFor` at most, so no older founding catches up. Up to a second of that is drawn, because two
 * founders whose clocks are behind the same stamp would begin at the same number.
 */
export const firstNumber = (stamp: Version, random: Random): number =>
  Math.min(numberMax, Math.floor(stamp / epochsPerRoll) + 1 + below(random, spread));

/** Who has seen this stamp founds no electorate with epochs as low as this roll's. */
export const stampOf = ({ number }: Roll): Version => epochMax(number);

/** The name whose holder may change the roll of an electorate. No workload's name begins so. */
export const rollName = (electorate: string): string => `~roll/${electorate}`;

export function mailTo(turn: LeaseTurn, peer: NodeId, message: Message): void {
  const { state, mail } = turn;
  if (peer !== state.config.self && !state.linked.has(peer)) return;
  const box = mail.get(peer) ?? [];
  mail.set(peer, box);
  box.push(message);
}

/** Writes rows and goes on when they are on disk. */
export function store(
  turn: LeaseTurn,
  puts: readonly { readonly slot: string; readonly bytes: Uint8Array }[],
  done: (turn: LeaseTurn) => void,
  failed: () => void = () => {},
): void {
  const ticket = ++turn.state.tickets;
  turn.state.storing.set(ticket, { done, failed });
  turn.out.push({ type: "persist", ticket, puts });
}
