import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import * as fc from "fast-check";
import { memberBody } from "../../core/records/bodies.ts";
import { memberKey } from "../../core/records/keys.ts";
import { bodyOf, nodeIdOf } from "../../core/records/record.ts";
import { openStored } from "../../core/records/seal.ts";
import { refusalOf } from "../../core/trust/authorise.ts";
import { nodeCrypto } from "../crypto-node/node-crypto.ts";
import { commitFolder } from "./durable-files.ts";
import { formatAddress, parseAddress } from "./address.ts";
import { IdentityError, type IdentityFailure } from "./identity-error.ts";
import { initMesh, type InitOptions } from "./init-mesh.ts";
import { packFrames, unpackFrames } from "./introduction.ts";
import { isEnroller, loadIdentity, loadIntroduction } from "./load-identity.ts";
import { newTlsKey } from "./keys.ts";

const root = mkdtempSync(join(tmpdir(), "starlight-identity-"));
after(() => rmSync(root, { recursive: true, force: true }));

let folders = 0;
const newFolder = (): string => join(root, `data-${++folders}`);
const now = Date.UTC(2026, 10, 1);

function options(change: Partial<InitOptions> = {}): InitOptions {
  const base = { meshName: "shop", nodeName: "berlin-1", site: "berlin", region: "eu", now };
  const addresses = ["10.0.0.5:7443", "[fd00::5]:7443", "berlin.example:7443"];
  return { directory: newFolder(), addresses, ...base, ...change };
}

async function failureOf(work: () => unknown): Promise<IdentityFailure> {
  try {
    await work();
  } catch (error) {
    assert(error instanceof IdentityError, String(error));
    return error.failure;
  }
  throw new Error("it did not fail");
}

