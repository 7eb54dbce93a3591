import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse, stringify } from "yaml";
import { createFleet, type Fleet } from "../src/cli/demo/fleet.ts";
import { exitCodes } from "../src/app/exit-codes.ts";
import { done, run, type Ran } from "./support/command.ts";
import { eventually } from "./support/poll.ts";

/** The command line as people and scripts meet it: a process, its output and its exit code. */

const shop = fileURLToPath(new URL("../examples/shop.yaml", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "starlight-cli-"));
let fleet: Fleet;

before(async () => {
  fleet = await createFleet([{ site: "lab", region: "north", nodes: 2 }], { progress: () => {} });
});
after(async () => {
  await fleet?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Against the first node of the fleet, or the one that is named. */
async function starlight(args: readonly string[], input = "", at = "lab-1"): Promise<Ran> {
  const { advertised } = fleet.node(at);
  return run(["--kubeconfig", fleet.kubeconfig, "--server", advertised, ...args], input);
}

const fresh = (name: string): string => join(folder, name);

test("help names every command; a wrong command or flag is a usage error with code 2", async () => {
  const help = done(await run(["--help"]));
  const commands =
    "init invite join agent apply get describe delete scale logs status why conflicts resolve history undo heal-report bundle config demo completion";
  for (const name of commands.split(" ")) assert.match(help, new RegExp(`^  ${name}\\b`, "m"));
  const unknown = await run(["aply"]);
  assert.equal(unknown.code, exitCodes.usage);
  assert.match(unknown.err, /unknown command 'aply'/);
  assert.equal((await run(["get", "pods", "--colour"])).code, exitCodes.usage);
});

test("a manifest with errors names file, document, field, value and fix, and nothing is applied", async () => {
  const good = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: fine }\ndata: { a: b }\n";
  const bad =
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: Shop }\nspec: { replicas: -1, template: { spec: { hostPID: true } } }\n";
  const file = fresh("bad.yaml");
  writeFileSync(file, `${good}---\n${bad}`);
  const ran = await starlight(["apply", "-f", file]);
  assert.equal(ran.code, exitCodes.usage);
  for (const word of [
    file,
    "document 2",
    "Deployment/Shop",
    "spec.replicas: Invalid value: -1: is out of range: must be from 0 to 10000",
    "spec.selector: Required value: ",
    "hostPID",
    "metadata.name",
    "spec.selector",
    "nothing was applied",
  ]) {
    assert.ok(ran.err.includes(word), `no word of ${word} in:\n${ran.err}`);
  }
  assert.equal((await starlight(["get", "configmap", "fine"])).code, exitCodes.failed);
});

test("an unknown kind is refused by name, with the kinds there are", async () => {
  const ran = await starlight(
    ["apply", "-f", "-"],
    "apiVersion: example.org/v1\nkind: Rocket\nmetadata: { name: r }\n",
  );
  assert.equal(ran.code, exitCodes.usage);
  assert.match(ran.err, /Rocket/);
  assert.match(ran.err, /Deployment/);
});

test("broken YAML names the line", async () => {
  const ran = await starlight(["apply", "-f", "-"], "apiVersion: v1\nkind: [\n");
  assert.equal(ran.code, exitCodes.usage);
  assert.match(ran.err, /-:\d+:\d+: document 1/);
});

