import assert from "node:assert/strict";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import * as fc from "fast-check";
import { failsAs, storageAcceptance } from "../../ports/storage-acceptance.ts";
import { inspectStore } from "./inspect-store.ts";
import { repairStore, restoreStore, backupStore } from "./maintenance.ts";
import { merge, type Copy } from "./merge.ts";
import { openSqliteStorage, type SqliteStorage } from "./sqlite-storage.ts";
import { contentsAt, contentsOf, fill, makeFolder, spawnMirroredWriter, type Contents } from "./testbed.ts";
import { walOf } from "./wal.ts";

storageAcceptance("sqlite storage with a mirror", () => {
  const { path, mirror, remove } = makeFolder();
  return Promise.resolve({
    open: () => openSqliteStorage(path, { mirror }),
    remove: () => Promise.resolve(remove()),
  });
});

/** Opens with a mirror and collects what is noted. */
function open(path: string, mirror: string): { readonly storage: SqliteStorage; readonly notes: string[] } {
  const notes: string[] = [];
  const note = (_level: string, reason: string): void => {
    if (reason !== "MirrorOnSameDisk") notes.push(reason);
  };
  return { storage: openSqliteStorage(path, { mirror, note, mirrorRetryMs: 100 }), notes };
}

async function openAndRead(path: string, mirror: string): Promise<{ found: Contents; notes: string[] }> {
  const { storage, notes } = open(path, mirror);
  const found = contentsOf([...storage.load()]);
  await settled();
  await storage.close();
  return { found, notes };
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 250));

const put = (storage: SqliteStorage, slot: string, text: string): Promise<void> =>
  storage.write([{ slot, bytes: Buffer.from(text) }]);

function damage(path: string): void {
  const bad = readFileSync(path);
  for (let at = 5000; at < bad.length; at += 1500) bad[at] = (bad[at] ?? 0) ^ 4;
  writeFileSync(path, bad);
}

test("after closing, the mirror is the same store", async (t) => {
  const { path, mirror, remove } = makeFolder();
  t.after(remove);
  const right = await fill(path, mirror);
  assert.deepEqual(await contentsAt(mirror), right);
  const [one, other] = [inspectStore(path), inspectStore(mirror)];
  assert.equal(one.generation, other.generation);
  assert.equal(one.meta.lineage, other.meta.lineage);
  one.release();
  other.release();
});

test("writing what is there already, and deleting what is not, uses up no commit, with a mirror and after reopening", async (t) => {
  const { path, mirror, remove } = makeFolder();
  t.after(remove);
  const right = await fill(path, mirror);
  const generations = (): number[] =>
    [path, mirror].map((file) => {
      const found = inspectStore(file);
      found.release();
      return found.generation;
    });
  const before = generations();
  const { storage, notes } = open(path, mirror);
  const rows = [...storage.load()];
  for (const row of rows.slice(0, 20)) await storage.write([row, { slot: "no such slot", bytes: undefined }]);
  assert.deepEqual(contentsOf([...storage.load()]), right);
  await storage.close();
  assert.deepEqual(generations(), before);
  assert.equal(before[0], before[1]);
  // Unchanged rows beside a deletion: the deletion has a number of its own, so an old mirror cannot undo it.
  const alone = openSqliteStorage(path);
  await alone.write([...rows.slice(0, 3), { slot: rows[5]?.slot ?? "", bytes: undefined }]);
  await alone.close();
  assert.deepEqual(generations(), [(before[0] ?? 0) + 1, before[1]]);
  const again = await openAndRead(path, mirror);
  assert.equal(Object.keys(again.found).length, rows.length - 1);
  assert.deepEqual([notes, again.notes], [[], []]);
});

