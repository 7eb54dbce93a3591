import {
  MessageChannel,
  parentPort,
  receiveMessageOnPort,
  Worker,
  workerData,
  type MessagePort,
} from "node:worker_threads";
import type { Shard } from "./shard.ts";

/** Shards as threads of one process: they wait for each other without giving way, since a simulation is one long turn. */

type Thread = {
  readonly number: number;
  readonly of: number;
  /** To each of the others; none to itself. */
  readonly ports: readonly (MessagePort | undefined)[];
  /** How often each has posted to each: at `from * of + to`. */
  readonly posted: Int32Array;
  readonly data: unknown;
};

export type ThreadOptions = {
  /** A module that calls `runAsShard`. */
  readonly module: URL;
  readonly shards: number;
  /** For each of them; structured-cloneable. */
  readonly data: unknown;
  /** Of each thread: V8's old and young generation. */
  readonly heapMb?: { readonly old: number; readonly young: number };
};

/** @returns What the first shard returned; throws when any of them does. */
export async function runInThreads({ module, shards, data, heapMb }: ThreadOptions): Promise<unknown> {
  const posted = new Int32Array(new SharedArrayBuffer(4 * shards * shards));
  const ports = portsBetween(shards);
  const workers = ports.map((own, number) => {
    const thread: Thread = { number, of: shards, ports: own, posted, data };
    return new Worker(module, {
      workerData: thread,
      transferList: own.filter((port) => port !== undefined),
      resourceLimits:
        heapMb === undefined
          ? {}
          : { maxOldGenerationSizeMb: heapMb.old, maxYoungGenerationSizeMb: heapMb.young },
    });
  });
  try {
    const results = workers.map(
      (worker, number) =>
        new Promise<unknown>((resolve, reject) => {
          worker.once("message", resolve);
          worker.once("error", reject);
          worker.once("exit", (code) => reject(new Error(`shard ${number} ended with ${code}`)));
        }),
    );
    const [first] = await Promise.all(results);
    return first;
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

/** Each pair has a channel of its own. */
function portsBetween(shards: number): readonly (readonly (MessagePort | undefined)[])[] {
  const ports: (MessagePort | undefined)[][] = [];
  for (let one = 0; one < shards; one++) {
    const own: (MessagePort | undefined)[] = [];
    for (const other of ports) {
      const { port1, port2 } = new MessageChannel();
      own.push(port1);
      other.push(port2);
    }
    ports.push([...own, undefined]);
  }
  return ports;
}

/** What a thread does with its part. */
export function runAsShard<Data>(run: (shard: Shard, data: Data) => unknown): void {
  const { number, of, ports, posted, data } = workerData as Thread;
  let round = 0;
  const exchange = <T>(values: readonly T[]): readonly T[] => {
    round++;
    ports.forEach((port, to) => {
      port?.postMessage(values[to]);
      Atomics.add(posted, number * of + to, 1);
      Atomics.notify(posted, number * of + to);
    });
    return ports.map((port, from) => {
      if (port === undefined) return values[number] as T;
      waitFor(posted, from * of + number, round);
      return receiveMessageOnPort(port)?.message as T;
    });
  };
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
  parentPort?.postMessage(run({ number, of, exchange }, data as Data));
}

/** Every second it can be ended. */
function waitFor(counts: Int32Array, at: number, least: number): void {
  for (let count = Atomics.load(counts, at); count < least; count = Atomics.load(counts, at))
    Atomics.wait(counts, at, count, 1_000);
}