test("apply, get, describe, scale, why, logs and delete, in tables, JSON, YAML and names", async () => {
  assert.match(done(await starlight(["apply", "-f", shop])), /deployment\.apps\/shop created/);
  assert.match(
    done(await starlight(["apply", "-f", shop, "--dry-run"])),
    /deployment\.apps\/shop unchanged \(dry run\)/,
  );
  await eventually("the shop is ready", async () =>
    /shop\s+2\/2/.test(done(await starlight(["get", "deploy"]))),
  );
  const list = JSON.parse(done(await starlight(["get", "pods", "-l", "app=shop", "-o", "json"]))) as {
    items: { metadata: { name: string } }[];
  };
  assert.equal(list.items.length, 2);
  const name = list.items[0]?.metadata.name ?? "";
  assert.match(done(await starlight(["get", "pods", "-o", "name"])), new RegExp(`pod/${name}`));
  assert.match(
    done(await starlight(["get", "deployment", "shop", "-o", "yaml"])),
    /^apiVersion: apps\/v1\nkind: Deployment/m,
  );
  assert.match(done(await starlight(["get", "pods", "-A", "-o", "wide"])), /^NAMESPACE\s+NAME.*NODE/i);
  assert.match(done(await starlight(["describe", "deployment", "shop"])), /starlight\.dev\/placement/);
  assert.match(done(await starlight(["why", "shop"], "", "lab-2")), /site\/lab\/0\n\s+runs on lab-/);
  assert.match(
    done(await starlight(["scale", "deployment/shop", "--replicas", "3"], "", "lab-2")),
    /scaled to 3/,
  );
  await eventually("three copies", async () => /shop\s+3\/3/.test(done(await starlight(["get", "deploy"]))));
  await eventually("the log says so", async () =>
    /answers on port/.test(done(await starlight(["logs", name]))),
  );
  assert.match(done(await starlight(["delete", "-f", shop])), /deleted/);
  await eventually("nothing runs", async () => !/shop/.test((await starlight(["get", "pods"])).out));
  const missing = await starlight(["get", "deployment", "shop"]);
  assert.equal(missing.code, exitCodes.failed);
  assert.match(missing.err, /not found/);
});

test("status says which island is speaking and how fresh it is", async () => {
  const text = done(await starlight(["status"], "", "lab-2"));
  assert.match(text, /lab-2 speaks, site lab, region north, mesh demo/);
  assert.match(text, /you see 2 of 2 nodes and 1 of 1 sites; everything is in view/);
  assert.match(
    done(await starlight(["why", "node/lab-1"], "", "lab-2")),
    /lab-1 has been alive to lab-2 for/,
  );
  assert.match(done(await starlight(["conflicts"])), /no conflicts/i);
});

test("no agent at the address: one line, code 24", async () => {
  const ran = await run(["--kubeconfig", fleet.kubeconfig, "--server", "127.0.0.1:1", "get", "pods"]);
  assert.equal(ran.code, exitCodes.unreachable);
  assert.match(ran.err, /127\.0\.0\.1:1.*is the agent running/);
  assert.equal(ran.err.trim().split("\n").length, 1);
});

test("an empty data folder: the agent says what comes first, code 10", async () => {
  const ran = await run(["--data", fresh("empty"), "agent"]);
  assert.equal(ran.code, exitCodes.notInitialised);
  assert.match(ran.err, /starlight init/);
});

test("a second init leaves the first mesh alone, code 16", async () => {
  const data = fresh("twice");
  done(await run(["--data", data, "init", "--mesh", "m", "--name", "n", "--site", "s", "--region", "r"]));
  const again = await run([
    "--data",
    data,
    "init",
    "--mesh",
    "other",
    "--name",
    "n",
    "--site",
    "s",
    "--region",
    "r",
  ]);
  assert.equal(again.code, exitCodes.alreadyInitialised);
});

test("a port that is taken, code 11; a corrupt database, code 13, left as it is", async () => {
  const data = fresh("ports");
  done(await run(["--data", data, "init", "--mesh", "m", "--name", "n", "--site", "s", "--region", "r"]));
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  const taken = await run(["--data", data, "agent", "--listen", `127.0.0.1:${port}`]);
  server.close();
  assert.equal(taken.code, exitCodes.portTaken, taken.err);
  assert.match(taken.err, new RegExp(`${port}`));
  writeFileSync(
    join(data, "state.db"),
    "this is not a database, and longer than its header is, by far and more",
  );
  const corrupt = await run(["--data", data, "agent", "--listen", "127.0.0.1:0"]);
  assert.equal(corrupt.code, exitCodes.storageCorrupt, corrupt.err);
});

test("invites: garbage is code 20, a used one code 21", async () => {
  const garbage = await run(["--data", fresh("j1"), "join", "nonsense", "--name", "x"]);
  assert.equal(garbage.code, exitCodes.inviteInvalid, garbage.err);
  const invited = await starlight(["invite", "--site", "lab", "--uses", "1"]);
  const line = done(invited).trim();
  assert.match(line, /^starlight1\.\S+$/, "nothing but the invite, for scripts");
  assert.match(invited.err, /^for site lab in region north$/m);
  const check = done(await run(["--data", fresh("j2"), "join", line, "--name", "lab-8", "--check"]));
  assert.match(check, /lab-8 can join in site lab \(region north\)/);
  const joined = done(await run(["--data", fresh("j2"), "join", line, "--name", "lab-8"]));
  assert.match(joined, /joined mesh \S+ in site lab \(region north\) as lab-8/);
  const spent = await run(["--data", fresh("j3"), "join", line, "--name", "lab-9"]);
  assert.equal(spent.code, exitCodes.inviteSpent, spent.err);
});

