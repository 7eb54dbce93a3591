import assert from "node:assert/strict";
import { test } from "node:test";
import { spoken } from "../core/records/protocol.ts";
import type { NodeId } from "../core/records/record.ts";
import { createListener, type Listener } from "./transport-listener.ts";
import { frameBytesMax, type Transport, type TransportEvents } from "./transport.ts";

/** A network on which nodes can be started. */
export type TransportWorld = {
  /** Starts a node with an identity of its own, on an address of its own. */
  readonly start: (options: {
    readonly admits: (peer: NodeId, tlsKey: string) => boolean;
    readonly events: TransportEvents;
  }) => Promise<StartedNode>;
  /** An address where nobody listens. */
  readonly emptyAddress: () => Promise<string>;
  readonly remove: () => Promise<void>;
};

export type StartedNode = {
  readonly transport: Transport;
  readonly id: NodeId;
  readonly tlsKey: string;
  readonly address: string;
};

/** What every transport must do, whatever carries it. */
export function transportAcceptance(name: string, makeWorld: () => Promise<TransportWorld>): void {
  const inWorld = async (body: (world: Nodes) => Promise<void>): Promise<void> => {
    const world = await makeWorld();
    const nodes = nodesOf(world);
    try {
      await body(nodes);
    } finally {
      await nodes.stopAll();
      await world.remove();
    }
  };

  test(`${name}: a dial opens one link, told at both ends with the other's id and who dialled`, () =>
    inWorld(async ({ start }) => {
      const [a, b] = [await start(), await start()];
      a.transport.dial(b.id, [b.address]);
      assert.deepEqual(await a.next("opened"), {
        type: "opened",
        link: 1,
        peer: b.id,
        outbound: true,
        speaks: spoken,
      });
      assert.deepEqual(await b.next("opened"), {
        type: "opened",
        link: 1,
        peer: a.id,
        outbound: false,
        speaks: spoken,
      });
    }));

  test(`${name}: 10,000 frames in each direction arrive whole and in order`, () =>
    inWorld(async ({ pair }) => {
      const { a, b } = await pair();
      const count = 10_000;
      for (let at = 0; at < count; at++) {
        a.transport.send(1, numbered(at));
        b.transport.send(1, numbered(at));
      }
      for (const node of [a, b]) {
        await node.framesReach(count);
        for (const [at, frame] of node.frames.entries()) {
          assert.equal(frame.length, numbered(at).length);
          assert.equal(new DataView(frame.buffer, frame.byteOffset).getUint32(0), at);
        }
      }
    }));

  test(`${name}: what a frame cost is known when send returns, at least a byte, and nothing for a link that is gone`, () =>
    inWorld(async ({ start }) => {
      const [a, b] = [await start(), await start()];
      a.transport.dial(b.id, [b.address]);
      await a.next("opened");
      assert.equal(a.transport.sentBytes(1), 0);
      a.transport.send(1, new Uint8Array(1_000));
      const first = a.transport.sentBytes(1);
      assert.ok(first > 0 && first < 1_200, `${first}`);
      a.transport.send(
        1,
        Uint8Array.from({ length: 1_000 }, (_, at) => (at * at * 7919) >> 5),
      );
      assert.ok(a.transport.sentBytes(1) > first + 500);
      a.transport.close(1);
      await a.next("closed");
      assert.equal(a.transport.sentBytes(1), 0);
      assert.equal(a.transport.sentBytes(9), 0);
    }));

  test(`${name}: an empty frame, one of 4 MiB and one of a byte arrive as they were sent`, () =>
    inWorld(async ({ pair }) => {
      const { a, b } = await pair();
      const frames = [new Uint8Array(0), new Uint8Array(frameBytesMax).fill(9), new Uint8Array([1])];
      for (const frame of frames) a.transport.send(1, frame);
      await b.framesReach(3);
      for (const [at, frame] of frames.entries())
        assert.ok(Buffer.from(frame).equals(b.frames[at] ?? Buffer.from("missing")));
    }));

  test(`${name}: a frame of 4 MiB and 1 byte ends the link instead of being sent`, () =>
    inWorld(async ({ pair }) => {
      const { a, b } = await pair();
      a.transport.send(1, new Uint8Array(frameBytesMax + 1));
      assert.deepEqual(await a.next("closed"), { type: "closed", link: 1, end: "ours" });
      assert.deepEqual(await b.next("closed"), { type: "closed", link: 1, end: "closed" });
      assert.equal(b.frames.length, 0);
    }));

  test(`${name}: frames sent before a close arrive; then it is ours here and closed there, once`, () =>
    inWorld(async ({ pair }) => {
      const { a, b } = await pair();
      a.transport.send(1, numbered(7));
      a.transport.close(1);
      a.transport.close(1);
      a.transport.send(1, numbered(8));
      assert.deepEqual(await a.next("closed"), { type: "closed", link: 1, end: "ours" });
      assert.deepEqual(await b.next("closed"), { type: "closed", link: 1, end: "closed" });
      assert.equal(b.frames.length, 1);
      assert.equal(a.count("closed"), 1);
      assert.equal(b.count("closed"), 1);
    }));

  test(`${name}: links are numbered anew, and one can be closed without the other`, () =>
    inWorld(async ({ pair }) => {
      const { a, b } = await pair();
      a.transport.dial(b.id, [b.address]);
      assert.equal((await a.next("opened")).link, 2);
      a.transport.close(1);
      await a.next("closed");
      await b.next("closed");
      a.transport.send(2, numbered(1));
      await b.framesReach(1);
      assert.equal(a.count("closed"), 1);
    }));

  test(`${name}: nothing happens to a link that does not exist`, () =>
    inWorld(async ({ start }) => {
      const a = await start();
      a.transport.send(99, numbered(1));
      a.transport.close(99);
      await a.quiet();
      assert.deepEqual(a.told, []);
    }));

  test(`${name}: a dial fails once: refused where nobody listens, unreachable without an address`, () =>
    inWorld(async ({ start, emptyAddress }) => {
      const [a, b] = [await start(), await start()];
      a.transport.dial(b.id, [await emptyAddress()]);
      assert.equal((await a.next("dialFailed")).why, "refused");
      a.transport.dial(b.id, []);
      assert.equal((await a.next("dialFailed")).why, "unreachable");
      await a.quiet();
      assert.equal(a.count("dialFailed"), 2);
    }));

  test(`${name}: the second address is taken when nobody listens at the first`, () =>
    inWorld(async ({ start, emptyAddress }) => {
      const [a, b] = [await start(), await start()];
      a.transport.dial(b.id, [await emptyAddress(), b.address]);
      assert.equal((await a.next("opened")).peer, b.id);
      assert.equal(a.count("dialFailed"), 0);
    }));

  test(`${name}: a member with links to both carries a link to a peer whose addresses do not answer`, () =>
    inWorld(async ({ chain, emptyAddress }) => {
      const { a, b, c } = await chain();
      a.transport.dial(c.id, [await emptyAddress()], [b.id]);
      const [near, far] = [await a.next("opened"), await c.next("opened")];
      assert.deepEqual(near, {
        type: "opened",
        link: 2,
        peer: c.id,
        outbound: true,
        speaks: spoken,
        via: b.id,
      });
      assert.deepEqual(far, {
        type: "opened",
        link: 2,
        peer: a.id,
        outbound: false,
        speaks: spoken,
        via: b.id,
      });
      for (let at = 0; at < 1_000; at++) {
        a.transport.send(2, numbered(at));
        c.transport.send(2, numbered(at));
      }
      await Promise.all([a.framesReach(1_000), c.framesReach(1_000)]);
      assert.ok(c.frames.every((frame, at) => Buffer.from(frame).equals(numbered(at))));
      assert.equal(b.frames.length, 0);
      assert.equal(b.count("opened"), 2);
    }));

  test(`${name}: a dial fails once, by what its addresses said, when no relay has links with both`, () =>
    inWorld(async ({ chain, start, emptyAddress }) => {
      const { a, b, c } = await chain();
      const d = await start();
      a.transport.dial(d.id, [await emptyAddress()], [b.id, c.id]);
      assert.equal((await a.next("dialFailed")).why, "refused");
      await a.quiet();
      assert.equal(a.count("dialFailed"), 1);
      assert.deepEqual(d.told, []);
    }));

  test(`${name}: a relayed peer is asked for with the same proof as one at an address`, () =>
    inWorld(async ({ chain }) => {
      const { a, b, c } = await chain((peer, self) => peer.id !== self("a").id);
      a.transport.dial(c.id, [], [b.id]);
      await a.next("dialFailed");
      assert.equal(a.count("opened"), 1);
      assert.equal(c.count("opened"), 1);
    }));

  test(`${name}: a relayed link ends at both ends when the relay stops, and nobody is told twice`, () =>
    inWorld(async ({ chain }) => {
      const { a, b, c } = await chain();
      a.transport.dial(c.id, [], [b.id]);
      await Promise.all([a.next("opened"), c.next("opened")]);
      await b.transport.stop();
      for (const node of [a, c]) {
        await node.next("closed");
        await node.next("closed");
        await node.quiet();
        assert.equal(node.count("closed"), 2);
      }
    }));

  test(`${name}: another member at the address is untrusted, and it hears of no link`, () =>
    inWorld(async ({ start }) => {
      const [a, b, c] = [await start(), await start(), await start()];
      a.transport.dial(b.id, [c.address]);
      assert.equal((await a.next("dialFailed")).why, "untrusted");
      assert.deepEqual(c.told, []);
    }));

  test(`${name}: a peer that the dialling roster does not name is untrusted, and it hears of no link`, () =>
    inWorld(async ({ start }) => {
      const [a, b] = [await start(() => false), await start()];
      a.transport.dial(b.id, [b.address]);
      assert.equal((await a.next("dialFailed")).why, "untrusted");
      assert.deepEqual(b.told, []);
    }));

  test(`${name}: a dialler that the peer's roster does not name is told untrusted, and nothing opens`, () =>
    inWorld(async ({ start }) => {
      const [a, b] = [await start(), await start(() => false)];
      a.transport.dial(b.id, [b.address]);
      assert.equal((await a.next("dialFailed")).why, "untrusted");
      assert.equal(a.count("opened"), 0);
      assert.deepEqual(b.told, []);
    }));

  test(`${name}: the roster is asked for the peer's id together with its key, at both ends`, () =>
    inWorld(async ({ start }) => {
      const asked: string[] = [];
      const admits = (peer: NodeId, tlsKey: string): boolean => asked.push(`${peer} ${tlsKey}`) > 0;
      const [a, b] = [await start(admits), await start(admits)];
      a.transport.dial(b.id, [b.address]);
      await a.next("opened");
      assert.deepEqual([...new Set(asked)].sort(), [`${a.id} ${a.tlsKey}`, `${b.id} ${b.tlsKey}`].sort());
    }));

  test(`${name}: stopping closes every link, and the address then refuses`, () =>
    inWorld(async ({ pair }) => {
      const { a, b } = await pair();
      await a.transport.stop();
      assert.deepEqual(await b.next("closed"), { type: "closed", link: 1, end: "closed" });
      assert.deepEqual(await a.next("closed"), { type: "closed", link: 1, end: "ours" });
      b.transport.dial(a.id, [a.address]);
      assert.equal((await b.next("dialFailed")).why, "refused");
    }));

  test(`${name}: no callback comes from inside a call`, () =>
    inWorld(async ({ pair }) => {
      const { a, b } = await pair();
      const before = a.told.length;
      a.transport.dial(b.id, []);
      a.transport.send(1, new Uint8Array(frameBytesMax + 1));
      a.transport.close(1);
      assert.equal(a.told.length, before);
      await a.next("closed");
    }));
}

