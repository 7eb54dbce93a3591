import { carryOut, type Handlers } from "../kernel/effects.ts";
import { asleep, earliest, type Wake } from "../kernel/time.ts";
import type { NodeId } from "../records/record.ts";
import type { LeaseConfig, LeaseEnv, LeaseEvent, Leases } from "./contract.ts";
import { decodeMessages, encodeMessages, type Message } from "./frames.ts";
import {
  acceptedBy,
  answered,
  lapseOfTime,
  letGo,
  lookAgain,
  newHolding,
  rollChangeAt,
  tendHoldings,
} from "./holder.ts";
import {
  concerns,
  found,
  foundingAt,
  goesBy,
  helloHeard,
  matesOf,
  noteConfirmed,
  sayHello,
  storeRoll,
} from "./rolls.ts";
import { decodeRow, encodeRow, type Row } from "./rows.ts";
import { bookOf, newLeaseState, rollName, store, type LeaseState, type LeaseTurn } from "./state.ts";
import { acceptAsked, asked, released } from "./voter.ts";

/** Leases on names: this node as a voter on everybody's claims, and as a holder of its own. */
export function createLeases(config: LeaseConfig): Leases {
  const state = newLeaseState(config);
  let wake: Wake = asleep;
  return {
    handle: (event, env) => {
      const turn: LeaseTurn = { state, env, out: [], mail: new Map() };
      lapseOfTime(turn);
      carryOut(handlers(turn), event);
      if (event.type !== "wake") lookAgain(turn);
      tendHoldings(turn);
      deliverOwnMail(turn);
      for (const peer of [...turn.mail.keys()].sort()) {
        turn.out.push({ type: "send", peer, bytes: encodeMessages(turn.mail.get(peer) ?? []) });
      }
      wake = wakeOf(state, env);
      return turn.out;
    },
    wake: () => wake,
    roll: (electorate) => state.books.get(electorate)?.roll,
    holding: () => {
      const held = [...state.holdings.values()].filter(({ token }) => token > 0);
      return new Map(held.map(({ name, token, until }) => [name, { epoch: token, until }]));
    },
  };
}

function handlers(turn: LeaseTurn): Handlers<LeaseEvent> {
  const { state } = turn;
  return {
    restored: (event) => restore(turn, event),
    electorates: ({ electorates, members }) => {
      state.electorates = new Map(electorates.map((electorate) => [electorate.name, electorate]));
      state.members = members;
      for (const { name } of electorates) {
        const book = bookOf(state, name, turn.env.now);
        for (const peer of matesOf(state, book)) if (!state.memories.has(peer)) sayHello(turn, book, peer);
        found(turn, book);
      }
    },
    "peer-up": ({ peer }) => {
      state.linked.add(peer);
      for (const book of sorted(state.books.values())) {
        if (concerns(state, book, peer)) sayHello(turn, book, peer);
      }
    },
    "peer-down": ({ peer }) => {
      state.linked.delete(peer);
      for (const book of state.books.values()) book.told.delete(peer);
    },
    frame: ({ peer, bytes }) => {
      const messages = decodeMessages(bytes);
      if (!messages.ok) return void turn.out.push({ type: "protocol-error", peer, detail: messages.error });
      for (const message of messages.value) heard(turn, peer, message);
    },
    wanted: ({ names }) => {
      const wanted = new Set(names.map(({ name }) => name));
      for (const holding of state.holdings.values()) {
        const internal = holding.name === rollName(holding.electorate);
        if (internal || wanted.has(holding.name)) continue;
        // What we hold is kept until it is released: something may still run under it.
        if (holding.token === 0 && holding.wanted) {
          if (holding.attempt !== undefined)
            letGo(turn, bookOf(state, holding.electorate, turn.env.now), holding);
          holding.wanted = false;
        }
      }
      for (const { name, electorate, epoch } of names) {
        const known = state.holdings.get(name);
        if (known !== undefined) {
          known.wanted = true;
          continue;
        }
        const holding = newHolding(name, electorate, turn.env.now);
        state.holdings.set(name, holding);
        const claim = state.claims.get(name);
        holding.seen = claim?.epoch ?? 0;
        if (epoch === 0) continue;
        if (claim?.token !== epoch) turn.out.push({ type: "lost", name, epoch });
        else {
          holding.resuming = epoch;
          holding.epoch = claim.epoch;
          holding.epochStored = true;
        }
      }
    },
    release: ({ name }) => {
      const holding = state.holdings.get(name);
      if (holding === undefined) return;
      letGo(turn, bookOf(state, holding.electorate, turn.env.now), holding);
      state.claims.set(name, { epoch: holding.epoch, token: 0 });
      state.holdings.delete(name);
    },
    stored: ({ ticket }) => {
      const then = state.storing.get(ticket);
      state.storing.delete(ticket);
      then?.done(turn);
    },
    "store-failed": ({ ticket }) => {
      const then = state.storing.get(ticket);
      state.storing.delete(ticket);
      then?.failed();
    },
    wake: () => {
      storeAgainIfDue(turn);
      for (const book of sorted(state.books.values())) noteConfirmed(turn, book);
      for (const book of sorted(state.books.values())) found(turn, book);
    },
  };
}

