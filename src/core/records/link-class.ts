import type { BucketRate } from "../kernel/bucket.ts";
import type { RecordKind } from "./record.ts";

/** How a machine is joined to other sites; best first. */
export type LinkClass = "lan" | "wan" | "cellular" | "satellite";

export const linkClasses: readonly LinkClass[] = ["lan", "wan", "cellular", "satellite"];

/**
 * How much slower signs of life and comparisons follow each other on a link of this class. At 40, an idle
 * link costs a few bytes a second, and silence is noticed after about three minutes instead of four seconds.
 */
export const paceOf: { readonly [linkClass in LinkClass]: number } = {
  lan: 1,
  wan: 1,
  cellular: 8,
  satellite: 40,
};

/** Bytes a second that the state exchange may put on one link of this class, where nobody says otherwise. */
export const bytesPerSecondOf: { readonly [linkClass in LinkClass]: number } = {
  lan: Number.POSITIVE_INFINITY,
  wan: 1_250_000,
  cellular: 64_000,
  satellite: 16_000,
};

/** What was not used for so long may be used at once. */
const burstSeconds = 8;

export const bucketRateOf = (bytesPerSecond: number): BucketRate => ({
  perSecond: bytesPerSecond,
  burst: burstSeconds * bytesPerSecond,
});

/** What is paid for from a budget: records by their kind, and the questions and hashes of comparisons. */
export type Urgency = RecordKind | "control";

/**
 * What stays in a link's bucket for what is more urgent, as a share of the burst. Signs of life are paid
 * for too, but wait for nothing.
 */
export const reserveOf: { readonly [urgency in Urgency]: number } = {
  roster: 0,
  control: 0.05,
  intent: 0.1,
  fact: 0.4,
};

/** Up to which share of the day's allowance this class is sent. */
export const dayShareOf: { readonly [urgency in Urgency]: number } = {
  roster: 1,
  control: 0.98,
  intent: 0.95,
  fact: 0.9,
};

/** Where bytes are paid for, facts wait for the next comparison; trust and intents never wait. */
export const isMetered = (linkClass: LinkClass): boolean =>
  linkClass === "cellular" || linkClass === "satellite";

/** A link is as good as the worse of its ends; within a site it is local. */
export function linkClassOf(sameSite: boolean, ours: LinkClass, theirs: LinkClass): LinkClass {
  if (sameSite) return "lan";
  return worseOf(ours, theirs);
}

export function worseOf(left: LinkClass, right: LinkClass): LinkClass {
  return linkClasses[Math.max(linkClasses.indexOf(left), linkClasses.indexOf(right))] ?? "lan";
}
