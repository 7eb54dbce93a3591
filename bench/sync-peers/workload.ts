import { zstdCompressSync, constants } from "node:zlib";
import { below, pick, randomStream, type Random } from "../../src/core/kernel/random.ts";

/** One replicated fact: who wrote it last, and its whole value. */
export type Item = { readonly key: string; readonly author: number; readonly value: PodStatus };

/** What a node says about one of its pods; about 455 bytes of JSON together with its key. */
export type PodStatus = {
  readonly node: string;
  readonly phase: string;
  readonly ready: boolean;
  readonly restarts: number;
  readonly podIP: string;
  readonly uid: string;
  readonly image: string;
  readonly cpuNanos: number;
  readonly memoryBytes: number;
  readonly startedAt: string;
  readonly observedAt: string;
  readonly labels: Readonly<Record<string, string>>;
};

/** Side 0 is A, side 1 is B. Writer `w` lives on side `w % 2`. */
export type Side = 0 | 1;

/** One exchange: `writers` authors hold `records` records in common, then each side changes some alone. */
export type SyncCase = {
  readonly seed: number;
  readonly records: number;
  readonly writers: number;
  readonly changedA: number;
  readonly changedB: number;
};

export type Workload = SyncCase & {
  /** What both sides hold before they part. */
  readonly base: readonly Item[];
  /** What was written on each side while they were apart; no key is in both. */
  readonly changes: readonly [a: readonly Item[], b: readonly Item[]];
};

/** The exchanges that are compared; everything else about a case is `seed`, `records` and `writers`. */
export const exchanges = [
  { changedA: 100, changedB: 100 },
  { changedA: 1000, changedB: 100 },
] as const;

export const defaultSize = { seed: 1, records: 10_000, writers: 2 } as const;

export function createWorkload(which: SyncCase): Workload {
  const { seed, changedA, changedB } = which;
  return {
    ...which,
    base: records(which),
    changes: [changes(seed, 0, changedA, which), changes(seed, 1, changedB, which)],
  };
}

/** The records before anybody changed one, sorted by key. */
export function records({ seed, records, writers }: Size = defaultSize): Item[] {
  const items = Array.from({ length: records }, (_, number) => record(seed, number, writers));
  return items.sort((left, right) => (left.key < right.key ? -1 : 1));
}

/** New whole values for `count` distinct keys of the writers of one side, in the order of writing. */
export function changes(
  seed: number,
  side: Side,
  count: number,
  size: Omit<Size, "seed"> = defaultSize,
): Item[] {
  const random = randomStream(seed, `changes ${side}`);
  const mine = records({ ...size, seed }).filter(({ author }) => author % 2 === side);
  if (count > mine.length) throw new RangeError(`side ${side} has only ${mine.length} records`);
  return Array.from({ length: count }, (_, at) => {
    const other = at + below(random, mine.length - at);
    const chosen = mine[other] as Item;
    mine[other] = mine[at] as Item;
    return changed(random, chosen);
  });
}

/** What both sides hold once they agree: value by key. */
export function agreed({ base, changes }: Workload): Map<string, Item> {
  return new Map([...base, ...changes[0], ...changes[1]].map((item) => [item.key, item]));
}

/** What the changed records cost without any bookkeeping: their JSON lines through zstd, level 3. */
export function floorBytes(changedRecords: readonly Item[]): number {
  return compressed(Buffer.from(changedRecords.map((item) => `${JSON.stringify(item)}\n`).join("")));
}

/** The length of `bytes` after zstd, level 3. */
export function compressed(bytes: Uint8Array): number {
  return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 3 } }).length;
}

type Size = { readonly seed: number; readonly records: number; readonly writers: number };

const apps = ["api", "camera", "checkout", "gateway", "ingest", "mqtt", "ocr", "planner", "sensor", "vision"];
const phases = ["Running", "Running", "Running", "Running", "Running", "Pending", "Succeeded", "Failed"];

/** The moment at which the first pod started; a year of starts follows, then the minutes of the changes. */
const epochMs = Date.UTC(2026, 0, 1);
const yearMs = 365 * 24 * 3600 * 1000;

function record(seed: number, number: number, writers: number): Item {
  const random = randomStream(seed, `record ${number}`);
  const app = pick(random, apps) ?? "";
  const node = below(random, 500);
  const key = `status/${app}-${letters(random, 9)}-${number.toString(36).padStart(3, "0")}${letters(random, 2)}`;
  const startedMs = epochMs + below(random, yearMs / 1000) * 1000;
  const value: PodStatus = {
    node: `site-${Math.floor(node / 4)}-n${node % 4}`,
    phase: pick(random, phases) ?? "",
    ready: below(random, 10) > 0,
    restarts: below(random, 4) === 0 ? below(random, 40) : 0,
    podIP: `10.${node >> 6}.${node & 63}.${2 + below(random, 250)}`,
    uid: token(random, 22),
    image: `hub/${app}@sha256:${hex(random, 64)}`,
    cpuNanos: below(random, 2e9),
    memoryBytes: below(random, 131_072) * 4096,
    startedAt: new Date(startedMs).toISOString().replace(".000Z", "Z"),
    observedAt: new Date(epochMs + yearMs).toISOString(),
    labels: { app, revision: token(random, 25) },
  };
  return { key, author: number % writers, value };
}

/** What a node measures anew: readiness, use of its resources, now and then a restart. */
function changed(random: Random, { key, author, value }: Item): Item {
  const restarted = below(random, 10) === 0;
  return {
    key,
    author,
    value: {
      ...value,
      ready: below(random, 10) > 0,
      restarts: value.restarts + (restarted ? 1 : 0),
      cpuNanos: below(random, 2e9),
      memoryBytes: below(random, 131_072) * 4096,
      observedAt: new Date(epochMs + yearMs + below(random, 600_000)).toISOString(),
    },
  };
}

function hex(random: Random, digits: number): string {
  return Array.from({ length: digits }, () => below(random, 16).toString(16)).join("");
}

/** The alphabet of Kubernetes' generated names (no vowels, nothing that looks like another). */
const generated = "bcdfghjklmnpqrstvwxz2456789";

function letters(random: Random, count: number): string {
  return Array.from({ length: count }, () => generated[below(random, generated.length)]).join("");
}

/** Characters of base64url, as in shortened digests. */
function token(random: Random, count: number): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return Array.from({ length: count }, () => alphabet[below(random, 64)]).join("");
}
