import assert from "node:assert/strict";
import { request as requestHttps } from "node:https";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { at, newMember, newMesh, roster, startNode } from "./testbed.ts";

/** The way to a member is gone, and no kernel says so: what was sent is never answered. */

/** A cable to a port. Once it is pulled nothing passes, and nothing ends. */
async function cableTo(t: TestContext, port: number) {
  const sockets: Socket[] = [];
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    for (const socket of [near, far]) socket.on("error", () => undefined);
    sockets.push(near, far);
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const pull = (): void => {
    for (const socket of sockets) socket.unpipe().pause();
  };
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, pull };
}

/** Two members, the front one of which passes on over a cable first, and then knows another address. */
async function overACable(t: TestContext) {
  const mesh = await newMesh();
  const [frontMember, backMember] = [await newMember(mesh), await newMember(mesh)];
  const admits = roster(frontMember, backMember);
  const asked: string[] = [];
  const back = await startNode(t, backMember, admits, (request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.end("here");
  });
  const cable = await cableTo(t, back.transport.port);
  let ways = at(cable.address);
  const front = await startNode(t, frontMember, admits, (request, response) =>
    front.transport.forward(back.id, ways, request, response),
  );
  const ask = (method: string, path: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const options = { method, ca: mesh.authority.caPem, servername: "localhost", agent: false } as const;
      const request = requestHttps(`https://${front.address}${path}`, options, (response) => {
        response.resume().on("end", () => resolve(`${response.statusCode}`));
      });
      request.on("error", reject);
      request.end(method === "POST" ? "body" : undefined);
    });
  assert.equal(await ask("GET", "/first"), "200");
  cable.pull();
  return { ask, asked, knowsAddress: () => (ways = at(back.address)) };
}

test("what only reads and was begun over a way that is gone is asked again over another, well before 30 s", async (t) => {
  const { ask, asked, knowsAddress } = await overACable(t);
  knowsAddress();
  assert.equal(await ask("GET", "/second"), "200");
  assert.deepEqual(asked, ["GET /first", "GET /second"]);
});

test("what writes is not sent twice: it fails with 502 as soon as the way is known to be gone", async (t) => {
  const { ask, asked, knowsAddress } = await overACable(t);
  knowsAddress();
  assert.equal(await ask("POST", "/write"), "502");
  assert.deepEqual(asked, ["GET /first"]);
  assert.equal(await ask("POST", "/write"), "200");
});