test("a damaged, a cut-off and a missing primary are repaired from the mirror at opening, which says so and keeps the file", async (t) => {
  const { folder, path, mirror, remove } = makeFolder();
  t.after(remove);
  const right = await fill(path, mirror);
  const breakings = [
    damage,
    (file: string) => writeFileSync(file, readFileSync(file).subarray(0, 20_000)),
    rmSync,
  ];
  for (const [at, broken] of breakings.entries()) {
    broken(path);
    const { found, notes } = await openAndRead(path, mirror);
    assert.deepEqual(found, right);
    assert.deepEqual(notes, ["StoreRepaired"]);
    const kept = readdirSync(folder).filter((name) => /^state\.db\.damaged-.*Z$/.test(name));
    assert.equal(kept.length, Math.min(at + 1, 2));
    assert.deepEqual((await openAndRead(path, mirror)).notes, []);
  }
});

test("a primary that fell back behind its mirror, by an old copy or a lost log, takes the mirror's state", async (t) => {
  const { folder, path, mirror, remove } = makeFolder();
  t.after(remove);
  await fill(path, mirror);
  copyFileSync(path, join(folder, "old"));
  const { storage } = open(path, mirror);
  await settled();
  await put(storage, "new", "1");
  await storage.write([{ slot: "slot/1", bytes: undefined }]);
  const right = contentsOf([...storage.load()]);
  await storage.close();
  renameSync(join(folder, "old"), path);
  const { found, notes } = await openAndRead(path, mirror);
  assert.deepEqual(found, right);
  assert.deepEqual(notes, ["StoreRepaired"]);
});

test("an older mirror never overrules the primary: it is brought up to date, and not used for a damaged one", async (t) => {
  const { path, mirror, remove } = makeFolder();
  t.after(remove);
  await fill(path, mirror);
  const alone = openSqliteStorage(path);
  await put(alone, "slot/1", "newer");
  await alone.write([{ slot: "slot/2", bytes: undefined }]);
  const right = contentsOf([...alone.load()]);
  await alone.close();
  copyFileSync(mirror, `${mirror}.old`);
  assert.deepEqual((await openAndRead(path, mirror)).found, right);
  assert.deepEqual(await contentsAt(mirror), right);

  renameSync(`${mirror}.old`, mirror);
  damage(path);
  assert.throws(() => open(path, mirror), failsAs("corrupt"));
  const repair = repairStore(path, mirror, Date.now());
  assert.ok(repair.isRepaired && repair.isMirrorOlder && repair.rowsFromMirror > 0);
  const found = await contentsAt(path);
  if (found["slot/1"] !== undefined) assert.equal(found["slot/1"], "newer");
});

test("a mirror that cannot be opened fails no write, is noted once, and catches up when it is there", async (t) => {
  const { folder, path, remove } = makeFolder();
  t.after(remove);
  const mirror = join(folder, "disk", "mirror.db");
  const { storage, notes } = open(path, mirror);
  for (let at = 0; at < 30; at++) {
    await put(storage, `s${at}`, "1");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.deepEqual(notes, ["MirrorFailed"]);
  mkdirSync(dirname(mirror));
  for (let tries = 0; tries < 100 && notes.length < 2; tries++) await settled();
  assert.deepEqual(notes, ["MirrorFailed", "MirrorFollows"]);
  await put(storage, "last", "2");
  const right = contentsOf([...storage.load()]);
  await storage.close();
  assert.deepEqual(await contentsAt(mirror), right);
});

test("a mirror whose disk fills up fails no write and holds everything again when there is room", async (t) => {
  const { folder, path, remove } = makeFolder();
  t.after(() => {
    spawnSync("umount", [join(folder, "disk")]);
    remove();
  });
  const disk = join(folder, "disk");
  mkdirSync(disk);
  if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "starlight-test", disk]).status !== 0) {
    return t.skip("needs the right to mount a small tmpfs (root)");
  }
  const mirror = join(disk, "mirror.db");
  const { storage, notes } = open(path, mirror);
  await settled();
  for (let at = 0; at < 20; at++) {
    await storage.write([{ slot: `big/${at}`, bytes: Buffer.alloc(100_000, at) }]);
  }
  assert.deepEqual(notes, ["MirrorFailed"]);
  await storage.write(Array.from({ length: 18 }, (_, at) => ({ slot: `big/${at}`, bytes: undefined })));
  rmSync(mirror, { force: true });
  rmSync(walOf(mirror), { force: true });
  for (let tries = 0; tries < 40 && notes.length < 2; tries++) await settled();
  assert.deepEqual(notes, ["MirrorFailed", "MirrorFollows"]);
  const right = contentsOf([...storage.load()]);
  await storage.close();
  assert.deepEqual(await contentsAt(mirror), right);
});

