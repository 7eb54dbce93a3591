/** One step on the way to another machine, tried: each stands on the one before. */
export type HopReport = {
  /** `resolve`, `route`, `tcp`, `tls`, `roster`, ... */
  readonly hop: string;
  readonly outcome: "ok" | "failed" | "skipped";
  readonly detail: string;
  /** What to do, when it failed. */
  readonly fix: string;
};

/** The way from one node to another, as the first one finds it. */
export type Examination = {
  /** Hops that need no address, in order. */
  readonly before: readonly HopReport[];
  /** Per address, until one went all the way. */
  readonly addresses: readonly { readonly address: string; readonly hops: readonly HopReport[] }[];
  /** What is left to say, whether an address worked or not. */
  readonly after: readonly HopReport[];
  /** The one that fails; of several addresses the one that came furthest. Undefined when all is well. */
  readonly failing: HopReport | undefined;
};
