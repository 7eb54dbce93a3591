import { randomBytes } from "node:crypto";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { connect, createServer, type Socket } from "node:net";
import { rangeText, spoken } from "../../core/records/protocol.ts";
import { test } from "node:test";
import { frameBytesMax, queueBytesMax } from "../../ports/transport.ts";
import { transportAcceptance } from "../../ports/transport-acceptance.ts";
import { createTransport, ListenError } from "./create-transport.ts";
import {
  clientSession,
  emptyAddress,
  newMember,
  newMesh,
  roster,
  startNode,
  tlsOf,
  type ClientTls,
} from "./testbed.ts";

transportAcceptance("http2 transport", async () => {
  const mesh = await newMesh();
  return {
    start: async ({ admits, events }) => {
      const { identity, id, tlsKey } = await newMember(mesh);
      const listen = { host: "127.0.0.1", port: 0 };
      const handler = (): void => undefined;
      const transport = await createTransport({ identity, listen, admits, events, handler });
      return { transport, id, tlsKey, address: `127.0.0.1:${transport.port}` };
    },
    emptyAddress,
    remove: () => Promise.resolve(),
  };
});

const everybody = (): boolean => true;

test("a peer whose certificate another CA signed is untrusted, even with the id and mesh that we want", async (t) => {
  const mesh = await newMesh();
  const impostors = await newMesh(mesh.id);
  const real = await newMember(mesh);
  const a = await startNode(t, await newMember(mesh), everybody);
  const fake = await startNode(t, await newMember(impostors, { as: real.id }), everybody);
  a.transport.dial(real.id, [fake.address]);
  const failed = await a.next("dialFailed");
  assert.equal(failed.why, "untrusted");
  assert.match(failed.detail, /certificate|issuer|self.signed/i);
  fake.transport.dial(a.id, [a.address]);
  assert.equal((await fake.next("dialFailed")).why, "untrusted");
  assert.deepEqual([a.count("opened"), fake.count("opened")], [0, 0]);
});

test("a certificate of our CA with a roster member's id and another key opens no link in either direction", async (t) => {
  const mesh = await newMesh();
  const [aMember, real] = [await newMember(mesh), await newMember(mesh)];
  const thief = await newMember(mesh, { as: real.id });
  const a = await startNode(t, aMember, roster(aMember, real));
  const b = await startNode(t, thief, everybody);
  a.transport.dial(real.id, [b.address]);
  const failed = await a.next("dialFailed");
  assert.equal(failed.why, "untrusted");
  assert.match(failed.detail, /key that the roster does not name/);
  b.transport.dial(a.id, [a.address]);
  const refused = await b.next("dialFailed");
  assert.equal(refused.why, "untrusted");
  assert.match(refused.detail, /does not admit us/);
  assert.deepEqual([a.count("opened"), b.count("opened")], [0, 0]);
});

test("a member of another mesh under the same CA key is untrusted by the mesh in its SPIFFE id", async (t) => {
  const mesh = await newMesh();
  const other = { ...mesh, id: "0".repeat(20) };
  const a = await startNode(t, await newMember(mesh), everybody);
  const b = await startNode(t, await newMember(other), everybody);
  a.transport.dial(b.id, [b.address]);
  const failed = await a.next("dialFailed");
  assert.equal(failed.why, "untrusted");
  assert.match(failed.detail, /another mesh/);
});

test("IPv6 addresses in brackets can be listened on and dialled", async (t) => {
  const mesh = await newMesh();
  const a = await startNode(t, await newMember(mesh), everybody);
  const b = await startNode(t, await newMember(mesh), everybody, undefined, "::1").catch(() => undefined);
  if (b !== undefined) {
    a.transport.dial(b.id, [b.address]);
    assert.equal((await a.next("opened")).peer, b.id);
  } else t.skip("this machine has no ::1");
});

test("addresses that are none, from a hostile status fact, fail the dial and nothing else", async (t) => {
  const mesh = await newMesh();
  const a = await startNode(t, await newMember(mesh), everybody);
  a.transport.dial("f".repeat(20), ["", "no port", "a:b:c", "[::1", "127.0.0.1:99999", "http://x:1/"]);
  assert.equal((await a.next("dialFailed")).why, "unreachable");
});

