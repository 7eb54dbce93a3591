import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { done, run, type Ran } from "./support/command.ts";
import { kubectlFleet } from "./support/kubectl-fleet.ts";
import { deployment } from "./support/manifests.ts";
import { eventually } from "./support/poll.ts";

/** Real agents are drained by the real kubectl and by `starlight drain`. */

const { fleet, at, apply } = kubectlFleet(3);

const starlight = async (args: readonly string[]): Promise<string> => done(await run(args));
const copies = (name: string, replicas: number): object => deployment(name, "exec sleep 1000", replicas);

type Place = { readonly pod: string; readonly node: string; readonly status: string };

async function placesOf(app: string): Promise<Place[]> {
  const out = done(await at("lab-1", ["get", "pods", "-l", `app=${app}`, "-o", "wide", "--no-headers"]));
  return out
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const [pod = "", ready = "", status = "", , , , node = ""] = line.split(/\s+/);
      return { pod, node, status: ready === "1/1" ? status : `${status} ${ready}` };
    });
}

const running = (places: readonly Place[]): Place[] => places.filter(({ status }) => status === "Running");

test("kubectl drain moves every pod of a node to the others, and no copy is missing meanwhile", async () => {
  done(await apply("lab-1", copies("shop", 3)));
  await eventually("three copies run", async () => running(await placesOf("shop")).length === 3);
  const [victim] = await placesOf("shop");
  assert.ok(victim !== undefined);
  // Asked of another node than the one that is drained: the eviction is passed on.
  const asked = victim.node === "lab-1" ? "lab-2" : "lab-1";
  const progress = { least: 3, over: false };
  const watching = (async () => {
    while (!progress.over) {
      progress.least = Math.min(progress.least, running(await placesOf("shop")).length);
    }
  })();
  const said = done(await at(asked, ["drain", victim.node, "--ignore-daemonsets", "--timeout=40s"]));
  progress.over = true;
  await watching;
  assert.match(said, new RegExp(`node/${victim.node} drained`));
  assert.equal(progress.least, 3);
  const after = running(await placesOf("shop"));
  assert.equal(after.length, 3);
  assert.ok(after.every(({ node }) => node !== victim.node));
  done(await at(asked, ["uncordon", victim.node]));
});

test("a disruption budget that allows nothing keeps kubectl drain from taking a copy", async () => {
  done(await apply("lab-1", copies("till", 1)));
  const budget = {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: { name: "till", namespace: "default" },
    spec: { minAvailable: 1, selector: { matchLabels: { app: "till" } } },
  };
  done(await apply("lab-2", budget));
  await eventually("the copy runs", async () => running(await placesOf("till")).length === 1);
  assert.match(done(await at("lab-3", ["get", "pdb", "till", "--no-headers"])), /till\s+1\s+N\/A\s+0/);
  const [before] = await placesOf("till");
  assert.ok(before !== undefined);
  const refused = await at("lab-3", ["drain", before.node, "--ignore-daemonsets", "--timeout=3s"]);
  assert.notEqual(refused.code, 0);
  assert.match(refused.err, /violate the pod's disruption budget/);
  assert.deepEqual(
    (await placesOf("till")).map(({ pod }) => pod),
    [before.pod],
  );
  done(await at("lab-3", ["delete", "pdb", "till"]));
  done(await at("lab-3", ["drain", before.node, "--ignore-daemonsets", "--timeout=40s"]));
  const [after] = running(await placesOf("till"));
  assert.notEqual(after?.node, before.node);
  done(await at("lab-3", ["uncordon", before.node]));
});

test("kubectl delete pod replaces the copy, and with a grace period ends it first", async () => {
  await eventually("the copy runs", async () => running(await placesOf("till")).length === 1);
  for (const args of [[], ["--grace-period=1"]]) {
    const [before] = running(await placesOf("till"));
    assert.ok(before !== undefined);
    done(await at("lab-1", ["delete", "pod", before.pod, "--timeout=40s", ...args]));
    await eventually("another copy runs", async () => {
      const now = running(await placesOf("till"));
      return now.length === 1 && now[0]?.pod !== before.pod;
    });
  }
});

test("outside of its maintenance window a node keeps its pods, through drains and updates", async () => {
  const [before] = running(await placesOf("till"));
  assert.ok(before !== undefined);
  // The only window is the first minute of the next leap day.
  const annotate = (value: string): Promise<Ran> =>
    at("lab-1", ["annotate", "node", before.node, `starlight.dev/maintenance${value}`]);
  done(await annotate("=0 0 29 2 * for 1m"));
  const refused = await at("lab-2", ["drain", before.node, "--ignore-daemonsets", "--timeout=3s"]);
  assert.notEqual(refused.code, 0);
  assert.match(refused.err, /the maintenance window of lab-\d opens at \d{4}-02-29T00:00:00Z/);
  const wrong = await at("lab-2", [
    "annotate",
    "--overwrite",
    "node",
    "lab-3",
    "starlight.dev/maintenance=soon",
  ]);
  assert.match(wrong.err, /0 2 \* \* 6 for 4h/);
  done(await at("lab-2", ["set", "env", "deployment/till", "COLOUR=blue"]));
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  assert.deepEqual(
    (await placesOf("till")).map(({ pod }) => pod),
    [before.pod],
  );
  done(await annotate("-"));
  await eventually("the update goes on", async () => {
    const now = running(await placesOf("till"));
    return now.length === 1 && now[0]?.pod !== before.pod;
  });
  done(await at("lab-2", ["uncordon", before.node]));
});

test("starlight drain empties a node, and a node that leaves ends what it still runs", async () => {
  const [before] = running(await placesOf("till"));
  assert.ok(before !== undefined);
  const { kubeconfig, node: nodeNamed, nodes } = fleet();
  const data = ["--data", nodeNamed(before.node).data, "--kubeconfig", kubeconfig];
  const other = nodes.find(({ name }) => name !== before.node);
  assert.ok(other !== undefined);
  const drained = await starlight([
    "drain",
    before.node,
    "--timeout",
    "30s",
    "--server",
    other.advertised,
    ...data,
  ]);
  assert.match(drained, new RegExp(`node/${before.node} drained`));
  const moved = running(await placesOf("till"));
  assert.ok(moved.length === 1 && moved[0]?.node !== before.node);
  await starlight(["uncordon", before.node, "--server", other.advertised, ...data]);
  // The first node is the root, which nobody ends.
  const leaver = nodes.findLast(({ name }) => name !== "lab-1");
  assert.ok(leaver !== undefined);
  const pidsOf = (): string[] => readdirSync(join(leaver.data, "pods"));
  done(await at("lab-1", ["scale", "deployment/shop", "--replicas=6"]));
  await eventually("the leaver runs a copy", () => pidsOf().length > 0);
  await starlight(["leave", "--now", "--server", leaver.advertised, ...data]);
  await eventually("nothing is left of its pods", () => pidsOf().length === 0, 60_000);
  await eventually("the others run all six copies", async () => running(await placesOf("shop")).length === 6);
});
