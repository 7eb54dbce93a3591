import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { randomStream, type Random } from "../src/core/kernel/random.ts";
import { createDecoder, createSketch, type Item } from "../src/core/sync/sketch.ts";
import { atMost, median, quantile, type Bench, type Metric } from "./metric.ts";
import { idleBytesPerSecond } from "./sync-parts/idle.ts";
import { healOf } from "./sync-parts/heal.ts";
import { spreadOf } from "./sync-parts/spread.ts";
import { runPeers, type PeerResult } from "./sync-peers/run.ts";
import { createWorkload, exchanges, floorBytes, type SyncCase } from "./sync-peers/workload.ts";

/** What it costs two nodes to become one again, against the compressed difference and against libraries. */
export const bench: Bench = {
  about: "state exchange: bytes, processor, memory, load from disk, live spread, against seven others",
  run: async (progress) => [
    ...(await exchange(progress)),
    ...(await fewInMany()),
    ...sketchSize(),
    ...(await loading(progress)),
    ...spreading(progress),
    ...healing(progress),
    ...(await idling(progress)),
  ],
};

const signatureBytes = 64;
const repeats = 3;

async function exchange(progress: (line: string) => void): Promise<Metric[]> {
  const metrics: Metric[] = [];
  for (const writers of [2, 20]) {
    for (const { changedA, changedB } of exchanges) {
      const which: SyncCase = { seed: 1, records: 10_000, writers, changedA, changedB };
      const { changes } = createWorkload(which);
      const floor = floorBytes(changes.flat());
      const goal = Math.floor(1.1 * floor + writers * signatureBytes);
      const name = `${changedA} + ${changedB} changed of 10,000, ${writers} writers`;
      progress(`${name}: the changed records compressed are ${floor} bytes`);
      const rounds: PeerResult[] = [];
      for (let round = 0; round < repeats; round++)
        rounds.push(...(await runPeers(which, () => {}, ["starlight"])));
      const others = await runPeers(which, progress, otherNames);
      const bytes = median(rounds.map((result) => figure(result, "bytes")));
      const cpuMs = median(rounds.map((result) => figure(result, "cpuMs")));
      if (rounds.some((result) => result.type !== "measured" || !result.figures.agree))
        throw new Error("no agreement");
      metrics.push({
        ...atMost(`${name}: bytes, both ways`, bytes, "bytes", goal),
        peer: "floor",
        peerValue: floor,
      });
      metrics.push(
        atMost(`${name}: processor of both sides`, cpuMs, "ms", changedA + changedB > 500 ? 300 : 60),
      );
      for (const other of others) {
        if (other.type === "skipped") continue;
        const peer = `${other.peer} ${other.version}`;
        const peerValue = other.figures.bytes;
        metrics.push({
          name: `${name}: bytes against ${peer}`,
          value: bytes,
          unit: "bytes",
          goal: "-",
          peer,
          peerValue,
          ok: true,
        });
      }
    }
  }
  return metrics;
}

const otherNames = ["yjs", "loro", "automerge", "tinybase-many", "pouchdb", "etcd-watch", "etcd-list"];

async function fewInMany(): Promise<Metric[]> {
  const which: SyncCase = { seed: 1, records: 100_000, writers: 2, changedA: 10, changedB: 10 };
  const [result] = await runPeers(which, () => {}, ["starlight"]);
  return [atMost("20 changed of 100,000: bytes, both ways", figure(result, "bytes"), "bytes", 4000)];
}

/** Coded symbols until a difference is found, over 20 pairs of sets of 10,000. */
function sketchSize(): Metric[] {
  return [100, 1000].map((differences) => {
    const ratios = Array.from({ length: 20 }, (_, seed) => {
      const random = randomStream(seed, "sketch");
      const [left, right] = [createSketch(), createSketch()];
      const all: Item[] = Array.from({ length: 10_000 + differences }, () => ({
        lo: word(random),
        hi: word(random),
      }));
      all.forEach(({ lo, hi }, at) => {
        if (at < 10_000 || at % 2 === 0) left.insert(lo, hi);
        if (at < 10_000 || at % 2 === 1) right.insert(lo, hi);
      });
      left.extend(4 * differences, (visit) =>
        all.forEach(({ lo, hi }, at) => (at < 10_000 || at % 2 === 0) && visit(lo, hi)),
      );
      right.extend(4 * differences, (visit) =>
        all.forEach(({ lo, hi }, at) => (at < 10_000 || at % 2 === 1) && visit(lo, hi)),
      );
      const decoder = createDecoder(left.snapshot());
      const remote = right.snapshot();
      for (let from = 0; ; from += 8) {
        const words = remote.words.slice(4 * from, 4 * (from + 8));
        const outcome = decoder.add({ from, size: remote.size, words });
        if (outcome === "done") return decoder.taken() / differences;
        if (outcome === "malformed" || words.length === 0) return Number.NaN;
      }
    });
    return atMost(
      `sketch: symbols per difference, ${differences} differences, median of 20`,
      median(ratios),
      "",
      1.5,
    );
  });
}