test("a mirror whose disk hangs holds up one write for a second, and the process not at all", async (t) => {
  const { folder, path, remove } = makeFolder();
  const disk = join(folder, "disk");
  t.after(() => {
    spawnSync("fsfreeze", ["--unfreeze", disk]);
    spawnSync("umount", [disk]);
    remove();
  });
  if (!mountFreezable(folder, disk)) return t.skip("needs root, loop devices and fsfreeze");
  const mirror = join(disk, "mirror.db");
  const { storage, notes } = open(path, mirror);
  await put(storage, "before", "1");
  spawnSync("fsfreeze", ["--freeze", disk]);
  let longestGapMs = 0;
  let beatAt = performance.now();
  const beat = setInterval(() => {
    longestGapMs = Math.max(longestGapMs, performance.now() - beatAt);
    beatAt = performance.now();
  }, 10);
  const startedAt = performance.now();
  await put(storage, "first", "1");
  const firstMs = performance.now() - startedAt;
  for (let at = 0; at < 20; at++) await put(storage, "later", String(at));
  const allMs = performance.now() - startedAt;
  clearInterval(beat);
  assert.ok(firstMs > 900 && firstMs < 2_000, `the first write took ${firstMs} ms`);
  assert.ok(allMs - firstMs < 1_000, `20 later writes took ${allMs - firstMs} ms`);
  assert.ok(longestGapMs < 500, `the process stood still for ${longestGapMs} ms`);
  assert.deepEqual(notes, ["MirrorFailed"]);
  spawnSync("fsfreeze", ["--unfreeze", disk]);
  for (let tries = 0; tries < 40 && notes.length < 2; tries++) await settled();
  assert.deepEqual(notes, ["MirrorFailed", "MirrorFollows"]);
  const right = contentsOf([...storage.load()]);
  await storage.close();
  assert.deepEqual(await contentsAt(mirror), right);
});

/** A file system of 16 MiB in a file; false where it may not be made. */
function mountFreezable(folder: string, disk: string): boolean {
  const image = join(folder, "image");
  mkdirSync(disk);
  writeFileSync(image, "");
  truncateSync(image, 16 * 1024 * 1024);
  const steps: readonly (readonly [string, readonly string[]])[] = [
    ["mkfs.ext4", ["-q", image]],
    ["mount", ["-o", "loop", image, disk]],
    ["fsfreeze", ["--freeze", disk]],
    ["fsfreeze", ["--unfreeze", disk]],
  ];
  return steps.every(([command, args]) => spawnSync(command, args).status === 0);
}

test("a mirror of another store, and one that is damaged, are kept aside and made anew", async (t) => {
  const { folder, path, mirror, remove } = makeFolder();
  t.after(remove);
  const right = await fill(path);
  const other = openSqliteStorage(mirror);
  await put(other, "theirs", "1");
  await other.close();
  const first = await openAndRead(path, mirror);
  assert.deepEqual(first, { found: right, notes: ["MirrorOfAnother"] });
  assert.deepEqual(await contentsAt(mirror), right);
  damage(mirror);
  const second = await openAndRead(path, mirror);
  assert.deepEqual(second, { found: right, notes: ["MirrorDamaged"] });
  assert.deepEqual(await contentsAt(mirror), right);
  assert.equal(
    readdirSync(folder).filter((name) => /^mirror\.db\.(other|damaged)-.*Z$/.test(name)).length,
    2,
  );
});

test("a restored backup is not overruled by the mirror of what came after it", async (t) => {
  const { folder, path, mirror, remove } = makeFolder();
  t.after(remove);
  const right = await fill(path, mirror);
  const file = join(folder, "backup.db");
  backupStore(path, file);
  const { storage } = open(path, mirror);
  await settled();
  await put(storage, "later", "1");
  await storage.close();
  restoreStore(path, file, Date.now());
  assert.deepEqual((await openAndRead(path, mirror)).found, right);
  assert.deepEqual(await contentsAt(mirror), right);
});

