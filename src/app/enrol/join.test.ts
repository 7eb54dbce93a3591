import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { isNodeId } from "../../core/records/record.ts";
import { signerFromPem } from "../../shells/crypto-node/node-crypto.ts";
import { newRecordKey, newTlsKey } from "../../shells/identity-file/keys.ts";
import { loadIdentity } from "../../shells/identity-file/load-identity.ts";
import type { RunningAgent } from "../agent.ts";
import { explained, type AppError } from "../app-error.ts";
import { createTestBed } from "../testbed.ts";
import { createInvite, findEntry, type InviteOptions } from "./invite-book.ts";
import { decodeInvite, encodeInvite, type Invite } from "./invite.ts";
import { joinMesh, type JoinOptions } from "./join-mesh.ts";
import { joinPath, proveJoin, readJoinAnswer, readJoinRefusal, type JoinRequest } from "./join-request.ts";
import { postPinned } from "./pinned-connection.ts";

const bed = createTestBed();
after(() => bed.close());

let folders = 0;
const newFolder = (): string => bed.folder(`joiner-${++folders}`);

type Mesh = { readonly directory: string; readonly agent: RunningAgent };

async function startMesh(name: string): Promise<Mesh> {
  const directory = await bed.mesh(name, { mesh: name });
  return { directory, agent: await bed.agent(directory) };
}

function inviteTo({ directory, agent }: Mesh, change: Partial<InviteOptions> = {}): string {
  const addresses = [`127.0.0.1:${agent.port}`];
  return createInvite({ directory, addresses, ttlMs: 60_000, now: Date.now(), ...change });
}

function opened(text: string): Invite {
  const decoded = decodeInvite(text, 0);
  assert(decoded.ok);
  return decoded.value;
}

/** The explained failure of a join that must fail and leave nothing behind. */
async function failed(options: Partial<JoinOptions> & { readonly invite: string }): Promise<AppError> {
  const directory = newFolder();
  try {
    await joinMesh({ directory, nodeName: `n-${folders}`, addresses: [], ...options });
  } catch (error) {
    const known = explained(error);
    assert(known !== undefined, String(error));
    if (options.directory === undefined)
      assert.equal(existsSync(directory), false, "something was left behind");
    return known;
  }
  throw new Error("it did not fail");
}

const mesh = await startMesh("shop");

