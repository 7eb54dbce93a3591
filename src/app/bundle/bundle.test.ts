import assert from "node:assert/strict";
import {
  createWriteStream,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { after, before, suite, test } from "node:test";
import * as fc from "fast-check";
import { hex } from "../../core/kernel/bytes.ts";
import type { Signer } from "../../core/kernel/crypto.ts";
import { tick } from "../../core/kernel/hybrid-clock.ts";
import { intentKey, statusKey } from "../../core/records/keys.ts";
import type { MeshRecord, RecordDraft } from "../../core/records/record.ts";
import { sealRecord } from "../../core/records/seal.ts";
import { bundleToSign, readBundleFrame } from "../../core/sync/bundle.ts";
import { encodeFrame } from "../../core/sync/frames.ts";
import { BundleError } from "../../shells/bundle-file/bundle-error.ts";
import { withBundle } from "../../shells/bundle-file/read-bundle.ts";
import { bundleBytes } from "../../shells/bundle-file/write-bundle.ts";
import { nodeCrypto } from "../../shells/crypto-node/node-crypto.ts";
import { loadIdentity } from "../../shells/identity-file/load-identity.ts";
import type { RunningAgent } from "../agent.ts";
import { joinMesh } from "../enrol/join-mesh.ts";
import { createInvite } from "../enrol/invite-book.ts";
import { createTestBed } from "../testbed.ts";
import { exportBundle, exportHeads, readHeads, type Heads } from "./make-bundle.ts";
import { runningSource, sourceOnDisk } from "./source.ts";
import { takeBundle, type ImportReport } from "./take-bundle.ts";

/** Two agents of one mesh that never have a link: each is told of the other an address where nobody listens. */

const bed = createTestBed();
const folder = mkdtempSync(join(tmpdir(), "starlight-bundle-"));
const file = (name: string): string => join(folder, name);
const nowhere = { advertise: "127.0.0.1:9" };
let oslo: RunningAgent;
let bern: RunningAgent;
let osloFolder: string;
let bernFolder: string;

before(async () => {
  osloFolder = await bed.mesh("oslo");
  oslo = await bed.agent(osloFolder, { flags: nowhere });
  bernFolder = await joined("bern");
  bern = await bed.agent(bernFolder, { flags: nowhere });
});
after(async () => {
  await bed.close();
  rmSync(folder, { recursive: true, force: true });
});

async function joined(name: string): Promise<string> {
  const addresses = [`127.0.0.1:${oslo.port}`];
  const invite = createInvite({
    directory: osloFolder,
    site: name,
    ttlMs: 60_000,
    addresses,
    now: Date.now(),
  });
  const directory = bed.folder(name);
  await joinMesh({ invite, directory, nodeName: name, addresses: [] });
  return directory;
}

/** What is written under a name, where it matters. */
const texts = new Map<string, string>();

async function write(agent: RunningAgent, names: readonly string[]): Promise<void> {
  const changes = names.map((name) => ({
    type: "update" as const,
    ref: { group: "", kind: "ConfigMap", namespace: "default", name },
    value: {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name, namespace: "default" },
      data: { text: texts.get(name) ?? "1" },
    },
    manager: "test",
    class: "user" as const,
    mode: "upsert" as const,
  }));
  const reply = await agent.driver.write(changes, "me", { dryRun: false });
  assert(reply.ok, JSON.stringify(reply));
}

const holds = (agent: RunningAgent, name: string): boolean =>
  agent.view.object({ group: "", kind: "ConfigMap", namespace: "default", name })?.exists === true;

async function exported(agent: RunningAgent, name: string, since?: Heads, site?: string): Promise<string> {
  const path = file(name);
  const bytes = exportBundle(runningSource(agent.driver), { site, since, now: Date.now() });
  await pipeline(bytes, createWriteStream(path));
  return path;
}

async function headsOf(agent: RunningAgent): Promise<Heads> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of exportHeads(runningSource(agent.driver), Date.now())) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  return readHeads({ read: (at, length) => Promise.resolve(bytes.subarray(at, at + length)) });
}

const take = (agent: RunningAgent, path: string): Promise<ImportReport> => takeBundle(path, agent.driver);

/** Files there and back until both hold the same. */
async function carried(): Promise<void> {
  for (let round = 0; round < 3; round++) {
    await take(bern, await exported(oslo, "there"));
    await take(oslo, await exported(bern, "back"));
    if (oslo.view.stateHash() === bern.view.stateHash()) return;
  }
  assert.equal(oslo.view.stateHash(), bern.view.stateHash());
}

const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, at) => `${prefix}-${at}`);

