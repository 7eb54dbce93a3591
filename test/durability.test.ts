import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { exitCodes } from "../src/app/exit-codes.ts";
import type { Client } from "../src/cli/client.ts";
import { createFleet, type Fleet } from "../src/cli/demo/fleet.ts";
import { run, type Ran } from "./support/command.ts";
import { deployment } from "./support/manifests.ts";
import { eventually } from "./support/poll.ts";

/** Three real nodes in one site and one elsewhere: what `--wait` promises, and what it says when it cannot. */

type Told = {
  readonly local: boolean;
  readonly site: { readonly have: number; readonly of: number };
  readonly wait?: { readonly reached: boolean };
  readonly seenBy: readonly string[];
  readonly missing: readonly { readonly node: string; readonly why: string }[];
};

let fleet: Fleet;
let lab: Client;

before(async () => {
  const layout = [
    { site: "lab", region: "north", nodes: 3 },
    { site: "away", region: "south", nodes: 1 },
  ];
  fleet = await createFleet(layout, { progress: () => {} });
  lab = await fleet.client(fleet.node("lab-1"));
  await allInView();
});
after(() => fleet?.stop());

async function allInView(): Promise<void> {
  await eventually("all four are in view", async () => {
    const { text } = await lab.call("GET", "/starlight/v1/status");
    const { island } = JSON.parse(text) as { island: { nodes: number } };
    return island.nodes === 4;
  });
}

const starlight = (args: readonly string[], input = ""): Promise<Ran> =>
  run(["--kubeconfig", fleet.kubeconfig, "--server", fleet.node("lab-1").advertised, ...args], input);

const note = (name: string, text = "1"): object => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default" },
  data: { text },
});
const shop = JSON.stringify(deployment("shop", "exec sleep 1000", 0));
const configMaps = "/api/v1/namespaces/default/configmaps";

test("without --wait a write says that it is on this node, and how many nodes the site has", async () => {
  const ran = await starlight(["apply", "-f", "-"], JSON.stringify(note("plain")));
  assert.equal(ran.code, 0, ran.err);
  assert.match(
    ran.out,
    /configmap\/plain created\nstored on this node; the others are not waited for \(--wait site: until all 3 nodes of the site have it\)\n/,
  );
});

test("--wait site, region and all are reached, by apply, scale and delete, and name who holds it", async () => {
  const applied = await starlight(["apply", "-f", "-", "--wait", "site"], shop);
  assert.equal(applied.code, 0, applied.err);
  assert.match(applied.out, /stored on 3\/3 nodes of the site: lab-1, lab-2, lab-3\n/);
  const again = await starlight(["apply", "-f", "-", "--wait", "site"], shop);
  assert.match(again.out, /shop unchanged\nstored on 3\/3 nodes of the site/);
  const scaled = await starlight(["scale", "deployment/shop", "--replicas", "1", "--wait", "all"]);
  assert.equal(scaled.code, 0, scaled.err);
  assert.match(scaled.out, /stored on 4\/4 nodes of the mesh: lab-1, away-1, lab-2, lab-3\n/);
  const gone = await starlight(["delete", "deployment/shop", "--wait", "region", "--timeout", "5s"]);
  assert.equal(gone.code, 0, gone.err);
  assert.match(gone.out, /shop deleted\nstored on 3\/3 nodes of the region: lab-1, lab-2, lab-3\n/);
});

test("every verb of the API takes wait and answers with the header; durability=body puts it into the body", async () => {
  const created = await lab.call("POST", `${configMaps}?wait=all`, note("verbs"));
  assert.equal(created.headers["starlight-durability"], "local; site=3/3; all=4/4; wait=reached");
  assert.equal(created.status, 201);
  const put = await lab.call("PUT", `${configMaps}/verbs?wait=site&waitTimeout=5s`, note("verbs", "2"));
  assert.equal(put.headers["starlight-durability"], "local; site=3/3; wait=reached");
  const patch = { data: { text: "3" } };
  const patched = await lab.call("PATCH", `${configMaps}/verbs?wait=region&durability=body`, patch, {
    contentType: "application/merge-patch+json",
  });
  assert.equal(patched.headers["starlight-durability"], "local; site=3/3; region=3/3; wait=reached");
  const { result, durability } = JSON.parse(patched.text) as { result: { kind: string }; durability: Told };
  assert.equal(result.kind, "ConfigMap");
  assert.deepEqual(durability.seenBy, ["lab-1", "lab-2", "lab-3"]);
  const deleted = await lab.call("DELETE", `${configMaps}/verbs`);
  assert.equal(deleted.headers["starlight-durability"], "local; site=1/3");
  const dry = await lab.call("POST", `${configMaps}?dryRun=All&wait=all`, note("dry"));
  assert.equal(dry.headers["starlight-durability"], "none");
});

