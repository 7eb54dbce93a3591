import assert from "node:assert/strict";
import { once } from "node:events";
import type { OutgoingHttpHeaders } from "node:http2";
import { request as requestHttp1 } from "node:https";
import { test, type TestContext } from "node:test";
import type { Client, HttpHandler, HttpRequest, HttpResponse } from "../../ports/http.ts";
import {
  at,
  clientSession,
  emptyAddress,
  newMember,
  newMesh,
  newUser,
  roster,
  startNode,
  tlsOf,
  type ClientTls,
} from "./testbed.ts";

const everybody = (): boolean => true;

/** Answers with who asked. */
const sayClient: HttpHandler = (request, response, client) => {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ client, method: request.method, url: request.url }));
};

test("a user, a member, a member with a key of its own making and a stranger are told apart on HTTP/1.1 and HTTP/2", async (t) => {
  const mesh = await newMesh();
  const [self, member] = [await newMember(mesh), await newMember(mesh)];
  const thief = await newMember(mesh, { as: member.id });
  const a = await startNode(t, self, roster(self, member), sayClient);
  const others = await newMesh();
  const ca = mesh.authority.caPem;
  const cases: readonly { readonly tls: ClientTls; readonly expected: Client }[] = [
    {
      tls: await newUser(mesh, "ada, of=site + co", ["system:masters", "ops, night"]),
      expected: { type: "user", name: "ada, of=site + co", groups: ["system:masters", "ops, night"] },
    },
    {
      tls: tlsOf(member),
      expected: { type: "node", id: member.id, name: member.identity.node.name },
    },
    { tls: tlsOf(thief), expected: { type: "anonymous" } },
    {
      tls: { ...(await newUser(others, "mallory", ["system:masters"])), ca },
      expected: { type: "anonymous" },
    },
    {
      tls: await newUser(mesh, "late", ["system:masters"], new Date("2020-01-01T00:00:00Z")),
      expected: { type: "anonymous", outOfDate: true },
    },
    { tls: { ca }, expected: { type: "anonymous" } },
  ];
  for (const { tls, expected } of cases) {
    for (const ask of [overHttp1, overHttp2]) {
      const { status, body } = await ask(a.address, tls, "GET", "/version?x=1");
      assert.equal(status, 200);
      assert.deepEqual(JSON.parse(body), { client: expected, method: "GET", url: "/version?x=1" });
    }
  }
});

test("a request body of 1 MiB arrives whole over HTTP/1.1 and HTTP/2", async (t) => {
  const mesh = await newMesh();
  const a = await startNode(t, await newMember(mesh), everybody, echoLength);
  const body = Buffer.alloc(1024 * 1024, 1);
  for (const ask of [overHttp1, overHttp2]) {
    const answer = await ask(a.address, { ca: mesh.authority.caPem }, "POST", "/", body);
    assert.deepEqual(answer, { status: 200, body: String(body.length) });
  }
});

test("TLS 1.2 is refused", async (t) => {
  const mesh = await newMesh();
  const a = await startNode(t, await newMember(mesh), everybody, sayClient);
  const old: ClientTls = { ca: mesh.authority.caPem, maxVersion: "TLSv1.2" };
  await assert.rejects(overHttp1(a.address, old, "GET", "/"));
});

test("a member is asked as a member; an answer that breaks off, is too long or does not come rejects", async (t) => {
  const mesh = await newMesh();
  const [one, two] = [await newMember(mesh), await newMember(mesh)];
  const both = roster(one, two);
  const a = await startNode(t, one, both);
  const b = await startNode(t, two, both, (request, response, client) => {
    if (request.url === "/silent") return;
    if (request.url === "/long") return void response.end(Buffer.alloc(100_000));
    if (request.url === "/broken") return void response.destroy();
    sayClient(request, response, client);
  });
  const ask = (
    path: string,
    signal = AbortSignal.timeout(10_000),
  ): Promise<{ status: number; text: string }> => a.transport.ask(b.id, at(b.address), path, signal);
  const { status, text } = await ask("/x?y=1");
  const client = { type: "node", id: a.id, name: a.identity.node.name };
  assert.deepEqual([status, JSON.parse(text)], [200, { client, method: "GET", url: "/x?y=1" }]);
  await assert.rejects(ask("/long"), /too long/);
  await assert.rejects(ask("/broken"), /broke off/);
  await assert.rejects(ask("/silent", AbortSignal.timeout(100)), /no answer in time/);
  await assert.rejects(a.transport.ask(b.id, at(await emptyAddress()), "/", AbortSignal.abort()), /in time/);
  const nobody = a.transport.ask(
    "cccccccccccccccccccc",
    at(await emptyAddress()),
    "/",
    AbortSignal.timeout(5_000),
  );
  await assert.rejects(nobody);
});

