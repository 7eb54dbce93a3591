import { carryOut, type Handlers } from "../../src/core/kernel/effects.ts";
import { between, below, randomStream } from "../../src/core/kernel/random.ts";
import { draftRecord, type NodeId } from "../../src/core/records/record.ts";
import { cover, emptyStore, putRecord, sealNext, type RecordStore } from "../../src/core/records/store.ts";
import { unlimited } from "../../src/core/sync/contract.ts";
import type { SyncEffect, SyncEvent } from "../../src/core/sync/contract.ts";
import { createSync } from "../../src/core/sync/create-sync.ts";
import { createHash } from "node:crypto";
import { EventQueue } from "../../src/sim/event-queue.ts";

/**
 * The spread of single writes in a mesh of sync machines under virtual time: each node has `degree` links
 * to random others, a frame takes 0.2 to 1 ms, one in a hundred is lost and comes 200 ms later, as TCP
 * would have it.
 */
export type Spread = {
  /** For every write and node: ms from the write until the node has it. */
  readonly delays: readonly number[];
  /** Copies of a record that reach a node, its own writes left out. */
  readonly copies: number;
};

export function spreadOf(nodes: number, degree: number, writes: number, seed: number): Spread {
  const queue = new EventQueue();
  const random = randomStream(seed, "spread");
  const crypto = { sha256: (bytes: Uint8Array) => createHash("sha256").update(bytes).digest() };
  let now = 0;
  let stamp = 1;
  const peers = linksOf(nodes, degree, seed);
  const arrivals = new Map<string, number>();
  const delays: number[] = [];
  let copies = 0;
  let counting = false;
  const lastArrival = new Map<string, number>();
  const machines = Array.from({ length: nodes }, (_, at) => machine(at));

  function machine(at: number) {
    const store: RecordStore = emptyStore();
    const sync = createSync({ self: idOf(at), compareEvery: 30_000 });
    const own = randomStream(seed, `node ${at}`);
    let armed = 0;
    const handle = (event: SyncEvent): void => {
      const env = {
        now,
        random: own,
        place: { site: "s", region: "r" },
        store,
        crypto,
        isLargeSite: () => false,
        isSpare: () => false,
        linkClass: () => "lan" as const,
        linkedTo: () => [],
        budget: unlimited,
        settled: () => 1,
      };
      for (const effect of sync.handle(event, env)) carryOut(handlers, effect);
      const wakeAt = sync.wake().at;
      const token = ++armed;
      if (wakeAt !== Number.POSITIVE_INFINITY)
        queue.schedule(Math.max(now, wakeAt), () => {
          if (token === armed) handle({ type: "wake" });
        });
    };
    const handlers: Handlers<SyncEffect> = {
      send: ({ link, bytes }) => {
        const lost = random() < 0.01 ? 200 : 0;
        const lane = `${at} ${link}`;
        const arrives = Math.max(now + between(random, 0.2, 1) + lost, lastArrival.get(lane) ?? 0);
        lastArrival.set(lane, arrives);
        queue.schedule(arrives, () => machines[link]?.handle({ type: "frame", link: at, bytes }));
      },
      received: ({ link, records, covers }) => {
        if (counting) copies += records.length;
        const fresh = records.filter((record) => putRecord(store, record).type === "stored");
        for (const { key } of fresh) {
          const written = arrivals.get(key);
          if (written !== undefined) delays.push(now - written);
        }
        for (const each of covers) cover(store, each, each.from, each.to);
        if (fresh.length > 0) handle({ type: "stored", records: fresh, from: link });
      },
      "only-here": () => {},
      "in-step": () => {},
      "protocol-error": ({ detail }) => {
        throw new Error(detail);
      },
    };
    const write = (key: string): void => {
      const record = draftRecord(
        { scope: "mesh", key, kind: "intent", version: stamp++, body: key },
        idOf(at),
        crypto,
      );
      putRecord(store, record);
      sealNext(store, [record], true, { sign: () => new Uint8Array(64) }, crypto);
      handle({ type: "stored", records: [record], from: undefined });
    };
    return { handle, write };
  }

  const run = (until: number): void => {
    for (let entry = queue.next(until); entry !== undefined; entry = queue.next(until)) {
      now = entry.at;
      entry.run();
    }
    now = until;
  };
  for (const [at, own] of peers.entries()) {
    for (const peer of own)
      machines[at]?.handle({
        type: "peer-up",
        link: peer,
        peer: idOf(peer),
        place: { site: "s", region: "r" },
      });
  }
  run(5_000);
  // The first writes shape the tree.
  for (let at = 0; at < 20; at++) {
    machines[below(random, nodes)]?.write(`shape/${at}`);
    run(now + 1_000);
  }
  counting = true;
  for (let at = 0; at < writes; at++) {
    const key = `write/${at}`;
    arrivals.set(key, now);
    machines[below(random, nodes)]?.write(key);
    run(now + 250);
  }
  run(now + 10_000);
  return { delays, copies: copies / (writes * (nodes - 1)) };
}

function linksOf(nodes: number, degree: number, seed: number): Set<number>[] {
  const random = randomStream(seed, "links");
  const links = Array.from({ length: nodes }, () => new Set<number>());
  for (let at = 0; at < nodes; at++) {
    links[at]?.add((at + 1) % nodes);
    links[(at + 1) % nodes]?.add(at);
  }
  for (let at = 0; at < nodes; at++) {
    while ((links[at]?.size ?? degree) < degree) {
      const peer = below(random, nodes);
      if (peer === at) continue;
      links[at]?.add(peer);
      links[peer]?.add(at);
    }
  }
  return links;
}

const idOf = (at: number): NodeId => at.toString(16).padStart(20, "0");
