import type { Duration } from "../kernel/time.ts";
import type { LinkClass } from "../records/link-class.ts";
import type { NodeId } from "../records/record.ts";

/** What links to other sites cost: bytes on the wire, signs of life included. */
export type UplinkView = {
  /** As it counts now: as declared or measured, or worse after long round trips or for a spent allowance. */
  readonly class: LinkClass;
  readonly declared: LinkClass;
  readonly bytesToday: number;
  /** The day's allowance; 0: none is set. */
  readonly bytesPerDay: number;
  readonly links: readonly LinkSpending[];
};

/** One open link to another site. */
export type LinkSpending = {
  readonly peer: NodeId;
  readonly name: string;
  readonly class: LinkClass;
  /** On this link today (UTC), and the most in one second of it. */
  readonly bytesToday: number;
  readonly peakPerSecond: number;
  /** What its class and the settings allow; undefined: any number. */
  readonly bytesPerSecond: number | undefined;
  /** What is not sent because the budget is used up, and until when at least; undefined when nothing waits. */
  readonly waiting:
    | { readonly logs: number; readonly questions: number; readonly forMs: Duration }
    | undefined;
};