test("a wait that cannot be understood is refused before anything is written", async () => {
  await assert.rejects(lab.call("POST", `${configMaps}?wait=planet`, note("never")), /wait=planet/);
  await assert.rejects(
    lab.call("POST", `${configMaps}?wait=site&waitTimeout=1d`, note("never")),
    /waitTimeout/,
  );
  await assert.rejects(lab.call("GET", `${configMaps}/never`), /not found/);
  assert.equal((await starlight(["delete", "configmap/plain", "--wait", "planet"])).code, exitCodes.usage);
  assert.equal((await starlight(["delete", "configmap/plain", "--timeout", "1s"])).code, exitCodes.usage);
});

test("with a site cut off, --wait all ends at its timeout, names who is missing and exits with 31", async () => {
  fleet.wires.cut("away");
  try {
    // First while the cut is not known yet, then when it is.
    for (const why of [/away-1: /, /away-1: unreachable/]) {
      const ran = await starlight(
        ["apply", "-f", "-", "--wait", "all", "--timeout", "3s"],
        JSON.stringify(note(`cut-${why.source.length}`)),
      );
      assert.equal(ran.code, exitCodes.waitNotReached, ran.err);
      assert.match(ran.out, /created\nstored on 3\/4 nodes of the mesh: lab-1, lab-2, lab-3\n/);
      assert.match(ran.err, /--wait all --timeout 3s was not reached; the write stands/);
      assert.match(ran.err, why);
    }
    const answer = await lab.call("POST", `/starlight/v1/apply?wait=all&waitTimeout=300ms`, {
      objects: [note("cut-api")],
    });
    assert.equal(answer.status, 200);
    assert.equal(
      answer.headers["starlight-durability"],
      "local; site=3/3; all=3/4; wait=timed-out; missing=away-1",
    );
    const { durability } = JSON.parse(answer.text) as { durability: Told };
    assert.equal(durability.wait?.reached, false);
    assert.deepEqual(
      durability.missing.map(({ node }) => node),
      ["away-1"],
    );
    const inSite = await starlight(["apply", "-f", "-", "--wait", "site"], JSON.stringify(note("cut-site")));
    assert.equal(inSite.code, 0, inSite.err);
  } finally {
    fleet.wires.heal("away");
  }
});

test("a wait that began while a site was cut off is reached when the link is back", async () => {
  await allInView();
  fleet.wires.cut("away");
  const ran = starlight(
    ["apply", "-f", "-", "--wait", "all", "--timeout", "20s"],
    JSON.stringify(note("late")),
  );
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  fleet.wires.heal("away");
  const { code, out, err } = await ran;
  assert.equal(code, 0, err);
  assert.match(out, /stored on 4\/4 nodes of the mesh/);
});

test("who said that it holds a write has it after kill -9 and a restart alone", async () => {
  await allInView();
  const away = fleet.node("away-1");
  for (const round of [1, 2, 3]) {
    const objects = Array.from({ length: 40 }, (_, at) => note(`kept-${round}-${at}`));
    const { text } = await lab.call("POST", "/starlight/v1/apply?wait=all", { objects });
    fleet.killAgent(away);
    const { durability } = JSON.parse(text) as { durability: Told };
    assert.deepEqual(durability.missing, []);
    assert.ok(durability.seenBy.includes("away-1"));
    fleet.wires.cut("away");
    await fleet.start(away);
    const alone = await fleet.client(away);
    const status = JSON.parse((await alone.call("GET", "/starlight/v1/status")).text) as {
      island: { nodes: number };
    };
    assert.equal(status.island.nodes, 1);
    const { items } = JSON.parse((await alone.call("GET", configMaps)).text) as {
      items: { metadata: { name: string } }[];
    };
    const names = new Set(items.map(({ metadata }) => metadata.name));
    for (const at of objects.keys())
      assert.ok(names.has(`kept-${round}-${at}`), `kept-${round}-${at} is lost`);
    fleet.wires.heal("away");
    await allInView();
  }
});

test("a node says whether it holds an author's log up to a version", async () => {
  const { text } = await lab.call("GET", "/starlight/v1/status");
  const { speaking } = JSON.parse(text) as { speaking: { id: string } };
  const ask = async (version: string): Promise<unknown> =>
    JSON.parse((await lab.call("GET", `/starlight/v1/holds?author=${speaking.id}&version=${version}`)).text);
  assert.deepEqual(await ask("1"), { node: "lab-1", site: "lab", region: "north", holds: true });
  assert.deepEqual(await ask("9007199254740991"), {
    node: "lab-1",
    site: "lab",
    region: "north",
    holds: false,
  });
  await assert.rejects(ask("soon"), /version/);
});
