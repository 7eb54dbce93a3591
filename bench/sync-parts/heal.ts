import { randomStream, below } from "../../src/core/kernel/random.ts";
import { createBed, idOf, type Bed, type Entry, type Node } from "../../src/core/sync/testbed.ts";

/**
 * Two islands of ten sites and five nodes each that were apart while every node wrote, and are joined by two
 * links between any two sites: sync machines under virtual time, 20 ms one way, frames not compressed.
 */
export type Heal = {
  readonly links: number;
  /** Between the islands, until all agree and the last comparison is over. */
  readonly bytes: number;
  /** The most that went over one link, both ways, in one second. */
  readonly peakPerSecond: number;
  readonly agreeAfterMs: number;
};

const sites = 10;
const nodesPerSite = 5;
const recordsApart = 5;
const stepMs = 100;

/** @param pause Whether all but a few links wait, as real nodes have it; false shows what that saves. */
export function healOf(seed: number, pause: boolean): Heal {
  const bed = createBed(20);
  const random = randomStream(seed, "heal");
  const islands = [0, 1].map((island) => islandOf(bed, island, random));
  for (const node of islands.flat(2)) node.write(entriesOf(node, 3));
  bed.run(5_000);
  const nodes = islands.flat(2);
  for (const node of nodes) node.write(entriesOf(node, recordsApart));
  bed.run(10_000);
  bed.settled = pause ? sites * nodesPerSite : 1;
  bed.spent();
  const [north = [], south = []] = islands;
  let links = 0;
  for (const near of north) for (const far of south) links += join(bed, near, far, random);
  return { links, ...watch(bed, nodes) };
}

function islandOf(bed: Bed, island: number, random: () => number): Node[][] {
  const all = Array.from({ length: sites }, (_, site) =>
    Array.from({ length: nodesPerSite }, (_, at) =>
      bed.node(idOf(1 + 100 * at + 2 * site + island), { site: `${island}-${site}`, region: String(island) }),
    ),
  );
  for (const [at, site] of all.entries()) {
    site.forEach((node, from) => site.slice(from + 1).forEach((other) => bed.link(node, other)));
    for (const other of all.slice(at + 1)) join(bed, site, other, random);
  }
  return all;
}

/** Two links between two sites. */
function join(bed: Bed, near: readonly Node[], far: readonly Node[], random: () => number): number {
  const [a, b] = [below(random, nodesPerSite), below(random, nodesPerSite)];
  for (const step of [0, 1]) {
    const [from, to] = [near[(a + step) % nodesPerSite], far[(b + step) % nodesPerSite]];
    if (from !== undefined && to !== undefined) bed.link(from, to);
  }
  return 2;
}

function watch(bed: Bed, nodes: readonly Node[]): Omit<Heal, "links"> {
  const north = new Set(nodes.slice(0, nodes.length / 2).map(({ id }) => id));
  const bySecond = new Map<string, number>();
  let [bytes, agreeAfterMs] = [0, Number.POSITIVE_INFINITY];
  for (let at = 0; at < 15_000; at += stepMs) {
    bed.run(stepMs);
    for (const line of bed.spent().log) {
      const [way = "", , length] = line.split(" ");
      const ends = way.split(">");
      if (ends.filter((end) => north.has(end)).length !== 1) continue;
      bytes += Number(length);
      const key = `${ends.sort().join(" ")} ${Math.floor(at / 1_000)}`;
      bySecond.set(key, (bySecond.get(key) ?? 0) + Number(length));
    }
    if (agreeAfterMs === Number.POSITIVE_INFINITY && new Set(nodes.map((node) => node.digest())).size === 1)
      agreeAfterMs = at + stepMs;
  }
  return { bytes, peakPerSecond: Math.max(...bySecond.values()), agreeAfterMs };
}

function entriesOf(node: Node, count: number): Entry[] {
  return Array.from({ length: count }, (_, at) => ({
    key: `node/${node.id}/${count}/${at}`,
    body: { text: `${node.id}${at} `.repeat(18) },
  }));
}

if (process.argv[1] === import.meta.filename) {
  const seed = Number(process.argv[2] ?? 1);
  for (const pause of [false, true])
    process.stdout.write(`${JSON.stringify({ pause, ...healOf(seed, pause) })}\n`);
}