type Node = StartedNode & Listener;

type Nodes = {
  /** A node that admits everybody unless told otherwise. */
  readonly start: (admits?: (peer: NodeId, tlsKey: string) => boolean) => Promise<Node>;
  /** Two nodes with one link, number 1 at both, dialled by `a`. */
  readonly pair: () => Promise<{ readonly a: Node; readonly b: Node }>;
  /**
   * `b` has a link with `a`, which `a` dialled, and one with `c`, which `c` dialled; each is number 1 at
   * `a` and `c`. `cAdmits` is what `c` says of a peer.
   */
  readonly chain: (
    cAdmits?: (peer: Pick<Node, "id">, self: (name: "a" | "b") => Node) => boolean,
  ) => Promise<{ readonly a: Node; readonly b: Node; readonly c: Node }>;
  readonly emptyAddress: () => Promise<string>;
  readonly stopAll: () => Promise<void>;
};

function nodesOf(world: TransportWorld): Nodes {
  const started: Node[] = [];
  const start: Nodes["start"] = async (admits = () => true) => {
    const listener = createListener();
    const node = { ...listener, ...(await world.start({ admits, events: listener.events })) };
    started.push(node);
    return node;
  };
  return {
    start,
    pair: async () => {
      const [a, b] = [await start(), await start()];
      a.transport.dial(b.id, [b.address]);
      await Promise.all([a.next("opened"), b.next("opened")]);
      return { a, b };
    },
    chain: async (cAdmits = () => true) => {
      const [a, b] = [await start(), await start()];
      const c = await start((id) => cAdmits({ id }, (name) => (name === "a" ? a : b)));
      a.transport.dial(b.id, [b.address]);
      await Promise.all([a.next("opened"), b.next("opened")]);
      c.transport.dial(b.id, [b.address]);
      await Promise.all([c.next("opened"), b.next("opened")]);
      return { a, b, c };
    },
    emptyAddress: world.emptyAddress,
    stopAll: async () => {
      await Promise.all(started.map(({ transport }) => transport.stop()));
    },
  };
}

/** A frame that begins with its number and whose length depends on it. */
function numbered(at: number): Uint8Array {
  const frame = new Uint8Array(4 + (at % 97));
  new DataView(frame.buffer).setUint32(0, at);
  return frame;
}
