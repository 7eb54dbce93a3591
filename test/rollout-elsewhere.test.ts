import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createFleet, type Fleet } from "../src/cli/demo/fleet.ts";
import { done, run, type Ran } from "./support/command.ts";
import { kubectl } from "./support/kubectl.ts";
import { deployment } from "./support/manifests.ts";
import { eventually } from "./support/poll.ts";

/** The real kubectl follows a mesh-wide Deployment at a node that keeps the detail of its own site only. */

let fleet: Fleet | undefined;
before(async () => {
  const layout = [
    { site: "oslo", region: "north", nodes: 1 },
    { site: "bern", region: "north", nodes: 1 },
    { site: "rome", region: "north", nodes: 1 },
  ];
  fleet = await createFleet(layout, { progress: () => {}, detail: "site" });
});
after(async () => {
  await fleet?.stop();
});

async function at(node: string, args: readonly string[], manifest?: object): Promise<Ran> {
  assert.ok(fleet !== undefined);
  const server = `https://${fleet.node(node).advertised}`;
  const input = manifest === undefined ? "" : JSON.stringify(manifest);
  return kubectl({ kubeconfig: fleet.kubeconfig, server, home: fleet.directory }, args, input);
}

const nodes = ["oslo-1", "bern-1", "rome-1"];
const rolloutStatus = ["rollout", "status", "deployment/echo", "--timeout=60s"];

test("kubectl rollout status ends at each of 3 sites when all 4 copies run, and again after an update", async () => {
  await eventually(
    "oslo is told of the others",
    async () => {
      const told = done(await at("oslo-1", ["get", "sites", "--no-headers"]));
      return told.includes("bern") && told.includes("rome");
    },
    60_000,
  );
  done(await at("oslo-1", ["apply", "-f", "-"], deployment("echo", "exec sleep 1000", 4)));
  const podsAt = async (node: string): Promise<number> => {
    const { out } = await at(node, ["get", "pods", "--no-headers", "-l", "app=echo"]);
    return out.split("\n").filter((line) => line.includes("Running")).length;
  };
  for (const node of nodes) {
    await eventually(
      `${node} knows of it`,
      async () => (await at(node, ["get", "deployment", "echo"])).code === 0,
    );
    assert.match(done(await at(node, rolloutStatus)), /successfully rolled out/);
    assert.match(done(await at(node, ["get", "deployment", "echo", "--no-headers"])), /echo\s+4\/4\s+4\s+4/);
  }
  const here = await Promise.all(nodes.map(podsAt));
  assert.equal(
    here.reduce((sum, pods) => sum + pods, 0),
    4,
    here.join(),
  );
  assert.ok(
    here.every((pods) => pods < 4),
    `all in one site: ${here.join()}`,
  );

  const { kubeconfig } = fleet ?? {};
  const server = fleet?.node("oslo-1").advertised;
  assert.ok(kubeconfig !== undefined && server !== undefined);
  const why = done(await run(["--server", server, "--kubeconfig", kubeconfig, "why", "deploy/echo"]));
  const [, elsewhere = ""] = why.split("elsewhere, as told:");
  const ready = [...elsewhere.matchAll(/site (?:bern|rome): (\d) of \d copies ready; told /g)];
  const [own = 0] = here;
  assert.equal(
    ready.reduce((sum, [, copies]) => sum + Number(copies), own),
    4,
    why,
  );

  const next = deployment("echo", "exec sleep 1001", 4);
  done(await at("rome-1", ["apply", "-f", "-"], next));
  await eventually("oslo knows of it", async () =>
    done(await at("oslo-1", ["get", "deployment", "echo", "-o", "yaml"])).includes("sleep 1001"),
  );
  for (const node of nodes) assert.match(done(await at(node, rolloutStatus)), /successfully rolled out/);
});