describe("initMesh", () => {
  test("an identity that was made is loaded again, whole and without warnings", async () => {
    const made = options();
    const { node } = await initMesh(made);
    const loaded = loadIdentity(made.directory);
    assert.deepEqual(loaded.node, node);
    assert.equal(node.id, nodeIdOf(loaded.signer.publicKey, nodeCrypto));
    assert.equal(node.mesh.id, nodeIdOf(node.mesh.rootKey, nodeCrypto));
    assert.deepEqual(loaded.warnings, []);
    assert.equal(isEnroller(made.directory), true);
  });

  test("the first roster record is signed by the root and admits the node with enrol and write", async () => {
    const { directory } = options();
    const { node } = await initMesh(options({ directory }));
    const [frame, ...more] = loadIntroduction(directory);
    assert.equal(more.length, 0);
    const opened = openStored(frame ?? new Uint8Array(), nodeCrypto);
    assert(opened.ok);
    assert.equal(opened.value.key, memberKey(node.id));
    assert.deepEqual(memberBody(bodyOf(opened.value))?.grants, ["enrol", "write"]);
    const root = { id: node.mesh.id, publicKey: node.mesh.rootKey };
    const trust = { root, member: () => undefined, detail: "mesh", goneSince: () => undefined } as const;
    assert.equal(refusalOf(opened.value, trust, nodeCrypto), undefined);
  });

  test("the certificate names the node, its addresses and `starlight`, and is valid from 1970 on", async () => {
    const { directory } = options();
    const { node } = await initMesh(options({ directory }));
    const { tls } = loadIdentity(directory);
    const certificate = new X509Certificate(tls.certificatePem);
    assert(certificate.subjectAltName?.includes(`URI:spiffe://${node.mesh.id}/node/${node.id}`));
    for (const host of ["berlin-1", "starlight", "localhost", "berlin.example"]) {
      assert.equal(certificate.checkHost(host), host);
    }
    for (const ip of ["10.0.0.5", "127.0.0.1"]) assert.equal(certificate.checkIP(ip), ip);
    assert.notEqual(certificate.checkIP("fd00::5"), undefined);
    assert.equal(certificate.validFromDate.getTime(), 0);
    assert(certificate.checkIssued(new X509Certificate(tls.caPem)));
  });

  test("the administrator's certificate is for admin in system:masters, for 365 days, and is no server", async () => {
    const { directory } = options();
    await initMesh(options({ directory }));
    const certificate = new X509Certificate(readFileSync(join(directory, "admin", "admin.crt")));
    assert.equal(certificate.subject, "CN=admin\nO=system:masters");
    assert.equal(certificate.validToDate.getTime(), now + 365 * 86_400_000);
    assert.equal(certificate.subjectAltName, undefined);
    const kubeconfig = readFileSync(join(directory, "admin", "kubeconfig"), "utf8");
    assert.match(kubeconfig, /server: https:\/\/10\.0\.0\.5:7443\n {6}tls-server-name: starlight\n/);
  });

  test("an address without a port gets 7443, where the agent listens, in the kubeconfig", async () => {
    for (const [address, server] of [
      ["127.0.0.1", "127.0.0.1:7443"],
      ["berlin.example", "berlin.example:7443"],
      ["fd00::5", "[fd00::5]:7443"],
      ["10.0.0.5:443", "10.0.0.5:443"],
    ] as const) {
      const { directory } = options();
      await initMesh(options({ directory, addresses: [address] }));
      const kubeconfig = readFileSync(join(directory, "admin", "kubeconfig"), "utf8");
      assert.equal(/server: (.*)/.exec(kubeconfig)?.[1], `https://${server}`);
    }
  });

  test("folders are 0700 and files 0600, whatever the umask", async () => {
    const before = process.umask(0);
    const { directory } = options();
    await initMesh(options({ directory }));
    process.umask(before);
    assert.equal(statSync(directory).mode & 0o777, 0o700);
    for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
      const mode = statSync(join(entry.parentPath, entry.name)).mode & 0o777;
      assert.equal(mode, entry.isDirectory() ? 0o700 : 0o600, entry.name);
    }
  });

  test("a second init refuses, names the node that is there, and changes nothing", async () => {
    const made = options();
    await initMesh(made);
    const before = readFileSync(join(made.directory, "identity", "node.key"), "utf8");
    const failure = await failureOf(() => initMesh({ ...made, nodeName: "other" }));
    assert.deepEqual(failure, { type: "exists", directory: made.directory, node: "berlin-1", mesh: "shop" });
    assert.equal(readFileSync(join(made.directory, "identity", "node.key"), "utf8"), before);
  });

  test("of 4 inits of one folder at once exactly 1 succeeds and its keys belong together", async () => {
    const made = options();
    const outcomes = await Promise.allSettled(
      ["n-1", "n-2", "n-3", "n-4"].map((nodeName) => initMesh({ ...made, nodeName })),
    );
    const won = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value.node] : []));
    assert.equal(won.length, 1);
    assert.deepEqual(loadIdentity(made.directory).node, won[0]);
    assert.deepEqual(
      readdirSync(made.directory).filter((name) => name.startsWith(".")),
      [],
    );
  });

  test("a killed init's leftovers are swept after a minute, and a root key that was there is moved aside", async () => {
    const made = options();
    mkdirSync(join(made.directory, ".staging-dead", "identity"), { recursive: true });
    mkdirSync(join(made.directory, ".staging-young"));
    utimesSync(join(made.directory, ".staging-dead"), 0, 0);
    mkdirSync(join(made.directory, "root"));
    writeFileSync(join(made.directory, "root", "root.key"), "of another life");
    await initMesh(made);
    assert.equal(existsSync(join(made.directory, ".staging-dead")), false);
    assert.equal(existsSync(join(made.directory, ".staging-young")), true);
    assert.equal(readFileSync(join(made.directory, "root.aside-1", "root.key"), "utf8"), "of another life");
  });

  test("an init killed right after its commit is finished by the next start", async () => {
    const made = options();
    const { node } = await initMesh(made);
    const waiting = join(made.directory, "identity", "beside");
    mkdirSync(waiting);
    for (const name of ["root", "enroller", "admin"]) {
      renameSync(join(made.directory, name), join(waiting, name));
    }
    assert.deepEqual(loadIdentity(made.directory).node, node);
    assert.deepEqual(readdirSync(made.directory).sort(), ["admin", "enroller", "identity", "root"]);
    assert.equal(existsSync(waiting), false);
    assert.equal(isEnroller(made.directory), true);
  });

  test("whoever loses the race for a folder changes nothing in it", async () => {
    const made = options();
    await initMesh(made);
    const before = readFileSync(join(made.directory, "root", "root.key"), "utf8");
    const lost = commitFolder(
      made.directory,
      "identity",
      { "mesh.json": "{}" },
      { root: { "root.key": "x" } },
    );
    assert.equal(lost, false);
    assert.equal(readFileSync(join(made.directory, "root", "root.key"), "utf8"), before);
    assert.deepEqual(readdirSync(made.directory).sort(), ["admin", "enroller", "identity", "root"]);
  });

  test("a bad name is refused before anything is written", async () => {
    for (const change of [
      { site: "Berlin" },
      { nodeName: "a b" },
      { meshName: "" },
      { addresses: ["a b:1"] },
    ]) {
      const made = options(change);
      assert.equal((await failureOf(() => initMesh(made))).type, "invalid");
      assert.equal(existsSync(made.directory), false);
    }
  });

  test("a folder that cannot be made is an io failure that names it", async () => {
    const blocked = join(root, "a-file");
    writeFileSync(blocked, "");
    const failure = await failureOf(() => initMesh(options({ directory: join(blocked, "data") })));
    assert.equal(failure.type, "io");
  });
});

