import assert from "node:assert/strict";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request as httpsRequest } from "node:https";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { StorageError } from "../ports/storage.ts";
import { IdentityError } from "../shells/identity-file/identity-error.ts";
import { newTlsKey } from "../shells/identity-file/keys.ts";
import { findAgent } from "./agent-file.ts";
import { explained } from "./app-error.ts";
import { decodeInvite } from "./enrol/invite.ts";
import { joinMesh } from "./enrol/join-mesh.ts";
import { issueUser } from "./issue-user.ts";
import { repairStore } from "../shells/storage-sqlite/maintenance.ts";
import { createTestBed } from "./testbed.ts";
import { createToken } from "./tokens.ts";

const bed = createTestBed();
after(() => bed.close());

const configMap = { group: "", kind: "ConfigMap", namespace: "default", name: "note" } as const;
const change = {
  type: "update",
  ref: configMap,
  value: {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "note", namespace: "default" },
    data: { a: "1" },
  },
  manager: "test",
  class: "user",
  mode: "upsert",
} as const;

describe("an agent in this process", () => {
  test("what was acknowledged is there after a restart", async () => {
    const directory = await bed.mesh("durable");
    const first = await bed.agent(directory);
    const reply = await first.driver.write([change], "me", { dryRun: false });
    assert(reply.ok, JSON.stringify(reply));
    assert.deepEqual(reply.value.durability, { local: true, site: { have: 1, of: 1 } });
    await first.stop();
    const second = await bed.agent(directory);
    assert.equal(second.view.object(configMap)?.exists, true);
  });

  test("with a lost database it is still a member, from its introduction", async () => {
    const directory = await bed.mesh("amnesia");
    await (await bed.agent(directory)).stop();
    for (const name of readdirSync(directory)) {
      if (name.startsWith("state.db")) rmSync(join(directory, name));
    }
    const agent = await bed.agent(directory);
    assert.equal(agent.view.member(agent.identity.id)?.member.name, "amnesia");
  });

  test("writes where it listens while it runs, and takes that back when it stops", async () => {
    const directory = await bed.mesh("found");
    const agent = await bed.agent(directory);
    const found = findAgent(directory);
    assert.equal(found?.port, agent.port);
    assert.equal(found?.local, `127.0.0.1:${agent.port}`);
    assert.equal(found?.pid, process.pid);
    await agent.stop();
    assert.equal(findAgent(directory), undefined);
  });

  test("stops twice without harm and frees its port and its folder", async () => {
    const directory = await bed.mesh("restart");
    const first = await bed.agent(directory);
    await Promise.all([first.stop(), first.stop()]);
    const again = await bed.agent(directory, { flags: { listen: `127.0.0.1:${first.port}` } });
    assert.equal(again.port, first.port);
  });

  test("a start that fails at the port leaves nothing open: the folder can be used at once", async () => {
    const directory = await bed.mesh("half");
    const taken = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => taken.once("listening", resolve));
    const { port } = taken.address() as { readonly port: number };
    await assert.rejects(bed.agent(directory, { flags: { listen: `127.0.0.1:${port}` } }));
    assert.equal(existsSync(join(directory, "agent.json")), false);
    await bed.agent(directory);
    taken.close();
  });

  test("a key that others may read is logged as a warning, and the agent starts", async () => {
    const directory = await bed.mesh("careless");
    chmodSync(join(directory, "identity", "tls.key"), 0o640);
    const lines: string[] = [];
    await bed.agent(directory, { writeLog: (line) => lines.push(line) });
    assert.match(lines.join(""), /warning Configuration: .*tls\.key can be read by others .*mode 640/);
  });

  test("json log lines are one JSON object each and levels below the wanted one are left out", async () => {
    const directory = await bed.mesh("logs");
    const lines: string[] = [];
    const flags = { logFormat: "json", logLevel: "warning" };
    const agent = await bed.agent(directory, { flags, writeLog: (line) => lines.push(line) });
    agent.driver.note({ level: "info", reason: "Quiet", message: "not to be seen" });
    agent.driver.note({ level: "error", reason: "Loud", message: "two\nlines" });
    const parsed = lines.map(
      (line) => JSON.parse(line) as { readonly reason: string; readonly node: string },
    );
    assert.deepEqual(
      parsed.map(({ reason }) => reason),
      ["Loud"],
    );
    assert.equal(parsed[0]?.node, "logs");
    assert.equal(
      agent.driver.notes().some(({ reason }) => reason === "Quiet"),
      true,
    );
  });
});