test("in 8 kills with SIGKILL every acknowledged write is in the primary, and in the mirror alone", async (t) => {
  const { folder, path, mirror, remove } = makeFolder();
  t.after(remove);
  let from = 0;
  for (let kill = 0; kill < 8; kill++) {
    const child = spawnMirroredWriter(path, mirror, from);
    assert.ok(child.stdout !== null);
    const said: number[] = [];
    const lines = createInterface({ input: child.stdout }).on("line", (line) => said.push(Number(line)));
    while (said.length < 60 + 31 * kill) await once(lines, "line");
    child.kill("SIGKILL");
    await once(child, "close");
    const last = said.at(-1) ?? 0;
    const check = (found: Contents): void => {
      for (let back = 0; back < 50 && last - back >= 0; back++) {
        const at = last - back;
        const shown = Number.parseInt(found[`s${at % 50}`] ?? "-1", 10);
        assert.ok(shown >= at && shown % 50 === at % 50, `slot ${at % 50} shows ${shown}, not ${at}`);
      }
    };
    const alone = join(folder, "alone.db");
    for (const suffix of ["", "-wal"]) {
      rmSync(alone + suffix, { force: true });
      if (existsSync(mirror + suffix)) copyFileSync(mirror + suffix, alone + suffix);
    }
    check(await contentsAt(alone));
    // Every other time the primary is lost as well.
    if (kill % 2 === 1) for (const file of [path, walOf(path)]) rmSync(file, { force: true });
    const { found, notes } = await openAndRead(path, mirror);
    check(found);
    assert.deepEqual(notes, kill % 2 === 1 ? ["StoreRepaired"] : []);
    assert.deepEqual(await contentsAt(mirror), found);
    from = Math.max(...Object.values(found).map((text) => Number.parseInt(text, 10))) + 1;
  }
});

/** A history of commits; each copy holds it up to some point, and may have lost rows since. */
const histories = fc.record({
  commits: fc.array(fc.record({ slot: fc.constantFrom("a", "b", "c", "d"), removes: fc.boolean() }), {
    maxLength: 12,
  }),
  seen: fc.tuple(fc.nat(12), fc.nat(12)),
  lost: fc.tuple(fc.subarray(["a", "b", "c", "d"]), fc.subarray(["a", "b", "c", "d"])),
});

test("merging two copies gives the newer one where both are whole, and never an older row than the primary's", () => {
  fc.assert(
    fc.property(histories, ({ commits, seen, lost }) => {
      const at = (count: number): Copy["rows"] => {
        const rows = new Map<string, Copy["rows"][number]>();
        for (const [index, { slot, removes }] of commits.slice(0, count).entries()) {
          if (removes) rows.delete(slot);
          else rows.set(slot, { slot, bytes: Buffer.from([index]), generation: index + 1 });
        }
        return [...rows.values()];
      };
      const copies = seen.map((wanted, side): Copy => {
        const count = Math.min(wanted, commits.length);
        const rows = at(count).filter(({ slot }) => lost[side]?.includes(slot) !== true);
        return { rows, generation: count, whole: rows.length === at(count).length };
      });
      const [primary, mirror] = copies as [Copy, Copy];
      const merged = new Map(merge(primary, mirror).map((row) => [row.slot, row]));
      if (primary.whole && mirror.whole) {
        const newest = at(Math.max(primary.generation, mirror.generation));
        assert.deepEqual(
          [...merged.values()].map(({ slot }) => slot).sort(),
          newest.map(({ slot }) => slot).sort(),
        );
        for (const row of newest) assert.equal(merged.get(row.slot)?.generation, row.generation);
      }
      for (const row of primary.rows) {
        const kept = merged.get(row.slot);
        if (kept === undefined) assert.ok(mirror.whole && mirror.generation >= row.generation);
        else assert.ok(kept.generation >= row.generation);
      }
    }),
    { numRuns: 500 },
  );
});
