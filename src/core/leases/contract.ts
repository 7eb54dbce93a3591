import type { Version } from "../kernel/hybrid-clock.ts";
import type { Duration, Instant, Wake } from "../kernel/time.ts";
import type { Random } from "../kernel/random.ts";
import type { NodeId } from "../records/record.ts";

/**
 * Exclusive ownership of names. A name is held by at most one node at a time, because holding it takes the
 * promises of a majority of a fixed list of voters. See docs/exclusive.md for what that rests on and
 * docs/decisions/0023 for why the list may change while leases stand.
 */

/**
 * A voter's memory: the node, and the disk its promises are on. A node that lost its disk comes back as
 * another voter, so a promise can be forgotten but never broken.
 */
export type Voter = { readonly id: NodeId; readonly memory: string };

/**
 * The list that majorities are counted on. Its number grows by one with every change. `founding` is the number
 * of the first roll that it came from: of two foundings of one electorate the larger one stands.
 */
export type Roll = {
  readonly founding: number;
  readonly number: number;
  readonly voters: readonly Voter[];
};

/** What the signed roster says of those who vote on the names of one site, or of the mesh. */
export type Electorate = {
  /** `site/oslo` or `mesh`. */
  readonly name: string;
  /** Members that may hold something here, sorted: the site's, and its witnesses. */
  readonly members: readonly NodeId[];
  /** Those of them that ought to vote, sorted. Each is linked with all members. */
  readonly voters: readonly NodeId[];
  /** Who may write the first roll: the first member of the site that did not leave. */
  readonly founder: NodeId | undefined;
  /** How many memberships are known to have ended, whoever's: any of them may have held something here. */
  readonly ended: number;
  /** How long a founder listens first, because there may be members and voters that it was not told of. */
  readonly listenFor: Duration;
};

export type Wanted = {
  readonly name: string;
  readonly electorate: string;
  /** What we held it under before a restart of the agent, with the workload still running: 0 for a new start. */
  readonly epoch: number;
};

export type LeaseConfig = {
  readonly self: NodeId;
  /** How long a holder may go on after it asked for what it was granted. */
  readonly leaseFor: Duration;
  /** How long a voter stands by its promise after it was asked: longer than `leaseFor` by all drift. */
  readonly promiseFor: Duration;
};

/**
 * How long a voter stands by a promise. Clocks may run off by 5 % either way, which takes up 10.5 % of it;
 * the rest is for ending what runs.
 */
export const promiseFor = (leaseFor: Duration): Duration => leaseFor * 1.5;

/** Bounds of what is remembered and of what a frame may hold. */
export const votersMax = 64;
export const namesMax = 10_000;
export const nameLengthMax = 1_024;
/** Numbers of rolls up to here keep epochs exact. */
export const numberMax = 2 ** 39 - 1;

export type LeaseEvent =
  /**
   * The first event. `memory` is a fresh random name for our disk, used when the rows hold none.
   * `firstLife`: no agent ever ran under this identity, so nothing can have been forgotten.
   */
  | {
      readonly type: "restored";
      readonly rows: readonly Uint8Array[];
      readonly memory: string;
      readonly firstLife: boolean;
    }
  /** The roster changed: all electorates, sorted by name, and who is on the roster at all. */
  | {
      readonly type: "electorates";
      readonly electorates: readonly Electorate[];
      readonly members: ReadonlySet<NodeId>;
    }
  | { readonly type: "peer-up" | "peer-down"; readonly peer: NodeId }
  | { readonly type: "frame"; readonly peer: NodeId; readonly bytes: Uint8Array }
  /** All names that this node wants to hold or go on holding. */
  | { readonly type: "wanted"; readonly names: readonly Wanted[] }
  /** Nothing of ours runs under the name any more: others may have it at once. */
  | { readonly type: "release"; readonly name: string }
  | { readonly type: "stored" | "store-failed"; readonly ticket: number }
  | { readonly type: "wake" };

export type LeaseEffect =
  | { readonly type: "send"; readonly peer: NodeId; readonly bytes: Uint8Array }
  /** Durable before anything that stands on it is said. */
  | {
      readonly type: "persist";
      readonly ticket: number;
      readonly puts: readonly { readonly slot: string; readonly bytes: Uint8Array }[];
    }
  /** We hold the name until then, by our own clock: for the first time, or longer than before. */
  | { readonly type: "held"; readonly name: string; readonly epoch: number; readonly until: Instant }
  /** We hold it no longer. */
  | { readonly type: "lost"; readonly name: string; readonly epoch: number }
  | { readonly type: "roll-changed"; readonly electorate: string; readonly roll: Roll }
  | { readonly type: "protocol-error"; readonly peer: NodeId; readonly detail: string };

export type LeaseEnv = {
  readonly now: Instant;
  /** Larger than every stamp that this node made or saw, the rolls that it heard of among them (`stampOf`). */
  readonly stamp: Version;
  /** No clock of an honest member is ahead of this. */
  readonly latest: Version;
  readonly random: Random;
};

export type Leases = {
  readonly handle: (event: LeaseEvent, env: LeaseEnv) => readonly LeaseEffect[];
  readonly wake: () => Wake;
  readonly roll: (electorate: string) => Roll | undefined;
  /** Names we hold, with their epochs and ends. */
  readonly holding: () => ReadonlyMap<string, { readonly epoch: number; readonly until: Instant }>;
};