describe("the routes for members and invites", async () => {
  const directory = await bed.mesh("office");
  const agent = await bed.agent(directory);
  const file = (...parts: readonly string[]): Buffer => readFileSync(join(directory, ...parts));
  const admin = { key: file("admin", "admin.key"), cert: file("admin", "admin.crt") };

  type Reply = { readonly status: number; readonly body: { readonly [key: string]: unknown } };

  function post(
    path: string,
    body: unknown,
    as: { key?: Buffer | string; cert?: Buffer | string; token?: string } = {},
  ) {
    const { token, ...credentials } = as;
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    return new Promise<Reply>((resolve, reject) => {
      const request = httpsRequest({
        host: "127.0.0.1",
        port: agent.port,
        path,
        method: "POST",
        headers,
        ca: file("identity", "ca.crt"),
        servername: "starlight",
        agent: false,
        ...credentials,
      });
      request.on("error", reject);
      request.on("response", (response) => {
        let text = "";
        response.on("data", (chunk: Buffer) => (text += chunk.toString()));
        response.on("end", () => {
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Reply["body"] });
        });
      });
      request.end(JSON.stringify(body));
    });
  }

  test("the administrator's certificate gets an invite that admits a node", async () => {
    const { status, body } = await post("/starlight/v1/invites", { site: "attic" }, admin);
    assert.equal(status, 201);
    const invite = String(body["invite"]);
    const node = await joinMesh({
      invite,
      directory: bed.folder("attic"),
      nodeName: "attic-1",
      addresses: [],
    });
    assert.equal(node.site, "attic");
    const revoked = await post("/starlight/v1/revocations", { node: "attic-1", reason: "sold" }, admin);
    assert.equal(revoked.status, 200);
    assert.equal(agent.view.member(node.id), undefined);
  });

  test("strangers, other users and unknown tokens are refused with 403", async () => {
    const guest = await issueUser({
      directory,
      name: "guest",
      groups: ["viewers"],
      server: `127.0.0.1:${agent.port}`,
      days: 1,
      now: Date.now(),
    });
    const data = (name: string): Buffer =>
      Buffer.from(new RegExp(`${name}: (\\S+)`).exec(guest)?.[1] ?? "", "base64");
    const credentials = { key: data("client-key-data"), cert: data("client-certificate-data") };
    const token = createToken(directory, { name: "ci", groups: ["builders"] }, Date.now());
    for (const as of [{}, credentials, { token }, { token: `starlight-${"A".repeat(43)}` }, { token: "x" }]) {
      for (const path of [
        "invites",
        "revocations",
        "leave",
        "bundle/export",
        "bundle/heads",
        "bundle/import",
      ]) {
        assert.equal((await post(`/starlight/v1/${path}`, {}, as)).status, 403, path);
      }
    }
  });

  test("a token of system:masters works from the moment it was made, and its file holds no token", async () => {
    const token = createToken(directory, { name: "root", groups: ["system:masters"] }, Date.now());
    const { status, body } = await post("/starlight/v1/invites", { ttlMs: 5_000 }, { token });
    assert.equal(status, 201);
    const decoded = decodeInvite(String(body["invite"]), Date.now());
    assert(decoded.ok && decoded.value.expiresAt <= Date.now() + 5_000);
    assert.equal(file("tokens.json").includes(token), false);
  });

  test("a body of the wrong shape is 400, a bad value 422 with the reason, an unknown member 404", async () => {
    assert.equal((await post("/starlight/v1/invites", { uses: "many" }, admin)).status, 400);
    const bad = await post("/starlight/v1/invites", { site: "No Site" }, admin);
    assert.equal(bad.status, 422);
    assert.match(String(bad.body["detail"]), /the site "No Site" is not a name/);
    for (const [order, reason] of [
      [{ uses: 5_000 }, /uses 5000: an invite is for 1 to 1000 machines/],
      [{ uses: 0 }, /uses 0: an invite is for 1 to 1000 machines/],
      [{ ttlMs: 91 * 86_400_000 }, /ttlMs 7862400000: .* 1 to 7776000000 ms, which is 2160h or 90 days/],
      [{ ttlMs: 0 }, /ttlMs 0: /],
    ] as const) {
      const refused = await post("/starlight/v1/invites", order, admin);
      assert.equal(refused.status, 422);
      assert.match(String(refused.body["detail"]), reason);
    }
    const portless = await post("/starlight/v1/invites", { addresses: ["10.0.0.5"] }, admin);
    assert.equal(portless.status, 422, "an invite with it could not be read");
    assert.match(String(portless.body["detail"]), /"10\.0\.0\.5" is not an address: write host:port/);
    assert.equal((await post("/starlight/v1/revocations", { node: "nobody" }, admin)).status, 404);
  });

  test("what is not a bundle is 422 with the reason", async () => {
    const letter = await post("/starlight/v1/bundle/import", { dear: "node" }, admin);
    assert.equal(letter.status, 422);
    assert.match(String(letter.body["detail"]), /not a file that `starlight bundle` wrote/);
    assert.deepEqual(readdirSync(join(directory, "incoming")), []);
    const heads = await post("/starlight/v1/bundle/export", { not: "heads" }, admin);
    assert.equal(heads.status, 422);
  });

  test("everything else goes to the API with the client that TLS proved", async () => {
    const { status, body } = await post("/api/v1/nodes", {}, admin);
    assert.equal(status, 200);
    assert.deepEqual(body, { type: "user", name: "admin", groups: ["system:masters"] });
  });
});