test("an invite with a wrong value is a usage error that says what is right", async () => {
  for (const [flags, reason] of [
    [["--site", "lab", "--region", "eu.-de"], /the region "eu\.-de" is not a region: use 1 to 6 names/],
    [["--region", "Nord", "--site", "No Site"], /"No Site" is not a name/],
    [["--uses", "5000"], /uses 5000: an invite is for 1 to 1000 machines/],
    [["--ttl", "90d"], /--ttl 90d: .* days are no unit: 90 days, the most, are 2160h/],
    [["--ttl", "2161h"], /1 to 7776000000 ms, which is 2160h or 90 days/],
  ] as const) {
    const refused = await starlight(["invite", "--site", "new", ...flags]);
    assert.equal(refused.code, exitCodes.usage, refused.err);
    assert.match(refused.err, reason);
  }
  const elsewhere = await starlight(["invite", "--site", "lab", "--region", "south"]);
  assert.equal(elsewhere.code, exitCodes.failed, "well written, and in conflict with what stands");
  assert.match(elsewhere.err, /"south" conflicts with the site "lab", which stands in north/);
});

test("a viewer's token reads and does not write, code 27", async () => {
  const { data, advertised } = fleet.node("lab-1");
  const token =
    done(await run(["--data", data, "token", "eve"]))
      .trim()
      .split("\n")[0] ?? "";
  const admin = parse(readFileSync(fleet.kubeconfig, "utf8")) as { users: { user: object }[] };
  admin.users = admin.users.map((entry) => ({ ...entry, user: { token } }));
  const file = fresh("viewer.yaml");
  writeFileSync(file, stringify(admin));
  const viewer = ["--kubeconfig", file, "--server", advertised];
  assert.match(done(await run([...viewer, "get", "nodes"])), /lab-1/);
  const refused = await run([...viewer, "scale", "deployment/shop", "--replicas", "1"]);
  assert.equal(refused.code, exitCodes.notAllowed, refused.err);
  assert.match(refused.err, /eve/);
});

test("kubeconfig: a viewer's reads and does not write, on every node; --renew replaces the first one", async () => {
  const data = fleet.node("lab-1").data;
  const file = fresh("ada.kubeconfig");
  const made = await run([
    "--data",
    data,
    "kubeconfig",
    "--user",
    "ada",
    "--group",
    "starlight:viewers",
    "--out",
    file,
  ]);
  assert.match(done(made), /ada \(starlight:viewers\), good for 365 days/);
  const other = fleet.node("lab-2").advertised;
  done(await run(["--kubeconfig", file, "--server", other, "get", "nodes"]));
  const refused = await run(["--kubeconfig", file, "delete", "node", "lab-2"]);
  assert.equal(refused.code, exitCodes.notAllowed);
  const before = readFileSync(join(data, "admin/kubeconfig"), "utf8");
  done(await run(["--data", data, "kubeconfig", "--renew", "--days", "2"]));
  assert.notEqual(readFileSync(join(data, "admin/kubeconfig"), "utf8"), before);
  done(await run(["--data", data, "get", "nodes"]));
  assert.equal((await run(["--data", data, "kubeconfig", "--days", "0"])).code, exitCodes.usage);
});

test("settings: a typo is an error by name; config show says where each value came from", async () => {
  mkdirSync(fresh("c1"));
  writeFileSync(join(fresh("c1"), "config.yaml"), "pingEveryMilliseconds: 5\n");
  const typo = await run(["--data", fresh("c1"), "config", "show"]);
  assert.equal(typo.code, exitCodes.usage, typo.out);
  assert.match(typo.err, /pingEveryMilliseconds/);
  const shown = done(await run(["--data", fresh("c2"), "config", "show", "--ping-every-ms", "700"]));
  assert.match(shown, /pingEveryMs\s+700\s+--ping-every-ms/);
  assert.match(shown, /silentAfterMs\s+\d+\s+default/);
});

test("completion is a script, and completes commands, kinds and live names", async () => {
  assert.match(done(await run(["completion", "bash"])), /complete .*starlight/);
  assert.match(done(await run(["__complete", "des"])), /describe/);
});