test("a request is forwarded over a link that we dialled: method, path, body and headers there, answer back", async (t) => {
  const { front, back, ask, seen } = await frontAndBack(t, echoLength);
  front.transport.dial(back.id, [back.address]);
  await front.next("opened");
  const headers = { "content-type": "text/plain", authorization: "Bearer secret", "x-custom": "kept" };
  const answer = await ask("POST", "/api/v1/echo?a=b", Buffer.alloc(200_000), headers);
  assert.deepEqual(answer, { status: 200, body: "200000" });
  assert.equal(seen.length, 1);
  const [{ client, request }] = seen as [Seen];
  assert.deepEqual([request.method, request.url], ["POST", "/api/v1/echo?a=b"]);
  assert.equal(request.headers["x-custom"], "kept");
  assert.equal(request.headers["content-type"], "text/plain");
  assert.equal(request.headers.authorization, undefined);
  assert.deepEqual(client, { type: "node", id: front.id, name: front.identity.node.name });
});

test("a request is forwarded when the peer dialled the link, and when there is none", async (t) => {
  const { front, back, ask } = await frontAndBack(t, sayClient);
  assert.equal((await ask("GET", "/none")).status, 200);
  back.transport.dial(front.id, [front.address]);
  await front.next("opened");
  for (let at = 0; at < 5; at++) assert.equal((await ask("GET", `/link/${at}`)).status, 200);
});

test("a forwarded answer streams: each line arrives before the next is written, over HTTP/1.1 and HTTP/2", async (t) => {
  const answers: HttpResponse[] = [];
  const { front, mesh } = await frontAndBack(t, (_request, response) => {
    response.writeHead(200, { "content-type": "text/plain" });
    response.write("line 0\n");
    answers.push(response);
  });
  for (const open of [openHttp1, openHttp2]) {
    const answer = await open(t, front.address, { ca: mesh.authority.caPem }, "/logs?follow=true");
    const response = answers.pop();
    assert.ok(response !== undefined);
    for (let line = 0; line < 5; line++) {
      const [chunk] = await once(answer, "data");
      assert.equal(String(chunk), `line ${line}\n`);
      response.write(`line ${line + 1}\n`);
    }
    response.end();
    await once(answer, "end");
  }
});

test("an abort of the user ends the request at the member", async (t) => {
  const ended: Promise<unknown>[] = [];
  const { front, mesh } = await frontAndBack(t, (_request, response) => {
    ended.push(once(response, "close"));
    response.writeHead(200);
    response.write("begun\n");
  });
  for (const open of [openHttp1, openHttp2]) {
    const answer = await open(t, front.address, { ca: mesh.authority.caPem }, "/watch");
    answer.on("error", () => undefined);
    await once(answer, "data");
    answer.destroy();
    assert.equal(ended.length, 1);
    await ended.pop();
  }
});

test("an answer that the member breaks off reaches the user broken off, not whole", async (t) => {
  const { front, mesh } = await frontAndBack(t, (_request, response) => {
    response.writeHead(200);
    response.write("half of it");
    setImmediate(() => response.destroy(new Error("crash")));
  });
  for (const ask of [overHttp1, overHttp2]) {
    await assert.rejects(ask(front.address, { ca: mesh.authority.caPem }, "GET", "/"));
  }
});

