import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createFleet, program, type Fleet } from "../src/cli/demo/fleet.ts";
import { findAgent } from "../src/app/agent-file.ts";
import { exitCodes } from "../src/app/exit-codes.ts";
import { done, run, type Ran } from "./support/command.ts";
import { eventually } from "./support/poll.ts";

/** A site without a network, as its operator meets it: commands, files and exit codes of real agents. */

const folder = mkdtempSync(join(tmpdir(), "starlight-stick-"));
const file = (name: string): string => join(folder, name);
let fleet: Fleet;

before(async () => {
  const layout = [
    { site: "oslo", region: "north", nodes: 1 },
    { site: "bern", region: "south", nodes: 1 },
  ];
  fleet = await createFleet(layout, { progress: () => {} });
  fleet.wires.cut("bern");
  await eventually("both sites are alone", async () =>
    /you see 1 of 2 nodes/.test((await at("oslo-1", ["status"])).out),
  );
});
after(async () => {
  await fleet?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Someone who stands beside the machine: not over the wires, which are cut. */
function at(node: string, args: readonly string[]): Promise<Ran> {
  const { data, address } = fleet.node(node);
  const server = `${address}:${findAgent(data)?.port ?? 1}`;
  return run(["--kubeconfig", fleet.kubeconfig, "--server", server, ...args]);
}

async function note(node: string, name: string): Promise<void> {
  const path = file(`${name}.yaml`);
  writeFileSync(
    path,
    `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ${name} }\ndata: { by: ${node} }\n`,
  );
  done(await at(node, ["apply", "-f", path]));
}

const holds = async (node: string, name: string): Promise<boolean> =>
  (await at(node, ["get", "configmap", name])).code === 0;

test("two sites without a link hold the same after files there and back", async () => {
  await note("oslo-1", "from-oslo");
  await note("bern-1", "from-bern");
  done(await at("oslo-1", ["bundle", "export", file("oslo.bundle")]));
  const taken = done(await at("bern-1", ["bundle", "import", file("oslo.bundle")]));
  assert.match(taken, /\d+ records: \d+ new, \d+ already known, 0 refused, 0 set aside/);
  assert.ok(await holds("bern-1", "from-oslo"));
  assert.ok(!(await holds("oslo-1", "from-bern")));
  await eventually("both hold exactly the same", async () => {
    done(await at("bern-1", ["bundle", "export", file("bern.bundle")]));
    done(await at("oslo-1", ["bundle", "import", file("bern.bundle")]));
    done(await at("oslo-1", ["bundle", "export", file("oslo.bundle")]));
    return /holds exactly what oslo-1 held/.test(
      done(await at("bern-1", ["bundle", "import", file("oslo.bundle")])),
    );
  });
  assert.ok(await holds("oslo-1", "from-bern"));
});

test("a difference is a part of the whole, and `show` says whose and since when", async () => {
  done(await at("bern-1", ["bundle", "heads", file("bern.heads")]));
  await note("oslo-1", "late");
  const args = ["bundle", "export", "--site", "bern", "--since-peer", file("bern.heads"), file("part")];
  assert.match(done(await at("oslo-1", args)), /what bern-1 lacked of it/);
  assert.ok(statSync(file("part")).size < statSync(file("oslo.bundle")).size);
  const shown = done(await run(["bundle", "show", file("part")]));
  assert.match(shown, /^bundle of oslo-1, site oslo, mesh demo/);
  assert.match(shown, /for: site bern of region south/);
  assert.match(shown, /a difference: what bern-1 lacked at/);
  assert.match(shown, /intent +[1-9]\d* +0/);
  const { header, logs, classes } = JSON.parse(
    done(await run(["bundle", "show", file("part"), "-o", "json"])),
  ) as { header: { kind: string; records: number }; logs: object[]; classes: { records: number }[] };
  assert.equal(header.kind, "bundle");
  assert.ok(logs.length > 0);
  assert.equal(
    classes.reduce((sum, { records }) => sum + records, 0),
    header.records,
  );
  done(await at("bern-1", ["bundle", "import", file("part")]));
  assert.ok(await holds("bern-1", "late"));
  assert.match(done(await run(["bundle", "show", file("bern.heads")])), /^heads of bern-1/);
});

test("a damaged file, a file of heads, another mesh: refused with a code each, and nothing stays behind", async () => {
  const bytes = readFileSync(file("oslo.bundle"));
  writeFileSync(file("short"), bytes.subarray(0, bytes.length - 1));
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 4;
  writeFileSync(file("bent"), bytes);
  for (const name of ["short", "bent"]) {
    const ran = await at("bern-1", ["bundle", "import", file(name)]);
    assert.equal(ran.code, exitCodes.bundleDamaged, ran.err);
    assert.match(ran.err, /Nothing of it was used/);
  }
  assert.equal((await at("bern-1", ["bundle", "import", file("bern.heads")])).code, exitCodes.usage);
  assert.equal((await at("bern-1", ["bundle", "import", file("none")])).code, exitCodes.failed);
  const other = file("other");
  done(
    await run(["--data", other, "init", "--mesh", "other", "--name", "o", "--site", "s", "--region", "r"]),
  );
  const agent = execFile(process.execPath, [program, "--data", other, "agent", "--listen", "127.0.0.1:0"]);
  await eventually("the other mesh's node runs", () => readdirSync(other).includes("agent.json"));
  agent.kill("SIGTERM");
  await new Promise((resolve) => agent.once("exit", resolve));
  done(await run(["--data", other, "bundle", "export", file("other.bundle")]));
  const wrong = await at("bern-1", ["bundle", "import", file("other.bundle")]);
  assert.equal(wrong.code, exitCodes.wrongMesh, wrong.err);
  assert.match(wrong.err, /belongs to the mesh other .*this node belongs to demo/);
  assert.deepEqual(readdirSync(join(fleet.node("bern-1").data, "incoming")), []);
});

test("without an agent: export and heads work on the folder, import says what to do", async () => {
  const { data } = fleet.node("bern-1");
  const locked = await run(["--data", data, "bundle", "export", file("locked")]);
  assert.notEqual(locked.code, 0, "its agent runs, and the folder has no kubeconfig");
  fleet.killAgent(fleet.node("bern-1"));
  const exported = await eventually("the folder is free", async () => {
    const ran = await run(["--data", data, "bundle", "export", file("offline")]);
    return ran.code === 0 && ran.out;
  });
  assert.match(exported, /all that bern-1 holds/);
  assert.match(
    done(await run(["--data", data, "bundle", "heads", file("offline.heads")])),
    /how far bern-1 knows/,
  );
  const refused = await run(["--data", data, "bundle", "import", file("oslo.bundle")]);
  assert.equal(refused.code, exitCodes.unreachable);
  assert.match(refused.err, /no agent runs on .*start it with `starlight agent`/);
  done(await at("oslo-1", ["bundle", "import", file("offline")]));
});
