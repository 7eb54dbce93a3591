import assert from "node:assert/strict";
import { connect, type ClientHttp2Session, type OutgoingHttpHeaders } from "node:http2";
import { Readable, Writable } from "node:stream";
import { test, type TestContext } from "node:test";
import { connect as connectTls } from "node:tls";
import type { HttpHandler, HttpRequest, HttpResponse } from "../../ports/http.ts";
import { relayStreamsMax } from "./relay.ts";
import type { TransportOptions } from "./create-transport.ts";
import { at, newMember, newMesh, startNode, type Mesh, type RunningNode } from "./testbed.ts";

/** Ways to a member that nobody can dial: in reverse over its own link, and through a relay. */

const everybody = (): boolean => true;
const patience = (): AbortSignal => AbortSignal.timeout(10_000);
const sayName =
  (name: string): HttpHandler =>
  (request, response, client) => {
    response.writeHead(200);
    response.end(JSON.stringify({ name, url: request.url, by: client.type === "node" ? client.id : "" }));
  };

test("a node that nobody can dial is asked over the link it opened, in reverse, 100 times at once", async (t) => {
  const { a: hidden, b: open } = await linked(t);
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, number) =>
      open.transport.ask(hidden.id, at(), `/x?${number}`, patience()),
    ),
  );
  for (const [number, { status, text }] of answers.entries())
    assert.deepEqual([status, JSON.parse(text)], [200, { name: "a", url: `/x?${number}`, by: open.id }]);
});

test("a node that its peer does not admit any more is nobody in reverse too", async (t) => {
  let admitted = true;
  const { a: hidden, b: open } = await linked(t, { a: () => admitted });
  assert.equal(JSON.parse((await open.transport.ask(hidden.id, at(), "/", patience())).text).by, open.id);
  admitted = false;
  assert.equal(JSON.parse((await open.transport.ask(hidden.id, at(), "/", patience())).text).by, "");
});

test("nobody may open a session in reverse that was not asked for", async (t) => {
  const { a, b } = await linked(t);
  const { status } = await post(a, b, "/starlight/v1/reverse");
  assert.equal(status, 409);
});

test("a request reaches a member that cannot be dialled through a third one, which sees none of it", async (t) => {
  const seen: string[] = [];
  const { a, b, c } = await chain(t, (name) => (request, response, client) => {
    seen.push(`${name} ${request.url ?? ""}`);
    sayName(name)(request, response, client);
  });
  const { text } = await a.transport.ask(c.id, { addresses: [], relays: [b.id] }, "/deep", patience());
  assert.deepEqual(JSON.parse(text), { name: "c", url: "/deep", by: a.id });
  assert.deepEqual(seen, ["c /deep"]);
  assert.equal(c.count("opened"), 1);
});

test("the second relay is taken when the first has no link with the peer", async (t) => {
  const { a, b, c, mesh } = await chain(t);
  const d = await startNode(t, await newMember(mesh), everybody);
  a.transport.dial(d.id, [d.address]);
  await a.next("opened");
  a.transport.dial(c.id, [], [d.id, b.id]);
  assert.equal((await a.next("opened")).via, b.id);
  assert.equal(a.count("dialFailed"), 0);
});

test("over a relayed link the end that did not open it asks in reverse", async (t) => {
  const { a, b, c } = await chain(t);
  a.transport.dial(c.id, [], [b.id]);
  await Promise.all([a.next("opened"), c.next("opened")]);
  const { text } = await c.transport.ask(a.id, at(), "/back", patience());
  assert.deepEqual(JSON.parse(text), { name: "a", url: "/back", by: c.id });
});

test("a relay carries nobody on over a relayed link", async (t) => {
  const { a, b, c, mesh } = await chain(t);
  const d = await startNode(t, await newMember(mesh), everybody);
  a.transport.dial(c.id, [], [b.id]);
  d.transport.dial(a.id, [a.address]);
  await Promise.all([a.next("opened"), d.next("opened")]);
  const asked = d.transport.ask(c.id, { addresses: [], relays: [a.id] }, "/", patience());
  await assert.rejects(asked, /no link with it/);
});

