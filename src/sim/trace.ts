import { hash53 } from "../core/kernel/hash.ts";
import type { Instant } from "../core/kernel/time.ts";

/**
 * What happened, line by line. The digest is kept (two runs of one seed must agree); the text only when
 * somebody is going to read it.
 */
export class Trace {
  readonly #print: ((line: string) => void) | undefined;
  readonly digests: boolean;
  #digest = 0;
  #lines = 0;

  /** @param digests False where nobody compares two runs: a fleet has very many events. */
  constructor(print?: (line: string) => void, digests = true) {
    this.#print = print;
    this.digests = digests;
  }

  /** A line for readers and for the digest. */
  add(now: Instant, who: string, what: string): void {
    this.#lines++;
    this.mark(now, who, what);
    this.#print?.(`${(now / 1000).toFixed(3).padStart(9)} ${who.padEnd(8)} ${what}`);
  }

  /** Counts for the digest only: the bulk of events, which nobody reads. */
  mark(now: Instant, who: string, what: string): void {
    if (!this.digests) return;
    this.#digest = hash53(`${this.#digest} ${now} ${who} ${what}`);
  }

  get digest(): string {
    return `${this.#lines}:${this.#digest.toString(16)}`;
  }
}
