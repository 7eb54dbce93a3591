import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { exitCodes } from "../src/app/exit-codes.ts";
import { createFleet, type Fleet, type FleetNode } from "../src/cli/demo/fleet.ts";
import { layoutOf } from "../src/shells/identity-file/layout.ts";
import { done, run, type Ran } from "./support/command.ts";
import { eventually } from "./support/poll.ts";

/** `starlight store` as people and scripts meet it, on a real node: the first test leaves it running. */

const folder = mkdtempSync(join(tmpdir(), "starlight-store-"));
const disk = join(folder, "second-disk");
let fleet: Fleet;
let node: FleetNode;
let database: string;

before(async () => {
  mkdirSync(disk);
  const env = { STARLIGHT_MIRROR_PATH: disk };
  fleet = await createFleet([{ site: "lab", region: "north", nodes: 1 }], { progress: () => {}, env });
  node = fleet.node("lab-1");
  ({ database } = layoutOf(node.data));
});
after(async () => {
  await fleet?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const starlight = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> =>
  run(["--data", node.data, "--kubeconfig", fleet.kubeconfig, ...args], "", env);

const mirrored = { STARLIGHT_MIRROR_PATH: disk };
const log = (): string => readFileSync(join(node.data, "agent.log"), "utf8");

async function makeConfigMap(name: string): Promise<void> {
  const client = await fleet.client(node);
  const object = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name },
    data: { text: `text of ${name}` },
  };
  await client.call("POST", "/starlight/v1/apply", { objects: [object] });
}

async function configMaps(): Promise<string> {
  const client = await fleet.client(node);
  return (await client.call("GET", "/api/v1/namespaces/default/configmaps")).text;
}

async function stopAgent(): Promise<void> {
  const id = node.id?.pid ?? 0;
  fleet.killAgent(node);
  await eventually("the agent is gone", async () => Promise.resolve(!existsSync(`/proc/${id}/exe`)));
}

/** Flips a bit of one record, and returns a word that was in it. */
function damage(file: string, word: string): void {
  const bad = readFileSync(file);
  let at = bad.indexOf(word);
  assert.ok(at > 0, `${word} is not in ${file}`);
  for (; at > 0; at = bad.indexOf(word, at + 1)) bad[at] = (bad[at] ?? 0) ^ 1;
  writeFileSync(file, bad);
}

const keptFiles = (): string[] =>
  readdirSync(node.data).filter((name) => /^state\.db\.(damaged|replaced)-.*Z$/.test(name));

test("while the agent runs: backup works and leaves nothing behind, the others end with 12 and touch nothing", async () => {
  for (const name of ["one", "two", "three"]) await makeConfigMap(name);
  const file = join(folder, "running.db");
  assert.match(done(await starlight(["store", "backup", file])), /holds \d+ rows in \d+ bytes; .*whole/);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(layoutOf(node.data).backups), []);
  const again = await starlight(["store", "backup", file]);
  assert.equal(again.code, exitCodes.usage);
  assert.match(again.err, /--force/);
  done(await starlight(["store", "backup", file, "--force"]));
  for (const args of [["check"], ["repair"], ["restore", file, "--force"]]) {
    const ran = await starlight(["store", ...args]);
    assert.equal(ran.code, exitCodes.dataLocked, ran.err);
    assert.match(ran.err, /in use by process \d+/);
  }
  assert.match(await configMaps(), /text of three/);
});

test("a backup is for system:masters only", async () => {
  const { out: text } = await starlight(["token", "eve"]);
  const config = readFileSync(fleet.kubeconfig, "utf8")
    .replace(/client-certificate-data: .*/, `token: ${text.trim()}`)
    .replace(/.*client-key-data: .*\n/, "");
  const kubeconfig = join(folder, "eve.yaml");
  writeFileSync(kubeconfig, config);
  const ran = await starlight(["--kubeconfig", kubeconfig, "store", "backup", join(folder, "eve.db")]);
  assert.equal(ran.code, exitCodes.notAllowed, ran.err);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith("eve.db")),
    [],
  );
});

test("status says how much was written to the disk", async () => {
  const status = JSON.parse(done(await starlight(["status", "--server", node.advertised, "-o", "json"]))) as {
    storage: { bytesWrittenToday: number; bytesWritten: number };
  };
  assert.ok(status.storage.bytesWrittenToday > 1_000);
  assert.ok(status.storage.bytesWritten >= status.storage.bytesWrittenToday);
});

