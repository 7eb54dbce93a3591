import assert from "node:assert/strict";
import { createServer } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { after, test } from "node:test";
import { loadIdentity } from "../../shells/identity-file/load-identity.ts";
import { createTestBed } from "../testbed.ts";
import { parts } from "../parts.ts";
import { checkJoin, type CheckOptions } from "./check-join.ts";
import { createInvite, findEntry } from "./invite-book.ts";
import { decodeInvite, encodeInvite, type Invite } from "./invite.ts";
import { joinMesh } from "./join-mesh.ts";

const bed = createTestBed();
after(() => bed.close());

const directory = await bed.mesh("shop", { mesh: "shop" });
const agent = await bed.agent(directory, { parts });

function made(
  change: Partial<Invite> = {},
  options: { readonly now?: number; readonly uses?: number } = {},
): string {
  const addresses = [`127.0.0.1:${agent.port}`];
  const line = createInvite({ directory, addresses, ttlMs: 60_000, now: Date.now(), ...options });
  const decoded = decodeInvite(line, 0);
  assert(decoded.ok);
  return encodeInvite({ ...decoded.value, ...change });
}

/** `hop: detail` of the failing hop, and its fix. */
async function failing(invite: string, options: Partial<CheckOptions> = {}): Promise<string> {
  const { failing: report } = await checkJoin({ invite, nodeName: "newcomer", ...options });
  assert.ok(report === undefined || report.fix !== "", `${report?.hop} has no fix`);
  return report === undefined ? "" : `${report.hop}: ${report.detail}`;
}

test("a good invite passes 8 hops, twice, and spends nothing", async () => {
  const invite = made();
  for (let round = 0; round < 2; round++) {
    const { addresses, failing: report } = await checkJoin({ invite, nodeName: "newcomer" });
    assert.equal(report, undefined);
    assert.deepEqual(
      addresses[0]?.hops.map(({ hop, outcome }) => `${hop} ${outcome}`),
      ["resolve ok", "route ok", "tcp ok", "tls ok", "fingerprint ok", "version ok", "clock ok", "invite ok"],
    );
  }
  const decoded = decodeInvite(invite, 0);
  assert.deepEqual(decoded.ok ? findEntry(directory, decoded.value.secret)?.joins : undefined, []);
  assert.equal(agent.view.members().length, 1);
});

test("each hop that fails is named, and those behind it are not tried", async () => {
  const deaf = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await new Promise((resolve) => deaf.once("listening", resolve));
  const { port } = deaf.address() as { readonly port: number };
  assert.match(
    await failing(made({ addresses: ["no-such-host.invalid:1"] })),
    /^resolve: the name no-such-host/,
  );
  assert.match(await failing(made({ addresses: ["127.0.0.1:1"] })), /^tcp: .*nothing listens/);
  assert.match(await failing(made({ addresses: [`127.0.0.1:${port}`] })), /^tls: something answers there/);
  assert.match(await failing(made({ ca: "0".repeat(64) })), /^fingerprint: this invite is for mesh shop/);
  assert.match(await failing(made(), { wall: () => 5_000 }), /^clock: the newcomer's clock says 1970/);
  assert.match(
    await failing(made({ secret: "A".repeat(32) })),
    /^invite: no invite of this node has that secret/,
  );
  assert.match(
    await failing(made(), { nodeName: "shop" }),
    /^invite: another member of the mesh is called shop/,
  );
  const taken = await checkJoin({ invite: made(), nodeName: "shop" });
  const wrong = await checkJoin({ invite: made({ ca: "0".repeat(64) }), nodeName: "x" });
  assert.deepEqual([taken.exitCode, wrong.exitCode], [25, 22]);
  const { addresses } = await checkJoin({ invite: made({ addresses: ["127.0.0.1:1"] }), nodeName: "x" });
  assert.deepEqual(
    addresses[0]?.hops.slice(3).map(({ outcome }) => outcome),
    Array(5).fill("skipped"),
  );
  deaf.close();
});

test("an invite that expired, is used up or is not whole fails at `invite`", async () => {
  const old = made({}, { now: Date.now() - 70_000 });
  assert.match(await failing(old), /^invite: the invite expired at/);
  assert.match(await failing(old, { wall: () => Date.now() - 30_000 }), /^invite: the invite expired at/);
  assert.match(await failing("starlight1.x"), /^invite: the invite is truncated/);
  const used = made();
  await joinMesh({ invite: used, directory: bed.folder("used"), nodeName: "used", addresses: [] });
  await bed.agent(bed.folder("used"));
  for (let tries = 0; agent.view.members().some(({ status }) => status === undefined); tries++) {
    assert.ok(tries < 500);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.match(await failing(used), /^invite: as many nodes as it allows \(1\) have joined/);
});

test("whoever proves to be the enroller and is no Starlight fails at `version`", async () => {
  const { tls } = loadIdentity(directory);
  const server = createTlsServer({ key: tls.keyPem, cert: tls.certificatePem, minVersion: "TLSv1.3" });
  server.on("secureConnection", (socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.end("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"));
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { readonly port: number };
  assert.match(await failing(made({ addresses: [`127.0.0.1:${port}`] })), /^version: whoever answers there/);
  server.close();
});

test("of two addresses the one that came further is blamed, and a place found nearby makes up for both", async () => {
  const invite = made({ addresses: ["no-such-host.invalid:1", "127.0.0.1:1"] });
  assert.match(await failing(invite), /^tcp: /);
  assert.equal(await failing(invite, { found: [`127.0.0.1:${agent.port}`] }), "");
});