test("a relay refuses with the reason: none wanted, no link, itself, no id, a stranger", async (t) => {
  const { a, b, c, mesh } = await chain(t, sayName, { b: { relayBytesPerSecond: 0 } });
  const to = (id: string): Promise<{ status: number; text: string }> =>
    post(a, b, "/starlight/v1/relay", { "starlight-to": id });
  assert.deepEqual(await to(c.id), { status: 403, text: "this node does not relay" });
  const { a: e, b: f } = await linked(t, {}, mesh);
  const via = (id: string): Promise<{ status: number; text: string }> =>
    post(e, f, "/starlight/v1/relay", { "starlight-to": id });
  assert.deepEqual(await via(c.id), { status: 502, text: "no link with it" });
  assert.deepEqual(await via(e.id), { status: 400, text: "starlight-to: that is you" });
  assert.deepEqual(await via("x"), { status: 400, text: "starlight-to: give a node id" });
});

test(`a relay carries ${relayStreamsMax.perMember} streams for a member and refuses the next until one ends`, async (t) => {
  const { a, b, c } = await chain(t);
  const session = await sessionTo(a, b);
  const open = async (): Promise<{ status: number; close: () => Promise<void> }> => {
    const stream = session.request(
      { ":method": "POST", ":path": "/starlight/v1/relay", "starlight-to": c.id },
      { endStream: false },
    );
    stream.on("error", () => undefined);
    stream.resume();
    const status = await new Promise<number>((resolve) =>
      stream.once("response", (headers) => resolve(Number(headers[":status"]))),
    );
    const closed = new Promise<void>((resolve) => stream.once("close", resolve));
    const close = async (): Promise<void> => {
      stream.close();
      await closed;
    };
    return { status, close };
  };
  const opened = [];
  for (let number = 0; number < relayStreamsMax.perMember; number++) opened.push(await open());
  assert.ok(opened.every(({ status }) => status === 200));
  assert.equal((await open()).status, 429);
  await opened[0]?.close();
  assert.equal((await open()).status, 200);
});