/** What the disk holds. Every promise on it counts as just made: how old it is, nobody knows any more. */
function restore(turn: LeaseTurn, event: Extract<LeaseEvent, { type: "restored" }>): void {
  const { state, env } = turn;
  state.bootAt = env.now;
  for (const bytes of event.rows) {
    const row = decodeRow(bytes);
    if (row !== undefined) restoreRow(state, row, env);
  }
  if (state.memory !== "") return;
  state.memory = event.memory;
  state.original = event.firstLife;
  storeMemory(turn);
}

function restoreRow(state: LeaseState, row: Row, { now }: LeaseEnv): void {
  switch (row.type) {
    case "memory":
      state.memory = row.memory;
      state.original = row.original;
      state.memoryStored = true;
      break;
    case "roll": {
      const book = bookOf(state, row.electorate, now);
      book.roll = row.roll;
      for (const id of row.confirmed) book.confirmed.add(id);
      book.floor = row.floor;
      book.highest = Math.max(book.highest, row.floor);
      book.accepted = row.accepted;
      break;
    }
    case "promise": {
      const book = bookOf(state, row.electorate, now);
      const until = now + state.config.promiseFor;
      book.promises.set(row.name, { epoch: row.epoch, holder: row.holder, number: 0, until, stored: true });
      book.highest = Math.max(book.highest, row.epoch);
      break;
    }
    case "claim":
      state.claims.set(row.name, { epoch: row.epoch, token: row.token });
      break;
  }
}

function storeMemory(turn: LeaseTurn): void {
  const { state } = turn;
  const row = encodeRow({ type: "memory", memory: state.memory, original: state.original });
  store(
    turn,
    [row],
    (stored) => {
      state.memoryStored = true;
      for (const book of sorted(state.books.values())) {
        for (const peer of matesOf(state, book)) sayHello(stored, book, peer);
        found(stored, book);
      }
    },
    () => {
      state.storeAgainAt = turn.env.now + 2_000;
    },
  );
}

/** What a full disk refused is written again: until then this node is a voter that says nothing. */
function storeAgainIfDue(turn: LeaseTurn): void {
  const { state, env } = turn;
  if (env.now < state.storeAgainAt) return;
  state.storeAgainAt = Number.POSITIVE_INFINITY;
  if (!state.memoryStored) storeMemory(turn);
  for (const book of sorted(state.books.values())) {
    if (!book.stored) storeRoll(turn, book);
  }
}

function heard(turn: LeaseTurn, peer: NodeId, message: Message): void {
  switch (message.type) {
    case "hello":
      return helloHeard(turn, peer, message);
    case "goes-by":
      return goesBy(turn, peer, message);
    case "ask":
      return asked(turn, peer, message);
    case "answer":
      return answered(turn, peer, message);
    case "release":
      return released(turn, peer, message);
    case "accept":
      return acceptAsked(turn, peer, message);
    case "accepted":
      return acceptedBy(turn, peer, message);
  }
}

/** We are a voter on our own claims like any other. */
function deliverOwnMail(turn: LeaseTurn): void {
  const { self } = turn.state.config;
  for (let own = turn.mail.get(self); own !== undefined; own = turn.mail.get(self)) {
    turn.mail.delete(self);
    for (const message of own) heard(turn, self, message);
  }
}

const sorted = <T extends { readonly electorate: string }>(items: Iterable<T>): T[] =>
  [...items].sort((left, right) => (left.electorate < right.electorate ? -1 : 1));

function wakeOf(state: LeaseState, env: LeaseEnv): Wake {
  let wake = asleep;
  for (const holding of state.holdings.values()) {
    const at = holding.token > 0 ? Math.min(holding.nextAt, holding.until) : holding.nextAt;
    wake = earliest(wake, { at, why: `the lease on ${holding.name}` });
  }
  for (const book of state.books.values()) {
    wake = earliest(wake, { at: rollChangeAt({ state, env }, book), why: `the roll of ${book.electorate}` });
    wake = earliest(wake, { at: book.noteAt, why: `who goes by the roll of ${book.electorate}` });
    wake = earliest(wake, {
      at: foundingAt(state, book, env.now),
      why: `the first roll of ${book.electorate}`,
    });
  }
  return earliest(wake, { at: state.storeAgainAt, why: "leases that the disk refused" });
}
