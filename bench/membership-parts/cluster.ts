import type { ChildProcess } from "node:child_process";
import type { NetHost, Topology } from "../../test/support/netns.ts";

/** A group of real agents of one kind, each in a network namespace, and what they say of each other. */
export type Cluster = {
  readonly topology: Topology;
  readonly members: readonly Member[];
  /** So long after its start it has nothing left to agree on. */
  readonly settledAfterMs: number;
  /** Kept up to date with what the agents log. */
  readonly beliefs: Beliefs;
  /** `kill -9`. */
  readonly kill: (member: Member) => void;
  readonly start: (member: Member) => Promise<void>;
  /** For each round: ms from the update on one member until the last has seen it. */
  readonly update: (rounds: number) => Promise<readonly number[]>;
  readonly remove: () => void;
};

export type Member = {
  readonly name: string;
  readonly host: NetHost;
  process: ChildProcess | undefined;
};

/** Who holds whom for lost, and since when, in ms since 1970. */
/** `dead` is a lost one whose process was seen to go; Serf has no such word. */
export type Belief = "alive" | "lost" | "dead";

export type Beliefs = {
  readonly told: (observer: string, subject: string, belief: Belief, at: number) => void;
  readonly look: () => void;
  /** Pairs of which the first holds the second for lost. */
  readonly lost: () => readonly { readonly observer: string; readonly subject: string }[];
  /** When each of the observers came to hold the subject so for the first time after `since`. */
  readonly heldSo: (subject: string, belief: Belief, since: number) => ReadonlyMap<string, number>;
  /** The last time that anybody changed its mind. */
  readonly lastChange: () => number;
  /** How often somebody was held for lost after `since`. */
  readonly losses: (since: number) => number;
};

type Held = {
  readonly observer: string;
  readonly subject: string;
  readonly belief: Belief;
  readonly at: number;
};

export function createBeliefs(refresh: () => void): Beliefs {
  const state = new Map<string, Held>();
  const history: Held[] = [];
  let last = 0;
  return {
    told: (observer, subject, belief, at) => {
      const key = `${observer} ${subject}`;
      if (observer === subject || (state.get(key)?.belief ?? "alive") === belief) return;
      const held = { observer, subject, belief, at };
      state.set(key, held);
      history.push(held);
      last = Math.max(last, at);
    },
    look: refresh,
    lost: () => [...state.values()].filter(({ belief }) => belief !== "alive"),
    heldSo: (subject, belief, since) =>
      new Map(
        history
          .filter((held) => held.subject === subject && held.belief === belief && held.at >= since)
          .reverse()
          .map(({ observer, at }) => [observer, at]),
      ),
    lastChange: () => last,
    losses: (since) => history.filter(({ belief, at }) => belief !== "alive" && at >= since).length,
  };
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Looks every 25 ms; false when it did not come true in time. */
export async function comesTrue(limitMs: number, look: () => boolean): Promise<boolean> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    if (look()) return true;
    if (Date.now() > deadline) return false;
    await sleep(25);
  }
}