test("a reader that takes nothing stops the sender within 2 MiB on the whole path, and then gets all 16", async (t) => {
  let sent = 0;
  const big: HttpHandler = (_request, response) => {
    response.writeHead(200);
    const chunk = Buffer.alloc(65_536);
    const more = (): void => {
      while (sent < 16 * 2 ** 20 && !response.destroyed) {
        sent += chunk.length;
        if (!response.write(chunk)) return void response.once("drain", more);
      }
      response.end();
    };
    more();
  };
  const { a, b, c } = await chain(t, (name) => (name === "c" ? big : sayName(name)));
  const paused = forwardedPaused(a, c.id, b.id);
  for (let last = -1; last !== sent;) {
    last = sent;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  assert.ok(sent > 0 && sent < 3 * 2 ** 20, `${sent} bytes were taken from the sender`);
  assert.equal(await paused.rest(), 16 * 2 ** 20);
});

test("the link policy's reason is what a dial fails with, whichever end forbids it", async (t) => {
  const mesh = await newMesh();
  const [one, two] = [await newMember(mesh), await newMember(mesh)];
  const strict = { forbids: () => "link policy forbids berlin -> paris" };
  const a = await startNode(t, one, everybody);
  const b = await startNode(t, two, everybody, undefined, "127.0.0.1", strict);
  a.transport.dial(b.id, [b.address]);
  const told = await a.next("dialFailed");
  assert.deepEqual([told.why, told.detail], ["untrusted", "it says: link policy forbids berlin -> paris"]);
  b.transport.dial(a.id, [a.address]);
  assert.equal((await b.next("dialFailed")).detail, "link policy forbids berlin -> paris");
  await assert.rejects(a.transport.ask(b.id, at(b.address), "/", patience()).then(forbidden), /403/);
  assert.equal(b.count("opened") + a.count("opened"), 0);
});

test("a link on an address that the machine lost is given up at once as silent, others stay", async (t) => {
  const { a, b } = await linked(t);
  a.transport.hostsChanged(new Set(["127.0.0.1"]));
  await a.quiet();
  assert.equal(a.count("closed"), 0);
  a.transport.hostsChanged(new Set(["10.9.9.9"]));
  assert.equal((await a.next("closed")).end, "silent");
  assert.equal((await b.next("closed")).end, "closed");
});

async function forbidden({ status }: { readonly status: number }): Promise<void> {
  assert.notEqual(status, 403, "403");
}

type Pair = { readonly a: RunningNode; readonly b: RunningNode; readonly mesh: Mesh };

/** `a` opened a link with `b`; nobody knows an address of `a`. */
async function linked(
  t: TestContext,
  admits: { readonly a?: () => boolean } = {},
  held?: Mesh,
): Promise<Pair> {
  const mesh = held ?? (await newMesh());
  const a = await startNode(t, await newMember(mesh), admits.a ?? everybody, sayName("a"));
  const b = await startNode(t, await newMember(mesh), everybody, sayName("b"));
  a.transport.dial(b.id, [b.address]);
  await Promise.all([a.next("opened"), b.next("opened")]);
  return { a, b, mesh };
}

/** `a` and `c` each opened a link with `b`. */
async function chain(
  t: TestContext,
  handler: (name: string) => HttpHandler = sayName,
  more: { readonly [name: string]: Partial<TransportOptions> } = {},
): Promise<Pair & { readonly c: RunningNode }> {
  const mesh = await newMesh();
  const start = async (name: string): Promise<RunningNode> =>
    startNode(t, await newMember(mesh), everybody, handler(name), "127.0.0.1", more[name]);
  const [a, b, c] = [await start("a"), await start("b"), await start("c")];
  for (const node of [a, c]) {
    node.transport.dial(b.id, [b.address]);
    await Promise.all([node.next("opened"), b.next("opened")]);
  }
  return { a, b, c, mesh };
}

/** A bare HTTP/2 session as the member `from`. */
async function sessionTo(from: RunningNode, to: RunningNode): Promise<ClientHttp2Session> {
  const { tls } = from.identity;
  const { port, hostname } = new URL(`https://${to.address}`);
  const session = connect("https://starlight", {
    createConnection: () =>
      connectTls({
        host: hostname,
        port: Number(port),
        key: tls.keyPem,
        cert: tls.certificatePem,
        ca: tls.caPem,
        ALPNProtocols: ["h2"],
        checkServerIdentity: () => undefined,
      }),
  });
  session.on("error", () => undefined);
  await new Promise((resolve) => session.once("connect", resolve));
  return session;
}

async function post(
  from: RunningNode,
  to: RunningNode,
  path: string,
  headers: OutgoingHttpHeaders = {},
): Promise<{ readonly status: number; readonly text: string }> {
  const session = await sessionTo(from, to);
  const stream = session.request({ ...headers, ":method": "POST", ":path": path }, { endStream: false });
  return new Promise((resolve) => {
    let status = 0;
    let text = "";
    stream.on("response", (answer) => (status = Number(answer[":status"])));
    stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    stream.on("end", () => {
      session.destroy();
      resolve({ status, text: text.trim() });
    });
  });
}

/** A forwarded request whose asker takes nothing until `rest`, which takes it all and counts. */
function forwardedPaused(
  from: RunningNode,
  to: string,
  via: string,
): { readonly rest: () => Promise<number> } {
  let bytes = 0;
  let go: (() => void) | undefined;
  let flowing = false;
  const response = new Writable({
    write: (chunk: Buffer, _encoding, taken) => {
      bytes += chunk.length;
      if (flowing) taken();
      else go = taken;
    },
  });
  Object.assign(response, { headersSent: false, writeHead: () => undefined });
  const request = Object.assign(Readable.from([]), { method: "GET", url: "/big", headers: {} });
  from.transport.forward(
    to,
    { addresses: [], relays: [via] },
    request as unknown as HttpRequest,
    response as unknown as HttpResponse,
  );
  return {
    rest: async () => {
      flowing = true;
      go?.();
      await new Promise((resolve) => response.once("finish", resolve));
      return bytes;
    },
  };
}