async function loading(progress: (line: string) => void): Promise<Metric[]> {
  const metrics: Metric[] = [];
  for (const count of [10_000, 100_000]) {
    progress(`${count} records from disk`);
    const folder = mkdtempSync(join(tmpdir(), "starlight-bench-"));
    try {
      await child("fill.ts", folder, String(count));
      const runs = [];
      for (let round = 0; round < repeats; round++) {
        runs.push(
          JSON.parse(await child("load-built.mjs", folder)) as {
            ms: number;
            rssBytes: number;
          },
        );
      }
      const goalMs = count === 10_000 ? 1_000 : 10_000;
      metrics.push(atMost(`load ${count} records from disk`, median(runs.map(({ ms }) => ms)), "ms", goalMs));
      const memory = median(runs.map(({ rssBytes }) => rssBytes / 1e6));
      metrics.push(
        atMost(
          `memory of a process that holds ${count} records (RSS)`,
          memory,
          "MB",
          count === 10_000 ? 100 : 400,
        ),
      );
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return metrics;
}

function spreading(progress: (line: string) => void): Metric[] {
  progress("200 writes in a simulated mesh of 1,000 nodes");
  const { delays, copies } = spreadOf(1_000, 8, 200, 1);
  return [
    atMost("spread in 1,000 nodes, 8 links each, 1 % loss: median", median(delays), "ms", 1_000),
    atMost("spread in 1,000 nodes, 8 links each, 1 % loss: p99", quantile(delays, 0.99), "ms", 1_000),
    atMost("copies of a record that reach a node", copies, "", 1.3),
  ];
}

function healing(progress: (line: string) => void): Metric[] {
  progress("two islands of 50 nodes meet over 200 links, with and without a pause for most of them");
  const [all, few] = [healOf(1, false), healOf(1, true)];
  progress(`without: ${all.bytes} bytes, ${all.peakPerSecond} in a second of one link`);
  return [
    atMost("heal of 2 x 50 nodes: bytes between the islands, not compressed", few.bytes / 1e6, "MB", 2),
    atMost("heal of 2 x 50 nodes: peak of one link", few.peakPerSecond / 1e3, "kB/s", 400),
    atMost("heal of 2 x 50 nodes: until all agree", few.agreeAfterMs, "ms", 5_000),
  ];
}

async function idling(progress: (line: string) => void): Promise<Metric[]> {
  progress("five idle agents in network namespaces for 30 s");
  const idle = await idleBytesPerSecond({ idle: 5 }, {}, 30, progress);
  progress("two idle agents that are joined by a satellite link for 180 s");
  const metered = await idleBytesPerSecond(
    { ship: 1, port: 1 },
    { STARLIGHT_UPLINK: "satellite" },
    180,
    progress,
  );
  if (idle === undefined || metered === undefined) return [];
  const perDay = (metered.sent * 86_400) / 1e6;
  return [
    atMost("idle agent in a site of five: sent, TCP, TLS and HTTP/2 included", idle.sent, "B/s", 540),
    atMost("idle agent behind a satellite link: sent, all included", perDay, "MB/day", 1),
  ];
}

async function child(file: string, ...args: string[]): Promise<string> {
  const script = join(import.meta.dirname, "sync-parts", file);
  const flags = ["--expose-gc", "--disable-warning=ExperimentalWarning"];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, script, ...args]);
  return stdout;
}

function figure(result: PeerResult | undefined, name: "bytes" | "cpuMs"): number {
  return result?.type === "measured" ? result.figures[name] : Number.NaN;
}

const word = (random: Random): number => Math.floor(random() * 2 ** 32);
