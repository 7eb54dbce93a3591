import assert from "node:assert/strict";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { randomStream, below } from "../../core/kernel/random.ts";
import { StorageError } from "../../ports/storage.ts";
import { inspectStore } from "./inspect-store.ts";
import { repairStore } from "./maintenance.ts";
import { rowOf } from "./rows.ts";
import { openSqliteStorage } from "./sqlite-storage.ts";
import { contentsAt, contentsOf, fill, makeFolder, type Contents } from "./testbed.ts";
import { parseWal, walOf } from "./wal.ts";

/** Flipped bits and torn writes: every row is right, or the store says that it is damaged. */

const seed = Number(process.env["TEST_SEED"] ?? 20_261_121);

/** What opening shows: the rows, or the reason why there are none. */
async function read(path: string): Promise<Contents | string> {
  try {
    return await contentsAt(path);
  } catch (error) {
    assert.ok(error instanceof StorageError, String(error));
    return error.failure.type;
  }
}

test(`500 single flipped bits: the store opens with every row right or is refused, and what repair keeps is right (seed ${seed})`, async (t) => {
  const { path, remove } = makeFolder();
  t.after(remove);
  const right = await fill(path);
  const good = readFileSync(path);
  const random = randomStream(seed, "flips");
  const seen = { right: 0, refused: 0, repaired: 0, lost: 0 };
  for (let flip = 0; flip < 500; flip++) {
    const bad = Buffer.from(good);
    const at = below(random, good.length);
    bad[at] = (bad[at] ?? 0) ^ (1 << below(random, 8));
    writeFileSync(path, bad);
    const found = await read(path);
    if (typeof found !== "string") {
      assert.deepEqual(found, right, `byte ${at}`);
      seen.right++;
      continue;
    }
    assert.ok(["corrupt", "newer", "io"].includes(found), found);
    seen.refused++;
    if (found === "newer") continue;
    writeFileSync(path, bad);
    const repair = repairStore(path, undefined, Date.now());
    const kept = await contentsAt(path);
    for (const [slot, bytes] of Object.entries(kept)) assert.equal(bytes, right[slot], `byte ${at}, ${slot}`);
    const missing = Object.keys(right).length - Object.keys(kept).length;
    assert.ok(missing <= 1 || at < 200 || missing <= 40, `byte ${at}: ${missing} rows are lost`);
    assert.equal(repair.rows, Object.keys(kept).length);
    seen.repaired++;
    seen.lost += missing;
  }
  t.diagnostic(JSON.stringify(seen));
  assert.ok(seen.refused > 50);
  assert.ok(seen.lost <= seen.repaired * 2, `repair loses ${seen.lost} rows in ${seen.repaired} repairs`);
});

test(`150 torn and overwritten places of 1 to 3 sectors: no wrong row is ever returned (seed ${seed})`, async (t) => {
  const { path, remove } = makeFolder();
  t.after(remove);
  const right = await fill(path);
  const good = readFileSync(path);
  const random = randomStream(seed, "torn");
  for (let run = 0; run < 150; run++) {
    const bad = Buffer.from(good);
    const at = 512 * below(random, good.length / 512);
    const end = Math.min(good.length, at + 512 * (1 + below(random, 3)));
    const from = 512 * below(random, good.length / 512);
    // Zeroes, or what belongs elsewhere.
    if (run % 2 === 0) bad.fill(0, at, end);
    else good.copy(bad, at, from, from + (end - at));
    writeFileSync(path, bad);
    const found = await read(path);
    if (typeof found !== "string") assert.deepEqual(found, right, `sector ${at / 512}`);
    else if (found === "corrupt") {
      writeFileSync(path, bad);
      repairStore(path, undefined, Date.now());
      for (const [slot, bytes] of Object.entries(await contentsAt(path))) assert.equal(bytes, right[slot]);
    }
  }
});

test(`300 flips and cuts of the write-ahead log show a state after some commit, never before the last but one (seed ${seed})`, async (t) => {
  const { path, folder, remove } = makeFolder();
  t.after(remove);
  const storage = openSqliteStorage(path);
  const states: string[] = [JSON.stringify(contentsOf([...storage.load()]))];
  for (let commit = 0; commit < 30; commit++) {
    const bytes = Buffer.alloc(100 + commit * 90, commit);
    await storage.write([
      { slot: `s${commit % 7}`, bytes },
      { slot: "last", bytes },
    ]);
    states.push(JSON.stringify(contentsOf([...storage.load()])));
  }
  copyFileSync(path, `${folder}/at-crash.db`);
  copyFileSync(walOf(path), `${folder}/at-crash.db-wal`);
  await storage.close();
  const [file, log] = [readFileSync(`${folder}/at-crash.db`), readFileSync(`${folder}/at-crash.db-wal`)];
  assert.ok(log.length > 100_000);
  assert.equal(parseWal(log).damaged, false);
  const random = randomStream(seed, "log");
  let refused = 0;
  for (let run = 0; run < 300; run++) {
    const isCut = run % 3 === 2;
    const at = below(random, log.length);
    const bad = Buffer.from(isCut ? log.subarray(0, at) : log);
    if (!isCut) bad[at] = (bad[at] ?? 0) ^ (1 << below(random, 8));
    writeFileSync(path, file);
    writeFileSync(walOf(path), bad);
    const found = await read(path);
    if (typeof found === "string") {
      assert.equal(found, "corrupt");
      refused++;
      if (run % 10 !== 0) continue;
      writeFileSync(path, file);
      writeFileSync(walOf(path), bad);
      repairStore(path, undefined, Date.now());
      assert.ok(states.includes(JSON.stringify(await contentsAt(path))), `repaired, byte ${at}`);
      continue;
    }
    const shown = states.lastIndexOf(JSON.stringify(found));
    // A log that ends early is what a power cut leaves; a flip may only look like one in the last commit.
    assert.ok(shown >= (isCut ? 0 : states.length - 2), `byte ${at} of ${log.length}: state ${shown}`);
  }
  assert.ok(refused > 150, `${refused}`);
});

test("rows are salvaged from their pages when the root of the table and the schema are gone", async (t) => {
  const { path, remove } = makeFolder();
  t.after(remove);
  const right = await fill(path);
  for (const pages of [[1], [2], [1, 2, 3]]) {
    const bad = readFileSync(path);
    for (const page of pages) bad.fill(0xa5, (page - 1) * 4096, page * 4096);
    writeFileSync(path, bad);
    const found = inspectStore(path);
    found.release();
    assert.equal(found.whole, false);
    repairStore(path, undefined, Date.now());
    assert.deepEqual(await contentsAt(path), right, `pages ${pages.join()}`);
  }
});

test("a row of zeroes is no row", () => {
  const nothing = new Uint8Array(0);
  assert.equal(rowOf({ slot: nothing, bytes: nothing, checksum: 0, generation: 0 }), undefined);
});

test("deleted rows do not come back in a repair", async (t) => {
  const { path, remove } = makeFolder();
  t.after(remove);
  const storage = openSqliteStorage(path);
  const slots = Array.from({ length: 200 }, (_, at) => `slot/${at}`);
  await storage.write(slots.map((slot) => ({ slot, bytes: Buffer.alloc(300, slot) })));
  await storage.write(slots.slice(0, 150).map((slot) => ({ slot, bytes: undefined })));
  await storage.close();
  const bad = readFileSync(path);
  bad.fill(0, 4096, 8192);
  writeFileSync(path, bad);
  repairStore(path, undefined, Date.now());
  assert.deepEqual(Object.keys(await contentsAt(path)), slots.slice(150).sort());
});