test("a socket that accepts and never speaks TLS is unreachable after 10 s, told once", async (t) => {
  const mesh = await newMesh();
  const held: Socket[] = [];
  const mute = createServer((socket) => held.push(socket.on("error", () => undefined)));
  await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
  const address = mute.address();
  assert.ok(typeof address === "object" && address !== null);
  const a = await startNode(t, await newMember(mesh), everybody);
  a.transport.dial("f".repeat(20), [`127.0.0.1:${address.port}`]);
  assert.equal((await a.next("dialFailed")).why, "unreachable");
  assert.equal(a.count("dialFailed"), 1);
  for (const socket of held) socket.destroy();
  mute.close();
});

test("an agent that takes 4 s to agree to a link, once its host has accepted the connection, gets it", async (t) => {
  const mesh = await newMesh();
  const a = await startNode(t, await newMember(mesh), everybody);
  const b = await startNode(t, await newMember(mesh), everybody);
  const slow = createServer((socket) => {
    setTimeout(() => {
      const onward = connect(b.transport.port, "127.0.0.1").on("error", () => undefined);
      socket.on("error", () => undefined);
      socket.pipe(onward).pipe(socket);
    }, 4_000);
  });
  await new Promise<void>((resolve) => slow.listen(0, "127.0.0.1", resolve));
  t.after(() => void slow.close());
  const address = slow.address();
  assert.ok(typeof address === "object" && address !== null);
  a.transport.dial(b.id, [`127.0.0.1:${address.port}`]);
  await Promise.all([a.next("opened"), b.next("opened")]);
  assert.equal(a.count("dialFailed"), 0);
});

test("an address that answers late does not hold up one that answers at once, and one link opens", async (t) => {
  const mesh = await newMesh();
  const held: Socket[] = [];
  const mute = createServer((socket) => held.push(socket.on("error", () => undefined)));
  await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
  const address = mute.address();
  assert.ok(typeof address === "object" && address !== null);
  const a = await startNode(t, await newMember(mesh), everybody);
  const b = await startNode(t, await newMember(mesh), everybody);
  a.transport.dial(b.id, [`127.0.0.1:${address.port}`, b.address, b.address]);
  await a.next("opened");
  await Promise.all(held.map((socket) => (socket.destroyed ? undefined : once(socket.resume(), "close"))));
  assert.deepEqual([a.count("opened"), b.count("opened"), a.count("dialFailed")], [1, 1, 0]);
  mute.close();
});

test("a plain HTTP server at the address is untrusted", async (t) => {
  const mesh = await newMesh();
  const plain = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  });
  await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
  const address = plain.address();
  assert.ok(typeof address === "object" && address !== null);
  const a = await startNode(t, await newMember(mesh), everybody);
  a.transport.dial("f".repeat(20), [`127.0.0.1:${address.port}`]);
  assert.equal((await a.next("dialFailed")).why, "untrusted");
  plain.close();
});

test("both ends of a link are told the range that the other speaks, also where it is none of theirs", async (t) => {
  const mesh = await newMesh();
  const a = await startNode(t, await newMember(mesh), everybody);
  const member = tlsOf(await newMember(mesh));
  const later = await askForLink(a.address, member, "3-7");
  assert.deepEqual([later[":status"], later["starlight-protocol"]], [200, rangeText(spoken)]);
  assert.deepEqual((await a.next("opened")).speaks, { min: 3, max: 7 });
});

test("a link without a protocol range is answered 400, strangers 403, and neither opens a link", async (t) => {
  const mesh = await newMesh();
  const a = await startNode(t, await newMember(mesh), everybody);
  const member = tlsOf(await newMember(mesh));
  const vague = await askForLink(a.address, member, "7-3");
  assert.deepEqual([vague[":status"], vague["starlight-protocol"]], [400, rangeText(spoken)]);
  const stranger = await askForLink(a.address, { ca: member.ca }, "1");
  assert.equal(stranger[":status"], 403);
  assert.deepEqual(a.told, []);
});

test("a frame announced with 4 MiB and 1 byte closes the link before the bytes arrive", async (t) => {
  const mesh = await newMesh();
  const a = await startNode(t, await newMember(mesh), everybody);
  const { session, stream } = openLink(a.address, tlsOf(await newMember(mesh)));
  await a.next("opened");
  const header = Buffer.alloc(4);
  header.writeUInt32BE(frameBytesMax + 1);
  stream.write(header);
  assert.equal((await a.next("closed")).end, "ours");
  assert.equal(a.frames.length, 0);
  session.destroy();
});

