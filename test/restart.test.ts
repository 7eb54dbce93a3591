import assert from "node:assert/strict";
import { once } from "node:events";
import { setTimeout as passes } from "node:timers/promises";
import { after, before, test } from "node:test";
import { createFleet, type Fleet } from "../src/cli/demo/fleet.ts";
import { kubectl } from "./support/kubectl.ts";
import { eventually } from "./support/poll.ts";

/** A real agent is stopped with SIGTERM and started again, as an upgrade does it. */

let fleet: Fleet;

before(async () => {
  fleet = await createFleet([{ site: "lab", region: "north", nodes: 2 }], { progress: () => {} });
});
after(async () => {
  await fleet?.stop();
});

async function at(node: string, args: readonly string[], input?: object): Promise<string> {
  const server = `https://${fleet.node(node).advertised}`;
  const options = { kubeconfig: fleet.kubeconfig, server, home: fleet.directory };
  const ran = await kubectl(options, args, input === undefined ? "" : JSON.stringify(input));
  assert.equal(ran.code, 0, `${ran.err}${ran.out}`);
  return ran.out;
}

/** Of every pod: its uid, its node, and the process it runs. */
async function pods(): Promise<readonly string[]> {
  const template =
    "{range .items[*]}{.metadata.uid} {.spec.nodeName} {.status.phase} {.status.containerStatuses[0].containerID}{'\\n'}{end}";
  const out = await at("lab-1", ["get", "pods", "-l", "app=shop", "-o", `jsonpath=${template}`]);
  return out.split("\n").filter(Boolean).sort();
}

test("an agent that is stopped for 3 s and started again moves no pod, restarts none, and was Ready all the time", async () => {
  const labels = { app: "shop" };
  const containers = [{ name: "main", image: "host", command: ["/bin/sh", "-c", "exec sleep 1000"] }];
  const template = { metadata: { labels }, spec: { runtimeClassName: "process", containers } };
  const manifest = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "shop", namespace: "default" },
    spec: { replicas: 4, selector: { matchLabels: labels }, template },
  };
  await at("lab-1", ["apply", "-f", "-"], manifest);
  await eventually("four pods run on two nodes", async () => {
    const running = (await pods()).filter((pod) => pod.includes(" Running "));
    return running.length === 4 && running.some((pod) => pod.includes(" lab-2 "));
  });
  const before = await pods();
  const node = fleet.node("lab-2");
  const { process: agent } = node;
  assert.ok(agent !== undefined);
  agent.kill("SIGTERM");
  await once(agent, "exit");
  for (let look = 0; look < 6; look++) {
    await passes(500);
    assert.deepEqual(await pods(), before);
    assert.match(await at("lab-1", ["get", "node", "lab-2", "--no-headers"]), /^lab-2\s+Ready\s/);
  }
  await fleet.start(node);
  await passes(3_000);
  assert.deepEqual(await pods(), before);
});