describe("joinMesh", () => {
  test("a newcomer becomes a member, knows its enroller and is linked to it after its start", async () => {
    const directory = newFolder();
    const invite = inviteTo(mesh, { site: "paris", region: "eu" });
    const node = await joinMesh({ invite, directory, nodeName: "paris-1", addresses: ["127.0.0.1:7450"] });
    assert.deepEqual(loadIdentity(directory).node, node);
    assert.equal(node.site, "paris");
    assert.equal(mesh.agent.view.member(node.id)?.member.name, "paris-1");
    const newcomer = await bed.agent(directory);
    assert.equal(newcomer.view.member(mesh.agent.identity.id)?.member.name, "shop");
    await until(() => newcomer.view.island().length === 2 && mesh.agent.view.island().includes(node.id));
    await until(() => newcomer.view.stateHash() === mesh.agent.view.stateHash());
  });

  test("a newcomer holds no CA key and cannot invite", async () => {
    const directory = newFolder();
    await joinMesh({ invite: inviteTo(mesh), directory, nodeName: "plain", addresses: [] });
    assert.deepEqual(readdirSync(directory), ["identity"]);
    const options = { directory, addresses: ["127.0.0.1:1"], ttlMs: 1_000, now: Date.now() };
    assert.throws(() => createInvite(options), { failure: { type: "not-an-enroller", directory } });
  });

  test("an invite for 1 node admits 1, one for 3 admits 3", async () => {
    const single = inviteTo(mesh);
    await joinMesh({ invite: single, directory: newFolder(), nodeName: "single-1", addresses: [] });
    // It must have been heard of, or its place would be given to whoever comes with its name.
    assert.equal((await failed({ invite: single, nodeName: "single-2" })).exitCode, 21);
    const triple = inviteTo(mesh, { uses: 3 });
    for (const nodeName of ["t-1", "t-2", "t-3"]) {
      await joinMesh({ invite: triple, directory: newFolder(), nodeName, addresses: [] });
    }
    const error = await failed({ invite: triple, nodeName: "t-4" });
    assert.equal(error.exitCode, 21);
    assert.match(error.what, /as many nodes as it allows \(3\)/);
  });

  test("of 5 joins at once with an invite for 2, exactly 2 succeed", async () => {
    const invite = inviteTo(mesh, { uses: 2 });
    const outcomes = await Promise.allSettled(
      [1, 2, 3, 4, 5].map((number) =>
        joinMesh({ invite, directory: newFolder(), nodeName: `race-${number}`, addresses: [] }),
      ),
    );
    assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 2);
  });

  test("a name that a member has is refused with exit code 25 and the use is not spent", async () => {
    const invite = inviteTo(mesh);
    const error = await failed({ invite, nodeName: "shop" });
    assert.equal(error.exitCode, 25);
    await joinMesh({ invite, directory: newFolder(), nodeName: "free-name", addresses: [] });
  });

  test("an expired invite is refused by the newcomer's clock, and else by the enroller's", async () => {
    const invite = inviteTo(mesh, { now: Date.now() - 70_000 });
    const early = await failed({ invite });
    assert.equal(early.exitCode, 21);
    assert.match(early.what, /expired at .*; this machine's clock says/);
    const slow = await failed({ invite, wall: () => Date.now() - 30_000 });
    assert.equal(slow.exitCode, 21);
    assert.match(slow.what, /refused: the invite expired at/);
  });

  test("a clock in 1970 is refused with both times, naming the newcomer's", async () => {
    const error = await failed({ invite: inviteTo(mesh), wall: () => 5_000 });
    assert.equal(error.exitCode, 23);
    assert.match(error.what, /newcomer's clock says 1970-01-01T00:00:05.*the newcomer's looks wrong/);
  });

  test("an invite of another mesh at our address is told as that, and the secret is not shown", async () => {
    const other = await startMesh("other");
    const theirs = opened(inviteTo(other));
    const invite = encodeInvite({ ...theirs, addresses: [`127.0.0.1:${mesh.agent.port}`] });
    const error = await failed({ invite });
    assert.equal(error.exitCode, 22);
    const { id } = mesh.agent.identity.mesh;
    assert.match(error.what, /this invite is for mesh other .*belongs to another mesh/);
    assert(error.what.includes(id));
  });

  test("a member that is not the enroller does not get to see the secret", async () => {
    const directory = newFolder();
    await joinMesh({ invite: inviteTo(mesh), directory, nodeName: "curious", addresses: [] });
    const curious = await bed.agent(directory);
    const invite = encodeInvite({ ...opened(inviteTo(mesh)), addresses: [`127.0.0.1:${curious.port}`] });
    const error = await failed({ invite });
    assert.equal(error.exitCode, 22);
    assert.match(error.what, /a node of the right mesh answers there, but not the one/);
  });

  test("an unknown secret is refused with exit code 21", async () => {
    const invite = encodeInvite({ ...opened(inviteTo(mesh)), secret: "A".repeat(32) });
    assert.equal((await failed({ invite })).exitCode, 21);
  });

  test("each address that fails is listed with its hop, and a later one still works", async () => {
    const deaf = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
    await new Promise((resolve) => deaf.once("listening", resolve));
    const { port } = deaf.address() as { readonly port: number };
    const good = opened(inviteTo(mesh));
    const bad = [`127.0.0.1:${port}`, "no-such-host.invalid:7443", "127.0.0.1:1"];
    const error = await failed({ invite: encodeInvite({ ...good, addresses: bad }) });
    assert.equal(error.exitCode, 24);
    assert.match(error.what, /failed at "tls"/);
    assert.match(error.what, /no-such-host\.invalid:7443: failed at "resolve"/);
    assert.match(error.what, /127\.0\.0\.1:1: failed at "tcp": .*nothing listens/);
    const invite = encodeInvite({ ...good, addresses: [...bad, ...good.addresses] });
    await joinMesh({ invite, directory: newFolder(), nodeName: "patient", addresses: [] });
    deaf.close();
  });

  test("a folder that belongs to a node is refused before anybody is asked", async () => {
    const invite = inviteTo(mesh);
    const error = await failed({ invite, directory: mesh.directory });
    assert.equal(error.exitCode, 16);
    assert.deepEqual(findEntry(mesh.directory, opened(invite).secret)?.joins, []);
  });

  test("other files of the data folder survive a failed and a successful join", async () => {
    const directory = newFolder();
    mkdirSync(directory);
    await assert.rejects(joinMesh({ invite: "starlight1.x.y", directory, nodeName: "x", addresses: [] }));
    await assert.rejects(joinMesh({ invite: inviteTo(mesh), directory, nodeName: "shop", addresses: [] }));
    assert.deepEqual(readdirSync(directory), []);
  });

  test("a server that breaks off after the request is asked once more and then reported", async () => {
    const { tls } = loadIdentity(mesh.directory);
    let asked = 0;
    const server = createTlsServer({ key: tls.keyPem, cert: tls.certificatePem, minVersion: "TLSv1.3" });
    server.on("secureConnection", (socket) => {
      socket.on("error", () => {});
      socket.once("data", () => {
        asked++;
        socket.destroy();
      });
    });
    server.listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as { readonly port: number };
    const invite = encodeInvite({ ...opened(inviteTo(mesh)), addresses: [`127.0.0.1:${port}`] });
    const error = await failed({ invite });
    server.close();
    assert.equal(error.exitCode, 24);
    assert.match(error.what, /failed at "answer"/);
    assert.equal(asked, 2);
  });
});