describe("the agent as a process", () => {
  test("SIGTERM ends it with 0 and takes agent.json back", async () => {
    const directory = await bed.mesh("term");
    const agent = bed.process(directory);
    await agent.said(/AgentStarted/);
    agent.child.kill("SIGTERM");
    assert.equal((await agent.exit).code, 0);
    assert.equal(existsSync(join(directory, "agent.json")), false);
  });

  test("after kill -9 the next one starts on the same folder, and the stale agent.json fools nobody", async () => {
    const directory = await bed.mesh("killed");
    const first = bed.process(directory);
    await first.said(/AgentStarted/);
    first.child.kill("SIGKILL");
    assert.equal((await first.exit).signal, "SIGKILL");
    assert.equal(existsSync(join(directory, "agent.json")), true);
    assert.equal(findAgent(directory), undefined);
    const second = bed.process(directory);
    await second.said(/AgentStarted/);
    assert.equal(findAgent(directory)?.pid, second.child.pid);
  });

  test("a second signal ends it at once when stopping takes too long", async () => {
    const directory = await bed.mesh("stubborn");
    const agent = bed.process(directory, { TEST_DETACH_HANGS: "1" });
    await agent.said(/AgentStarted/);
    agent.child.kill("SIGTERM");
    await agent.said(/Detaching/);
    agent.child.kill("SIGTERM");
    assert.equal((await agent.exit).signal, "SIGTERM");
  });

  test("an empty folder ends it with 10 and says what to do", async () => {
    const { code, stderr } = await bed.process(bed.folder("nothing")).exit;
    assert.equal(code, 10);
    assert.match(stderr, /holds no identity\nMake a mesh with `starlight init`/);
  });

  test("a port that is taken ends it with 11 and names the port", async () => {
    const directory = await bed.mesh("taken");
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as { readonly port: number };
    const { code, stderr } = await bed.process(directory, { STARLIGHT_LISTEN: `127.0.0.1:${port}` }).exit;
    server.close();
    assert.equal(code, 11);
    assert.match(stderr, new RegExp(`cannot listen on 127\\.0\\.0\\.1:${port}`));
  });

  test("a second agent on one folder ends with 12, names the first, and the first goes on", async () => {
    const directory = await bed.mesh("locked");
    const agent = await bed.agent(directory);
    const { code, stderr } = await bed.process(directory).exit;
    assert.equal(code, 12);
    assert.match(stderr, new RegExp(`in use by process ${process.pid}`));
    assert.equal(findAgent(directory)?.port, agent.port);
  });

  test("a damaged database ends it with 13, is not touched, and the way out works", async () => {
    const directory = await bed.mesh("damaged");
    const database = join(directory, "state.db");
    writeFileSync(database, "this is not a database, it is a text of some length".repeat(100));
    const before = readFileSync(database);
    const { code, stderr } = await bed.process(directory).exit;
    assert.equal(code, 13);
    assert.match(stderr, /is damaged.*\n.*\nRun `starlight store repair`/);
    assert.deepEqual(readFileSync(database), before);
    repairStore(database, undefined, Date.now());
    await bed.process(directory).said(/AgentStarted/);
  });

  test("keys that do not match end it with 15 and name the file", async () => {
    const directory = await bed.mesh("broken");
    writeFileSync(join(directory, "identity", "tls.key"), newTlsKey().privatePem);
    const { code, stderr } = await bed.process(directory).exit;
    assert.equal(code, 15);
    assert.match(stderr, /tls\.crt: the certificate and tls\.key do not match/);
  });

  test("a typo in config.yaml ends it with 2 and the key that was meant", async () => {
    const directory = await bed.mesh("typo");
    writeFileSync(join(directory, "config.yaml"), "pingEveryMs2: 100\n");
    const { code, stderr } = await bed.process(directory).exit;
    assert.equal(code, 2);
    assert.match(stderr, /unknown key pingEveryMs2, did you mean pingEveryMs\?/);
  });
});

test("a full disk is exit code 14, whether the database or another file met it; a bug has none", () => {
  const full: readonly Error[] = [
    new StorageError({ type: "full", path: "/data/state.db" }),
    new StorageError({ type: "io", path: "/data/state.db.lock", detail: "ENOSPC" }),
    new IdentityError({ type: "io", path: "/data/agent.json", code: "ENOSPC" }),
  ];
  for (const error of full) assert.equal(explained(error)?.exitCode, 14);
  assert.equal(explained(new Error("a bug")), undefined);
});