test("a link whose peer reads nothing is closed once 64 MiB are queued, not grown", async (t) => {
  const mesh = await newMesh();
  const a = await startNode(t, await newMember(mesh), everybody);
  const { session, stream } = openLink(a.address, tlsOf(await newMember(mesh)));
  stream.pause();
  const { link } = await a.next("opened");
  const frame = randomBytes(1024 * 1024);
  const framesOfQueue = queueBytesMax / frame.length;
  for (let sent = 0; sent < framesOfQueue - 1; sent++) a.transport.send(link, frame);
  await a.quiet();
  assert.equal(a.count("closed"), 0);
  for (let sent = 0; sent < 4; sent++) a.transport.send(link, frame);
  assert.equal((await a.next("closed")).end, "ours");
  session.destroy();
});

test("a peer killed with SIGKILL is seen as closed, not as silent", async (t) => {
  const mesh = await newMesh();
  const a = await startNode(t, await newMember(mesh), everybody);
  const member = await newMember(mesh);
  const { node, tls } = member.identity;
  const script = `
    import { createTransport } from ${JSON.stringify(import.meta.resolve("./create-transport.ts"))};
    const identity = JSON.parse(process.argv[1]);
    const none = () => undefined;
    const transport = await createTransport({
      identity, listen: { host: "127.0.0.1", port: 0 }, admits: () => true, handler: none,
      events: { opened: none, closed: none, frame: none, dialFailed: (...why) => console.error(why) },
    });
    transport.dial(process.argv[2], [process.argv[3]]);`;
  const identity = JSON.stringify({ node: { ...node, mesh: { ...node.mesh, rootKey: [] } }, tls });
  const child = spawn(process.execPath, ["--input-type=module", "-e", script, identity, a.id, a.address], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  assert.equal((await a.next("opened")).peer, member.id);
  child.kill("SIGKILL");
  assert.equal((await a.next("closed")).end, "closed");
});

test("a taken port is refused with a ListenError that names the address", async (t) => {
  const mesh = await newMesh();
  const a = await startNode(t, await newMember(mesh), everybody);
  const { identity } = await newMember(mesh);
  await assert.rejects(
    createTransport({
      identity,
      listen: { host: "127.0.0.1", port: a.transport.port },
      admits: everybody,
      events: a.events,
      handler: () => undefined,
    }),
    (error) => {
      assert.ok(error instanceof ListenError);
      assert.equal(error.code, "EADDRINUSE");
      assert.ok(error.message.includes(a.address), error.message);
      return true;
    },
  );
});

test("a process whose transport has stopped has nothing left that keeps it running", async (t) => {
  const mesh = await newMesh();
  const a = await startNode(t, await newMember(mesh), everybody);
  const { node, tls } = (await newMember(mesh)).identity;
  const script = `
    import { createTransport } from ${JSON.stringify(import.meta.resolve("./create-transport.ts"))};
    const none = () => undefined;
    const transport = await createTransport({
      identity: JSON.parse(process.argv[1]), listen: { host: "127.0.0.1", port: 0 }, admits: () => true,
      handler: none,
      events: { opened: () => transport.stop(), closed: none, frame: none, dialFailed: none },
    });
    transport.dial("f".repeat(20), ["192.0.2.1:1"]);
    transport.dial(process.argv[2], [process.argv[3]]);`;
  const identity = JSON.stringify({ node: { ...node, mesh: { ...node.mesh, rootKey: [] } }, tls });
  const child = spawn(process.execPath, ["--input-type=module", "-e", script, identity, a.id, a.address], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const [code] = await once(child, "exit");
  assert.equal(code, 0);
  assert.equal((await a.next("closed")).end, "closed");
});

/** Asks for a link that speaks protocol 3, and leaves it open. */
function openLink(
  address: string,
  tls: ClientTls,
): { readonly session: ClientHttp2Session; readonly stream: ClientHttp2Stream } {
  const session = clientSession(address, tls);
  const stream = session.request(
    { ":method": "POST", ":path": "/starlight/v1/link", "starlight-protocol": "3" },
    { endStream: false },
  );
  stream.on("error", () => undefined);
  return { session, stream };
}

async function askForLink(
  address: string,
  tls: ClientTls,
  protocol: string,
): Promise<{ readonly [header: string]: unknown }> {
  const session = clientSession(address, tls);
  const stream = session.request({
    ":method": "POST",
    ":path": "/starlight/v1/link",
    "starlight-protocol": protocol,
  });
  const [headers] = await once(stream, "response");
  session.destroy();
  return headers;
}