describe("the join endpoint", () => {
  const keys = (): { readonly sign: string; readonly tls: string } => ({
    sign: newRecordKey().privatePem,
    tls: newTlsKey().privatePem,
  });

  const claim = (invite: Invite, name: string) => ({
    meshId: invite.meshId,
    enroller: invite.enroller,
    secret: invite.secret,
    name,
    addresses: [],
    clock: Date.now(),
  });

  async function post(invite: Invite, body: Uint8Array | JoinRequest) {
    const bytes = body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body));
    const [address = ""] = invite.addresses;
    const posted = await postPinned(address, invite, joinPath, bytes, 1_000_000);
    assert(posted.ok, JSON.stringify(posted));
    return posted.value;
  }

  test("the same join again gets the same certificate and spends no second use", async () => {
    const invite = opened(inviteTo(mesh));
    const { sign, tls } = keys();
    const first = readJoinAnswer(
      (await post(invite, proveJoin(claim(invite, "twice"), signerFromPem(sign), tls))).body,
    );
    const again = readJoinAnswer(
      (await post(invite, proveJoin(claim(invite, "twice"), signerFromPem(sign), tls))).body,
    );
    assert.equal(first?.certificate, again?.certificate);
    assert.equal(findEntry(mesh.directory, invite.secret)?.joins.length, 1);
  });

  test("a newcomer killed before it saved its keys comes again with new ones and the same invite", async () => {
    const invite = opened(inviteTo(mesh));
    const lost = keys();
    const first = readJoinAnswer(
      (await post(invite, proveJoin(claim(invite, "phoenix"), signerFromPem(lost.sign), lost.tls))).body,
    );
    assert(first !== undefined && isNodeId(first.node.id));
    const directory = newFolder();
    const node = await joinMesh({
      invite: encodeInvite(invite),
      directory,
      nodeName: "phoenix",
      addresses: [],
    });
    assert.notEqual(node.id, first.node.id);
    assert.equal(mesh.agent.view.member(first.node.id), undefined, "the lost keys are revoked");
    assert.equal(mesh.agent.view.member(node.id)?.member.name, "phoenix");
  });

  test("whoever does not hold both keys is refused", async () => {
    const invite = opened(inviteTo(mesh));
    const [mine, other] = [keys(), keys()];
    const good = proveJoin(claim(invite, "thief"), signerFromPem(mine.sign), mine.tls);
    const theirs = proveJoin(claim(invite, "thief"), signerFromPem(other.sign), other.tls);
    const forged: readonly JoinRequest[] = [
      { ...good, signKey: theirs.signKey },
      { ...good, tlsKey: theirs.tlsKey },
      { ...good, name: "thief-2" },
      { ...good, tlsKey: Buffer.from("no key").toString("base64") },
      { ...good, proof: { ...good.proof, tls: "" } },
    ];
    for (const request of forged) {
      assert.equal(readJoinRefusal((await post(invite, request)).body)?.refusal, "proof");
    }
  });

  test("what is not a join request, or longer than 16 KiB, is refused as malformed", async () => {
    const invite = opened(inviteTo(mesh));
    for (const body of ["", "{", "[]", "{}", `"${"x".repeat(20_000)}"`, "[".repeat(10_000)]) {
      const answer = await post(invite, Buffer.from(body));
      assert.equal(answer.status, 400, body.slice(0, 20));
      assert.equal(readJoinRefusal(answer.body)?.refusal, "malformed");
    }
  });

  test("the invite's file holds no secret", () => {
    const invite = opened(inviteTo(mesh));
    const folder = join(mesh.directory, "enroller", "invites");
    const files = readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8"));
    assert(files.length > 0 && files.every((content) => !content.includes(invite.secret)));
  });
});