suite("bundles between two agents that have no link", () => {
  test("writes of both sides meet: files there and back give equal state hashes", async () => {
    await write(oslo, names("oslo", 20));
    await write(bern, names("bern", 20));
    const report = await take(bern, await exported(oslo, "first"));
    assert.equal(report.refused + report.waiting + report.setAside, 0);
    assert.equal(report.fresh + report.known, report.records);
    assert.ok(report.vouched && report.complete, JSON.stringify(report));
    assert.ok(holds(bern, "oslo-19") && !holds(oslo, "bern-19"));
    const back = await take(oslo, await exported(bern, "second"));
    assert.ok(back.complete && back.fresh >= 20 && holds(oslo, "bern-19"));
    await carried();
    assert.equal(oslo.view.island().length, 1, "they are not linked");
  });

  test("a file taken twice changes nothing the second time", async () => {
    await write(oslo, ["twice"]);
    const path = await exported(oslo, "twice");
    assert.ok((await take(bern, path)).fresh > 0);
    const before = bern.view.stateHash();
    const again = await take(bern, path);
    assert.equal(again.fresh, 0);
    assert.equal(again.known, again.records);
    assert.equal(bern.view.stateHash(), before);
  });

  test("a difference to the other side's heads carries only what is new, in a fiftieth of the bytes", async () => {
    for (const name of names("bulk", 2_000)) texts.set(name, randomBytes(40).toString("hex"));
    await write(oslo, names("bulk", 2_000));
    await carried();
    const since = await headsOf(bern);
    await write(oslo, ["news"]);
    const full = await exported(oslo, "full");
    const part = await exported(oslo, "part", since);
    const [fullBytes, partBytes] = [full, part].map((path) => statSync(path).size) as [number, number];
    assert.ok(partBytes < 3_000 && partBytes * 50 < fullBytes, `${partBytes} of ${fullBytes} bytes`);
    const report = await take(bern, part);
    assert.ok(report.records < 10 && report.fresh >= 1 && report.complete, JSON.stringify(report));
    assert.ok(holds(bern, "news"));
    assert.deepEqual(report.header.since?.by.name, "bern");
  });

  test("a difference that begins beyond what the receiver knows says that something is missing", async () => {
    await write(oslo, ["skipped"]);
    const since = await headsOf(oslo);
    await write(oslo, ["after"]);
    const report = await take(bern, await exported(oslo, "gap", since));
    assert.ok(holds(bern, "after") && !holds(bern, "skipped"));
    assert.ok(report.gaps > 0 && !report.complete, JSON.stringify(report));
    const whole = await take(bern, await exported(oslo, "no-gap"));
    assert.ok(holds(bern, "skipped") && whole.complete);
  });

  test("what is written while a file is being made is not in it, and not taken for known either", async () => {
    const bytes = exportBundle(runningSource(oslo.driver), {
      site: undefined,
      since: undefined,
      now: Date.now(),
    });
    const first = await bytes.next();
    assert.ok(first.done !== true);
    await write(oslo, ["meanwhile"]);
    const path = file("meanwhile");
    const rest = async function* (): AsyncGenerator<Uint8Array> {
      yield first.value;
      yield* bytes;
    };
    await pipeline(rest(), createWriteStream(path));
    await take(bern, path);
    assert.equal(holds(bern, "meanwhile"), false);
    const later = await take(bern, await exported(oslo, "later", await headsOf(bern)));
    assert.ok(holds(bern, "meanwhile") && later.complete, JSON.stringify(later));
  });

  test("a bundle for a site names it, and an unknown site is refused", async () => {
    const path = await exported(oslo, "for-bern", undefined, "bern");
    await withBundle(path, ({ header }) => {
      assert.equal(header.to?.site, "bern");
      assert.deepEqual(
        header.scopes.map(({ scope }) => scope),
        ["mesh"],
      );
      return Promise.resolve();
    });
    await assert.rejects(
      exported(oslo, "for-mars", undefined, "mars"),
      /no member stands in a site called mars/,
    );
  });

  test("the folder of a stopped agent gives the same records, and is left as it was", async () => {
    const directory = await joined("lab");
    const lab = await bed.agent(directory, { flags: nowhere });
    await write(lab, names("lab", 5));
    const running = await exported(lab, "running");
    await lab.stop();
    const source = await sourceOnDisk(directory);
    const path = file("stopped");
    await pipeline(
      exportBundle(source, { site: undefined, since: undefined, now: 1 }),
      createWriteStream(path),
    );
    assert.deepEqual(await idsIn(path), await idsIn(running));
    const report = await take(oslo, path);
    assert.ok(report.complete && holds(oslo, "lab-4"), JSON.stringify(report));
    const again = await bed.agent(directory, { flags: nowhere });
    assert.ok(holds(again, "lab-4"));
  });
});

