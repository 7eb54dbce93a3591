import assert from "node:assert/strict";
import { createWriteStream, readFileSync, writeFileSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { after, before, suite, test } from "node:test";
import * as fc from "fast-check";
import { hex } from "../../core/kernel/bytes.ts";
import type { Signer } from "../../core/kernel/crypto.ts";
import { tick } from "../../core/kernel/hybrid-clock.ts";
import { intentKey, statusKey } from "../../core/records/keys.ts";
import type { MeshRecord, RecordDraft } from "../../core/records/record.ts";
import { sealRecord } from "../../core/records/seal.ts";
import { bundleToSign } from "../../core/sync/bundle.ts";
import type { Cover } from "../../core/sync/contract.ts";
import { encodeFrame } from "../../core/sync/frames.ts";
import { BundleError } from "../../shells/bundle-file/bundle-error.ts";
import { bundleBytes } from "../../shells/bundle-file/write-bundle.ts";
import { nodeCrypto } from "../../shells/crypto-node/node-crypto.ts";
import { loadIdentity } from "../../shells/identity-file/load-identity.ts";
import type { RunningAgent } from "../agent.ts";
import { exportHeads } from "./make-bundle.ts";
import { runningSource } from "./source.ts";
import { createPair, headsOf, holds, idsIn, names, take, unpacked, write } from "./testbed.ts";

/** Files that accidents or people changed: what is not what its authors signed never becomes state. */

const pair = await createPair();
const { bed, oslo, bern, osloFolder, bernFolder, file, exported, carried } = pair;
after(() => pair.close());

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
    const [, forged, honest] = records.map(({ hash }) => hex(hash));
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
    covers: readonly Cover[] = [],
  ): Promise<string> {
    const { header } = await unpacked(await exported(maker, "template"));
    const frame = encodeFrame({ type: "records", mode: "part", records, covers }, nodeCrypto);
    const target = file("handmade");
    const bytes = bundleBytes(header, [frame], (digest) => signer.sign(bundleToSign(digest)));
    await pipeline(bytes, createWriteStream(target));
    return target;
  }
});