describe("loadIdentity", () => {
  test("an empty folder is `missing`", async () => {
    assert.equal((await failureOf(() => loadIdentity(newFolder()))).type, "missing");
  });

  test("each file that is missing, empty or of another node is named", async () => {
    const other = options({ nodeName: "other" });
    await initMesh(other);
    for (const file of ["mesh.json", "node.key", "tls.key", "tls.crt", "ca.crt"]) {
      for (const damage of ["removed", "emptied", "exchanged"] as const) {
        const made = options();
        await initMesh(made);
        const path = join(made.directory, "identity", file);
        if (damage === "removed") rmSync(path);
        if (damage === "emptied") writeFileSync(path, "");
        if (damage === "exchanged")
          writeFileSync(path, readFileSync(join(other.directory, "identity", file)));
        const failure = await failureOf(() => loadIdentity(made.directory));
        assert(
          failure.type === (damage === "removed" ? "io" : "broken"),
          `${file} ${damage}: ${failure.type}`,
        );
        assert(failure.path.startsWith(join(made.directory, "identity")));
      }
    }
  });

  test("a region that no scope can be made of is told with the file, the value and the fix", async () => {
    const made = options();
    await initMesh(made);
    const path = join(made.directory, "identity", "mesh.json");
    writeFileSync(path, readFileSync(path, "utf8").replace(/("region": ?)"eu"/, '$1"eu..de"'));
    const failure = await failureOf(() => loadIdentity(made.directory));
    assert(failure.type === "broken" && failure.path === path);
    assert.match(failure.detail, /the region "eu\.\.de" is not a region: use 1 to 6 names/);
    assert.equal((await failureOf(() => initMesh(options({ region: "eu..de" })))).type, "invalid");
  });

  test("a TLS key that does not match its certificate is told as that", async () => {
    const made = options();
    await initMesh(made);
    writeFileSync(join(made.directory, "identity", "tls.key"), newTlsKey().privatePem);
    const failure = await failureOf(() => loadIdentity(made.directory));
    assert(failure.type === "broken");
    assert.match(failure.detail, /do not match/);
  });

  test("a key that others may read is a warning that says how to mend it", async () => {
    const made = options();
    await initMesh(made);
    const path = join(made.directory, "identity", "node.key");
    chmodSync(path, 0o644);
    const { warnings } = loadIdentity(made.directory);
    assert.deepEqual(warnings, [
      `${path} can be read by others on this machine (mode 644): chmod 600 ${path}`,
    ]);
  });
});

describe("the introduction", () => {
  test("frames come back as they were packed, and no truncation of the file is taken for whole", () => {
    const frames = fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 });
    fc.assert(
      fc.property(frames, fc.nat(), (list, cut) => {
        const packed = packFrames(list);
        assert.deepEqual(
          unpackFrames(packed)?.map((frame) => [...frame]),
          list.map((frame) => [...frame]),
        );
        assert.equal(unpackFrames(packed.subarray(0, cut % packed.length)), undefined);
      }),
    );
  });
});

describe("addresses", () => {
  test("what is formatted is parsed back", () => {
    const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain());
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: 65_535 }), (name, port) => {
        const address = { host: name, port };
        assert.deepEqual(parseAddress(formatAddress(address)), address);
      }),
    );
  });

  test("no port, port 0, port 65536, a path, a user and spaces are refused", () => {
    const bad = [
      "a",
      "a:0",
      "a:65536",
      "a:1/x",
      "u@a:1",
      "a b:1",
      "",
      ":1",
      "[::1]",
      "[a]:1",
      "-a:1",
      "a..b:1",
    ];
    for (const text of bad) assert.equal(parseAddress(text), undefined, text);
  });
});