suite("files that are not what they should be", () => {
  let path: string;
  let bytes: Buffer;
  before(async () => {
    await carried();
    await write(oslo, names("fragile", 3));
    path = await exported(oslo, "fragile", await headsOf(bern));
    bytes = readFileSync(path);
  });

  /** Tries to import these bytes at bern, which must stay as it is. */
  async function refuses(altered: Uint8Array): Promise<string> {
    const before = bern.view.stateHash();
    const target = file("altered");
    writeFileSync(target, altered);
    let type = "";
    await assert.rejects(take(bern, target), (error) => {
      if (error instanceof BundleError) type = error.failure.type;
      return error instanceof BundleError;
    });
    assert.equal(bern.view.stateHash(), before);
    assert.equal(holds(bern, "fragile-0"), false);
    return type;
  }

  test("a flipped bit anywhere is noticed before anything is used", async () => {
    const flip = fc.record({ at: fc.nat(bytes.length - 1), bit: fc.nat(7) });
    await fc.assert(
      fc.asyncProperty(flip, async ({ at, bit }) => {
        const altered = Buffer.from(bytes);
        altered[at] = (altered[at] ?? 0) ^ (1 << bit);
        await refuses(altered);
      }),
      { numRuns: 400 },
    );
  });

  test("a file cut off anywhere, or with something after its end, is noticed before anything is used", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), async (length) => {
        assert.equal(await refuses(bytes.subarray(0, length)), length === 0 ? "not-a-bundle" : "truncated");
      }),
      { numRuns: 100 },
    );
    assert.equal(await refuses(Buffer.concat([bytes, Buffer.of(0)])), "altered");
  });

  test("whoever repairs the checksum after altering a record cannot make a record of his own", async () => {
    const genuine = new Set([...(await idsIn(path)), ...(await idsIn(await exported(bern, "held")))]);
    const { header, frames } = await unpacked(path);
    const flip = fc.record({
      frame: fc.nat(frames.length - 1),
      at: fc.double({ min: 0, max: 0.999999, noNaN: true }),
      bit: fc.nat(7),
    });
    const signer = loadIdentity(bernFolder).signer;
    await fc.assert(
      fc.asyncProperty(flip, async ({ frame, at, bit }) => {
        const altered = frames.map((bytes) => Uint8Array.from(bytes));
        const bent = altered[frame];
        if (bent === undefined) return;
        const place = Math.floor(at * bent.length);
        bent[place] = (bent[place] ?? 0) ^ (1 << bit);
        const target = file("bent");
        await pipeline(
          bundleBytes(header, altered, (digest) => signer.sign(bundleToSign(digest))),
          createWriteStream(target),
        );
        const report = await take(bern, target).catch((error: unknown) => {
          assert.ok(error instanceof BundleError, String(error));
          return undefined;
        });
        assert.notEqual(report?.vouched, true, "it names oslo as its maker, and bern signed it");
        for (const id of await idsIn(await exported(bern, "held"))) {
          assert.ok(genuine.has(id), `a record that nobody made, from byte ${place} of frame ${frame}`);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("a bundle of another mesh is refused by name", async () => {
    const other = await bed.agent(await bed.mesh("elsewhere", { mesh: "other" }));
    const theirs = await exported(other, "theirs");
    await assert.rejects(take(bern, theirs), /belongs to the mesh other \(.*this node belongs to test/);
    await assert.rejects(
      Promise.resolve().then(async () => exported(oslo, "since-theirs", await headsOf(other))),
      /belongs to the mesh other/,
    );
  });

  test("heads are not a bundle, and text is neither", async () => {
    const heads = file("heads");
    await pipeline(exportHeads(runningSource(oslo.driver), Date.now()), createWriteStream(heads));
    await assert.rejects(take(bern, heads), /these are heads/);
    writeFileSync(file("text"), "hello, this is a letter");
    await assert.rejects(take(bern, file("text")), /not a file that `starlight bundle` wrote/);
  });

  test("a forged record is refused alone: by its author's rights, or by its signature", async () => {
    const bernSigner = loadIdentity(bernFolder).signer;
    const [a, b] = [oslo.identity.id, bern.identity.id];
    const version = tick({ last: 0 }, Date.now());
    const fact = { scope: "mesh", version, kind: "fact", body: { peers: [] } } as const;
    const wish = (name: string): RecordDraft => ({
      scope: "mesh",
      key: intentKey({ group: "", kind: "ConfigMap", namespace: "default", name }, "update:x"),
      version,
      kind: "intent",
      body: { writes: [], leaves: {} },
    });
    const records = [
      sealRecord({ ...fact, key: statusKey(a) }, b, bernSigner, nodeCrypto),
      sealRecord(wish("forged"), a, bernSigner, nodeCrypto),
      sealRecord(wish("honest"), b, bernSigner, nodeCrypto),
    ];
    const report = await take(oslo, await handmade(records, bern, bernSigner));
    assert.equal(report.records, 3);
    assert.equal(report.fresh, 1);
    assert.deepEqual(
      report.refusals.map(({ why }) => why),
      [`only ${a} may write its own facts`, "the signature does not match the author's key"],
    );
    const again = await idsIn(await exported(oslo, "after-forgery"));
    const [, forged, honest] = records.map(({ id }) => hex(id));
    assert.ok(again.includes(honest ?? "") && !again.includes(forged ?? ""));
  });

  test("what a stranger says of completeness does not count", async () => {
    const stranger = loadIdentity(await bed.mesh("stranger", { mesh: "strange" })).signer;
    const heads = JSON.stringify(bern.view.heads());
    const log = { scope: "mesh", kind: "intent", author: oslo.identity.id } as const;
    const covers = [{ ...log, from: 0, to: Number.MAX_SAFE_INTEGER - 1 }];
    const report = await take(bern, await handmade([], oslo, stranger, covers));
    assert.equal(report.vouched, false);
    assert.equal(JSON.stringify(bern.view.heads()), heads);
  });

  test("a record from the future is set aside, and told as that", async () => {
    const signer = loadIdentity(osloFolder).signer;
    const version = tick({ last: 0 }, Date.now() + 3_600_000);
    const fact = { scope: "mesh", version, kind: "fact", body: { peers: [] } } as const;
    const record = sealRecord(
      { ...fact, key: statusKey(oslo.identity.id) },
      oslo.identity.id,
      signer,
      nodeCrypto,
    );
    const report = await take(bern, await handmade([record], oslo, signer));
    assert.deepEqual([report.setAside, report.fresh, report.complete], [1, 0, false]);
  });

  async function handmade(
    records: readonly MeshRecord[],
    maker: RunningAgent,
    signer: Signer,
    covers: Parameters<typeof encodeFrame>[0] extends infer F
      ? F extends { readonly type: "records"; readonly covers: infer C }
        ? C
        : never
      : never = [],
  ): Promise<string> {
    const { header } = await unpacked(await exported(maker, "template"));
    const frame = encodeFrame({ type: "records", mode: "part", records, covers }, nodeCrypto);
    const target = file("handmade");
    const bytes = bundleBytes(header, [frame], (digest) => signer.sign(bundleToSign(digest)));
    await pipeline(bytes, createWriteStream(target));
    return target;
  }
});

suite("many records", () => {
  test("10,000 records go out and in part by part: no part above 300 kB, few megabytes at once", async () => {
    for (let batch = 0; batch < 20; batch++) {
      for (const name of names(`many-${batch}`, 500)) texts.set(name, randomBytes(100).toString("hex"));
      await write(oslo, names(`many-${batch}`, 500));
    }
    const startedAt = performance.now();
    const rssBefore = process.memoryUsage().rss;
    let rssMax = 0;
    const chunks: number[] = [];
    const path = file("many");
    const measured = async function* (): AsyncGenerator<Uint8Array> {
      const options = { site: undefined, since: undefined, now: Date.now() };
      for await (const chunk of exportBundle(runningSource(oslo.driver), options)) {
        chunks.push(chunk.length);
        rssMax = Math.max(rssMax, process.memoryUsage().rss);
        yield chunk;
      }
    };
    await pipeline(measured(), createWriteStream(path));
    const exportMs = performance.now() - startedAt;
    const { header, frames } = await unpacked(path);
    assert.ok(header.records >= 10_000 && frames.length > 10);
    assert.ok(Math.max(...frames.map(({ length }) => length)) < 300_000);
    assert.ok(rssMax - rssBefore < 64e6, `${Math.round((rssMax - rssBefore) / 1e6)} MB more`);
    const importedAt = performance.now();
    const report = await take(bern, path);
    assert.ok(report.fresh >= 10_000 && report.complete, JSON.stringify(report));
    assert.ok(process.memoryUsage().rss - rssBefore < 256e6);
    assert.equal(holds(bern, "many-19-499"), true);
    process.stdout.write(
      `# ${report.records} records, ${statSync(path).size} bytes, out in ${Math.round(exportMs)} ms, in in ${Math.round(performance.now() - importedAt)} ms, ${Math.round((rssMax - rssBefore) / 1e6)} MB more while exporting\n`,
    );
  });

  test("nothing of a file stays in the data folder", () => {
    const incoming = join(bernFolder, "incoming");
    assert.deepEqual(existsSync(incoming) ? readdirSync(incoming) : [], []);
  });
});

async function unpacked(path: string) {
  return withBundle(path, async ({ header, frames }) => {
    const all: Uint8Array[] = [];
    for await (const frame of frames()) all.push(frame);
    return { header, frames: all };
  });
}

async function idsIn(path: string): Promise<string[]> {
  const { frames } = await unpacked(path);
  return frames
    .flatMap((frame) => readBundleFrame(frame, nodeCrypto)?.records ?? [])
    .map(({ id }) => hex(id))
    .sort();
}