test("a member that cannot be reached is answered with a Kubernetes Status: 502 refused, 504 without an address", async (t) => {
  const mesh = await newMesh();
  const nowhere = await emptyAddress();
  const front = await startNode(t, await newMember(mesh), everybody, (request, response) =>
    front.transport.forward(
      "f".repeat(20),
      request.url === "/refused" ? at(nowhere) : at(),
      request,
      response,
    ),
  );
  for (const [path, code] of [
    ["/refused", 502],
    ["/nowhere", 504],
  ] as const) {
    for (const ask of [overHttp1, overHttp2]) {
      const { status, body } = await ask(front.address, { ca: mesh.authority.caPem }, "GET", path);
      assert.equal(status, code);
      const { kind, apiVersion, code: inBody, status: outcome } = JSON.parse(body);
      assert.deepEqual([kind, apiVersion, inBody, outcome], ["Status", "v1", code, "Failure"]);
    }
  }
});

test("20 forwarded requests at once share one connection", async (t) => {
  const sockets = new Set<unknown>();
  const { ask } = await frontAndBack(t, (request, response, client) => {
    const { stream } = request as unknown as { stream: { session: { socket: { remotePort: number } } } };
    sockets.add(stream.session.socket.remotePort);
    sayClient(request, response, client);
  });
  const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => ask("GET", `/${at}`)));
  assert.ok(answers.every(({ status }) => status === 200));
  assert.equal(sockets.size, 1);
});

type Seen = { readonly request: HttpRequest; readonly client: Client };
type Answer = { readonly status: number; readonly body: string };

/** Two members: what is asked of the front is forwarded to the back, which answers with `handler`. */
async function frontAndBack(t: TestContext, handler: HttpHandler) {
  const mesh = await newMesh();
  const [frontMember, backMember] = [await newMember(mesh), await newMember(mesh)];
  const admits = roster(frontMember, backMember);
  const seen: Seen[] = [];
  const back = await startNode(t, backMember, admits, (request, response, client) => {
    seen.push({ request, client });
    handler(request, response, client);
  });
  const front = await startNode(t, frontMember, admits, (request, response) =>
    front.transport.forward(back.id, at(back.address), request, response),
  );
  const ask = (method: string, path: string, body?: Buffer, headers?: OutgoingHttpHeaders): Promise<Answer> =>
    overHttp2(front.address, { ca: mesh.authority.caPem }, method, path, body, headers);
  return { mesh, front, back, ask, seen };
}

function echoLength(request: HttpRequest, response: HttpResponse): void {
  let length = 0;
  request.on("data", (chunk: Buffer) => (length += chunk.length));
  request.on("end", () => {
    response.writeHead(200);
    response.end(String(length));
  });
}

function overHttp1(
  address: string,
  tls: ClientTls,
  method: string,
  path: string,
  body?: Buffer,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = requestHttp1(
      `https://${address}${path}`,
      { ...tls, method, servername: "localhost", agent: false },
      (response) => {
        let text = "";
        response.on("data", (chunk: Buffer) => (text += chunk.toString()));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text }));
        response.on("error", reject);
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

async function overHttp2(
  address: string,
  tls: ClientTls,
  method: string,
  path: string,
  body?: Buffer,
  headers: OutgoingHttpHeaders = {},
): Promise<Answer> {
  const session = clientSession(address, tls);
  try {
    const stream = session.request({ ...headers, ":method": method, ":path": path });
    stream.end(body);
    const [answer] = await once(stream, "response");
    let text = "";
    for await (const chunk of stream) text += String(chunk);
    if (stream.rstCode !== 0) throw new Error(`reset with ${stream.rstCode}`);
    return { status: Number(answer[":status"]), body: text };
  } finally {
    session.destroy();
  }
}

function openHttp1(
  t: TestContext,
  address: string,
  tls: ClientTls,
  path: string,
): Promise<NodeJS.ReadableStream & { destroy: () => void }> {
  return new Promise((resolve, reject) => {
    const request = requestHttp1(
      `https://${address}${path}`,
      { ...tls, servername: "localhost", agent: false },
      resolve,
    );
    t.after(() => request.destroy());
    request.on("error", reject);
    request.end();
  });
}

async function openHttp2(t: TestContext, address: string, tls: ClientTls, path: string) {
  const session = clientSession(address, tls);
  t.after(() => session.destroy());
  const stream = session.request({ ":path": path });
  await once(stream, "response");
  return stream;
}