test("30 guesses from one address are answered, then `busy`, while good invites are never held up", async () => {
  const guarded = await startMesh("guarded");
  const invite = opened(inviteTo(guarded, { uses: 40 }));
  const keep: Promise<unknown>[] = [];
  for (let number = 1; number <= 40; number++) {
    keep.push(
      joinMesh({
        invite: encodeInvite(invite),
        directory: newFolder(),
        nodeName: `g-${number}`,
        addresses: [],
      }),
    );
  }
  await Promise.all(keep);
  const statuses: number[] = [];
  for (let number = 1; number <= 31; number++) {
    const posted = await postPinned(invite.addresses[0] ?? "", invite, joinPath, Buffer.from("{}"), 10_000);
    assert(posted.ok);
    statuses.push(posted.value.status);
  }
  assert.deepEqual(
    statuses.slice(0, 30),
    Array.from({ length: 30 }, () => 400),
  );
  assert.equal(statuses[30], 429);
});

test("an invite made before the enroller's agent restarted is still good, and spent ones stay spent", async () => {
  const again = await startMesh("again");
  const first = inviteTo(again, { uses: 2 });
  await joinMesh({ invite: first, directory: newFolder(), nodeName: "before", addresses: [] });
  await again.agent.stop();
  const restarted = { directory: again.directory, agent: await bed.agent(again.directory) };
  const addresses = [`127.0.0.1:${restarted.agent.port}`];
  const moved = encodeInvite({ ...opened(first), addresses });
  await joinMesh({ invite: moved, directory: newFolder(), nodeName: "after", addresses: [] });
  assert.equal((await failed({ invite: moved, nodeName: "late" })).exitCode, 21);
});

test("a revoked member is no member any more and its links are refused", async () => {
  const directory = newFolder();
  const node = await joinMesh({ invite: inviteTo(mesh), directory, nodeName: "fired", addresses: [] });
  const fired = await bed.agent(directory);
  await until(() => mesh.agent.view.island().includes(node.id));
  const revoked = await mesh.agent.revoke(node.id, "it was stolen");
  assert.deepEqual(revoked, { ok: true, value: undefined });
  assert.equal(mesh.agent.view.member(node.id), undefined);
  await fired.stop();
  const back = await bed.agent(directory);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.deepEqual(mesh.agent.view.island().includes(node.id), false);
  await back.stop();
});

async function until(condition: () => boolean): Promise<void> {
  for (let round = 0; round < 500; round++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail("it did not come true in 10 s");
}
