import assert from "node:assert/strict";
import { once } from "node:events";
import { setTimeout as passes } from "node:timers/promises";
import { test } from "node:test";
import { done } from "./support/command.ts";
import { kubectlFleet } from "./support/kubectl-fleet.ts";
import { deployment } from "./support/manifests.ts";
import { eventually } from "./support/poll.ts";

/** A real agent is stopped with SIGTERM and started again, as an upgrade does it. */

const { fleet, at, apply } = kubectlFleet(2);

/** Of every pod: its uid, its node, and the process it runs. */
async function pods(): Promise<readonly string[]> {
  const template =
    "{range .items[*]}{.metadata.uid} {.spec.nodeName} {.status.phase} {.status.containerStatuses[0].containerID}{'\\n'}{end}";
  const out = await at("lab-1", ["get", "pods", "-l", "app=shop", "-o", `jsonpath=${template}`]);
  return done(out).split("\n").filter(Boolean).sort();
}

test("an agent that is stopped for 3 s and started again moves no pod, restarts none, and was Ready all the time", async () => {
  // Who has not said yet what it has is given nothing.
  await eventually("both nodes to say what they have", async () => {
    const nodes = done(await at("lab-1", ["get", "nodes", "--no-headers"]));
    return (nodes.match(/ v\d+\.\d+\.\d+/g) ?? []).length === 2;
  });
  done(await apply("lab-1", deployment("shop", "exec sleep 1000", 4)));
  await eventually("four pods run on two nodes", async () => {
    const running = (await pods()).filter((pod) => pod.includes(" Running "));
    return running.length === 4 && running.some((pod) => pod.includes(" lab-2 "));
  });
  const before = await pods();
  const node = fleet().node("lab-2");
  const { process: agent } = node;
  assert.ok(agent !== undefined);
  agent.kill("SIGTERM");
  await once(agent, "exit");
  // A busy machine needs some of the 10 s for the start.
  for (const gone = performance.now(); performance.now() < gone + 3_000; await passes(500)) {
    assert.deepEqual(await pods(), before);
    assert.match(done(await at("lab-1", ["get", "node", "lab-2", "--no-headers"])), /^lab-2\s+Ready\s/);
  }
  await fleet().start(node);
  await passes(3_000);
  assert.deepEqual(await pods(), before);
});
