import assert from "node:assert/strict";
import { connect, createServer, type AddressInfo } from "node:net";
import { test } from "node:test";
import { at, newMember, newMesh, startNode, type RunningNode } from "./testbed.ts";

/** Connections that carry others are torn in the middle of traffic: everything inside ends, and nothing else. */

test("addresses that vanish under a relayed link and sessions in reverse, all in use, end them, and the process goes on", async (t) => {
  const mesh = await newMesh();
  const start = async (): Promise<RunningNode> => startNode(t, await newMember(mesh), () => true);
  const [a, b, c] = [await start(), await start(), await start()];
  const cable = createServer((near) => {
    const far = connect(b.transport.port, "127.0.0.1");
    for (const socket of [near, far]) socket.on("error", () => undefined);
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => cable.listen(0, "127.0.0.1", resolve));
  t.after(() => void cable.close());
  const address = `127.0.0.1:${(cable.address() as AddressInfo).port}`;
  for (const node of [a, c]) {
    node.transport.dial(b.id, [address]);
    await node.next("opened");
  }
  a.transport.dial(c.id, [], [b.id]);
  await Promise.all([a.next("opened"), c.next("opened")]);
  await c.transport.ask(a.id, at(), "/", AbortSignal.timeout(10_000));
  await b.transport.ask(a.id, at(), "/", AbortSignal.timeout(10_000));
  const traffic = setInterval(() => {
    for (const node of [a, c])
      for (const link of [1, 2]) node.transport.send(link, new Uint8Array(3_000).fill(link));
  }, 2);
  t.after(() => clearInterval(traffic));
  await Promise.all([a.framesReach(20), c.framesReach(20)]);
  for (const node of [a, c]) node.transport.hostsChanged(new Set());
  for (const node of [a, c]) {
    await node.next("closed");
    await node.next("closed");
    await node.quiet();
    assert.equal(node.count("closed"), 2);
  }
  a.transport.dial(c.id, [c.address]);
  assert.equal((await a.next("opened")).peer, c.id);
});
