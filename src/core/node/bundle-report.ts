import type { NodeId } from "../records/record.ts";

/** What became of the records of a part of a bundle. */
export type BundleReport = {
  readonly records: number;
  /** New here, and now part of our state. */
  readonly fresh: number;
  /** Held already, or replaced by something newer. */
  readonly known: number;
  /** Stamped too far ahead of our clock: judged again when it catches up. */
  readonly setAside: number;
  /** By authors that our roster does not know: judged when it does. */
  readonly waiting: number;
  /** Of scopes that this node does not keep. */
  readonly elsewhere: number;
  readonly refused: number;
  /** The first 100 of them. */
  readonly refusals: readonly { readonly key: string; readonly author: NodeId; readonly why: string }[];
  /** Whether its maker is a member and signed it; otherwise what it says of completeness does not count. */
  readonly vouched: boolean;
};