test("a whole database and its mirror: check and repair say so, with 0", async () => {
  await stopAgent();
  const text = done(await starlight(["store", "check"], mirrored));
  assert.match(
    text,
    /^database .*: whole, \d+ rows of \d+ bytes in a file of \d+\nmirror .*: whole, \d+ rows/,
  );
  const checked = JSON.parse(done(await starlight(["store", "check", "-o", "json"]))) as {
    whole: boolean;
    database: { rows: number; damaged: string[] };
  };
  assert.ok(checked.whole && checked.database.rows > 3);
  assert.match(done(await starlight(["store", "repair"])), /is whole, \d+ rows; nothing was done/);
  const file = join(folder, "stopped.db");
  assert.match(done(await starlight(["store", "backup", file])), /whole/);
});

test("damage is found with 13 and names the rows; repair keeps what is whole and says what is lost", async () => {
  // A stopped agent leaves everything in the file, a killed one leaves a log.
  done(await starlight(["store", "restore", join(folder, "stopped.db"), "--force"]));
  damage(database, "text of two");
  const bad = readFileSync(database);
  const checked = await starlight(["store", "check"]);
  assert.equal(checked.code, exitCodes.storageCorrupt, checked.err);
  assert.match(checked.out, /DAMAGED; whole are \d+ rows[^]*damaged row: "/);
  const json = JSON.parse((await starlight(["store", "check", "-o", "json"])).out) as {
    whole: boolean;
    database: { rows: number; damaged: string[]; findings: string[] };
  };
  assert.equal(json.whole, false);
  assert.ok(json.database.damaged.length >= 1 && json.database.findings.length >= 1);
  assert.ok(readFileSync(database).equals(bad));

  const refused = await starlight(["store", "backup", join(folder, "damaged.db")]);
  assert.equal(refused.code, exitCodes.storageCorrupt);
  assert.ok(!existsSync(join(folder, "damaged.db")));

  const repaired = done(await starlight(["store", "repair"]));
  assert.match(repaired, /is whole again, \d+ rows\nthe damaged file is .*state\.db\.damaged-/);
  assert.match(repaired, /lost: "[^]*comes back at the next sync/);
  assert.ok(keptFiles().some((name) => readFileSync(join(node.data, name)).equals(bad)));
  done(await starlight(["store", "check"]));
});

test("restore asks for --force, refuses a damaged backup with 13, keeps the old file, and the agent runs on it", async () => {
  const file = join(folder, "running.db");
  const careful = await starlight(["store", "restore", file]);
  assert.equal(careful.code, exitCodes.usage);
  assert.match(careful.err, /--force/);
  const broken = join(folder, "broken.db");
  writeFileSync(broken, readFileSync(file));
  damage(broken, "text of two");
  const refused = await starlight(["store", "restore", broken, "--force"]);
  assert.equal(refused.code, exitCodes.storageCorrupt, refused.err);
  assert.match(refused.err, /the backup .* is damaged[^]*Nothing was changed/);
  const keptBefore = keptFiles().length;
  assert.match(done(await starlight(["store", "restore", file, "--force"])), /the old file is/);
  assert.equal(keptFiles().length, keptBefore + 1);
  await fleet.start(node);
  assert.match(await configMaps(), /text of two/);
  // The restored records begin another history than the mirror's.
  await eventually("the old mirror is kept aside", async () =>
    Promise.resolve(/MirrorOfAnother/.test(log())),
  );
});

test("an agent with a damaged database repairs it from the mirror at its start, and says so", async () => {
  await makeConfigMap("four");
  const id = node.id?.pid ?? 0;
  process.kill(id, "SIGTERM");
  await eventually("the agent has stopped", async () =>
    Promise.resolve(!existsSync(layoutOf(node.data).agent)),
  );
  await eventually("the agent is gone", async () => Promise.resolve(!existsSync(`/proc/${id}/exe`)));
  const { whole, mirror } = JSON.parse(done(await starlight(["store", "check", "-o", "json"], mirrored))) as {
    whole: boolean;
    mirror: { present: boolean; rows: number };
  };
  assert.ok(whole && mirror.present && mirror.rows > 3);
  damage(database, "text of four");
  await fleet.start(node);
  assert.match(log(), /StoreRepaired.* was repaired from its mirror/);
  assert.match(await configMaps(), /text of four/);
});
