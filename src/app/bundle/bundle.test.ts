import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createWriteStream, existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { after, suite, test } from "node:test";
import { withBundle } from "../../shells/bundle-file/read-bundle.ts";
import { exportBundle } from "./make-bundle.ts";
import { runningSource, sourceOnDisk } from "./source.ts";
import { createPair, headsOf, holds, idsIn, names, nowhere, take, unpacked, write } from "./testbed.ts";

/** What two agents without a link learn of each other from files. */

const pair = await createPair();
const { bed, oslo, bern, bernFolder, file, joined, exported, carried } = pair;
after(() => pair.close());

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
    await write(oslo, names("bulk", 2_000), () => randomBytes(40).toString("hex"));
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

suite("many records", () => {
  test("10,000 records go out and in part by part: no part above 300 kB, few megabytes at once", async () => {
    for (let batch = 0; batch < 20; batch++) {
      await write(oslo, names(`many-${batch}`, 500), () => randomBytes(100).toString("hex"));
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
