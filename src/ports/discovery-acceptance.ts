import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Discovery, DiscoveryOptions, Sighting } from "./discovery.ts";

/** A network of one's own for each test: every discovery opened on it hears the others. */
export type DiscoveryNetwork = {
  readonly open: (options: DiscoveryOptions) => Discovery | Promise<Discovery>;
  readonly remove: () => Promise<void>;
};

const meshId = "11111111111111111111";
const other = "22222222222222222222";
const [a, b] = ["aaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbb"];

export function discoveryAcceptance(
  name: string,
  make: () => DiscoveryNetwork | Promise<DiscoveryNetwork>,
): void {
  suite(name, () => {
    const on = async (work: (peer: Peers) => Promise<void>): Promise<void> => {
      const network = await make();
      const opened: Discovery[] = [];
      try {
        await work(async (announce) => {
          const sightings: Sighting[] = [];
          const seen = (sighting: Sighting): void => void sightings.push(sighting);
          const discovery = await network.open({ announce, seen, log: () => {} });
          opened.push(discovery);
          return { discovery, sightings };
        });
      } finally {
        for (const discovery of opened) await discovery.stop();
        await network.remove();
      }
    };

    test("two nodes see each other's mesh, id and port, whoever came first", () =>
      on(async (peer) => {
        const first = await peer({ meshId, nodeId: a, port: 7001 });
        const second = await peer({ meshId, nodeId: b, port: 7002 });
        first.discovery.seek();
        second.discovery.seek();
        await until(() => first.sightings.length > 0 && second.sightings.length > 0);
        const [seen] = first.sightings;
        assert.deepEqual([seen?.meshId, seen?.nodeId, seen?.version], [meshId, b, 1]);
        assert.match(seen?.address ?? "", /:7002$/);
        assert.match(second.sightings[0]?.address ?? "", /:7001$/);
      }));

    test("a node never sees itself, and one who only looks is seen by nobody", () =>
      on(async (peer) => {
        const node = await peer({ meshId, nodeId: a, port: 7001 });
        const looker = await peer(undefined);
        looker.discovery.seek();
        node.discovery.seek();
        await until(() => looker.sightings.length > 0);
        await pause();
        assert.deepEqual(node.sightings, []);
      }));

    test("nodes of different meshes on one network are told apart", () =>
      on(async (peer) => {
        await peer({ meshId, nodeId: a, port: 7001 });
        await peer({ meshId: other, nodeId: b, port: 7002 });
        const looker = await peer(undefined);
        looker.discovery.seek();
        await until(() => new Set(looker.sightings.map(({ nodeId }) => nodeId)).size === 2);
        const meshByNode = new Map(looker.sightings.map((seen) => [seen.nodeId, seen.meshId] as const));
        assert.deepEqual([meshByNode.get(a), meshByNode.get(b)], [meshId, other]);
      }));

    test("stop may be called twice, and afterwards nobody answers", () =>
      on(async (peer) => {
        const node = await peer({ meshId, nodeId: a, port: 7001 });
        await node.discovery.stop();
        await node.discovery.stop();
        const looker = await peer(undefined);
        looker.discovery.seek();
        await pause();
        assert.deepEqual(looker.sightings, []);
      }));
  });
}

type Peers = (announce: DiscoveryOptions["announce"]) => Promise<{
  readonly discovery: Discovery;
  readonly sightings: readonly Sighting[];
}>;

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 400));

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    if (tries > 500) throw new Error("not seen");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
