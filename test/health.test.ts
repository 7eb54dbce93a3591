import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createFleet, type Fleet } from "../src/cli/demo/fleet.ts";
import { run, type Ran } from "./support/command.ts";
import { kubectl } from "./support/kubectl.ts";
import { eventually } from "./support/poll.ts";

/**
 * Two real agents whose machines are said to have 512 MiB, of which pods may have 320; and a program that really
 * takes 400 MiB. What is seen of it, by the real kubectl and by `starlight health`.
 */

let fleet: Fleet;

before(async () => {
  const env = { STARLIGHT_CAPABILITIES: "memory=512Mi", STARLIGHT_PRESSURE_HOLD_MS: "12000" };
  fleet = await createFleet([{ site: "lab", region: "north", nodes: 2 }], { progress: () => {}, env });
});
after(async () => {
  await fleet?.stop();
});

async function at(name: string, args: readonly string[], input?: object): Promise<Ran> {
  const server = `https://${fleet.node(name).advertised}`;
  const options = { kubeconfig: fleet.kubeconfig, server, home: fleet.directory };
  return kubectl(options, args, input === undefined ? "" : JSON.stringify(input));
}

const done = (ran: Ran): string => {
  assert.equal(ran.code, 0, `${ran.err}${ran.out}`);
  return ran.out;
};

const starlight = (...args: string[]): Promise<Ran> =>
  run(["--kubeconfig", fleet.kubeconfig, "--server", `https://${fleet.node("lab-2").advertised}`, ...args]);

function deployment(name: string, script: string, memory: string, affinity: object): object {
  const labels = { app: name };
  const command = ["node", "-e", script];
  const container = { name: "main", image: "host", command, resources: { requests: { memory } } };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: "default" },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { runtimeClassName: "process", affinity, containers: [container] },
      },
    },
  };
}

const onFirst = { matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: ["lab-1"] }] };
const prefersFirst = {
  nodeAffinity: {
    preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference: onFirst }],
  },
};
const needsFirst = {
  nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [onFirst] } },
};

type Pod = { readonly node: string; readonly status: string; readonly restarts: string };

async function podsOf(app: string): Promise<Pod[]> {
  const out = done(await at("lab-2", ["get", "pods", "-l", `app=${app}`, "-o", "wide", "--no-headers"]));
  return out
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const [, , status = "", restarts = "", , , node = ""] = line.split(/\s+/);
      return { node, status, restarts };
    });
}

const conditionOf = async (node: string): Promise<string> =>
  done(
    await at("lab-2", [
      "get",
      "node",
      node,
      "-o",
      'jsonpath={.status.conditions[?(@.type=="MemoryPressure")].status}',
    ]),
  );

/** On a busy machine agents stand still now and then, and say so: only the exit code must agree with what is said. */
async function shortOfMemory(): Promise<string[]> {
  const { code, out, err } = await starlight("health", "-o", "json");
  const { well, nodes } = JSON.parse(out) as {
    readonly well: boolean;
    readonly nodes: readonly { node: string; state: string; troubles: readonly { type: string }[] }[];
  };
  assert.equal(code, well ? 0 : 41, err);
  assert.equal(
    well,
    nodes.every(({ state, troubles }) => state === "ok" && troubles.length === 0),
  );
  return nodes.flatMap(({ node, troubles }) =>
    troubles.some(({ type }) => type === "MemoryPressure") ? [node] : [],
  );
}

test("a program that takes 400 of 320 MiB is evicted and runs elsewhere; its modest neighbour is not touched", async () => {
  const flag = join(fleet.directory, "eat");
  // Whoever finds the flag takes it away: the replacement elsewhere stays small.
  const greedy = `const fs = require("node:fs"); let held;
    setInterval(() => { try { fs.unlinkSync(${JSON.stringify(flag)}); held = Buffer.alloc(400 * 2 ** 20, 1); } catch {} }, 100);`;
  done(await at("lab-1", ["apply", "-f", "-"], deployment("greedy", greedy, "16Mi", prefersFirst)));
  const modest = deployment("modest", "setInterval(() => {}, 1000)", "200Mi", needsFirst);
  done(await at("lab-1", ["apply", "-f", "-"], modest));
  for (const app of ["greedy", "modest"])
    await eventually(`${app} on lab-1`, async () => {
      const [pod] = await podsOf(app);
      return pod?.node === "lab-1" && pod.status === "Running";
    });
  assert.equal(await conditionOf("lab-1"), "False");
  assert.deepEqual(await shortOfMemory(), []);

  writeFileSync(flag, "");
  // A look while it still fills them finds it a little over: then it is handed over, and ends without that word.
  await eventually("the eviction", async () =>
    (await podsOf("greedy")).every(({ node, status }) => node !== "lab-1" || status === "Evicted"),
  );
  assert.equal(await conditionOf("lab-1"), "True");
  const described = done(await at("lab-2", ["describe", "node", "lab-1"]));
  assert.match(described, /MemoryPressure\s+True.*MemoryShort\s+memory is short/);
  assert.match(described, /Taints:\s+node\.kubernetes\.io\/memory-pressure:NoSchedule/);
  const ill = await starlight("health", "node/lab-1");
  assert.equal(ill.code, 41, `${ill.err}${ill.out}`);
  assert.match(ill.out, /lab-1 +lab +degraded +\d+ m?s +MemoryPressure: memory is short/);
  assert.deepEqual(await shortOfMemory(), ["lab-1"]);
  const whyNot = await starlight("why-not", "node/lab-1", "for", "deployment/greedy");
  assert.match(whyNot.out, /node\.kubernetes\.io\/memory-pressure/, whyNot.err);

  await eventually("greedy runs on lab-2", async () =>
    (await podsOf("greedy")).some(({ node, status }) => node === "lab-2" && status === "Running"),
  );
  await eventually("the shortage is over", async () => (await conditionOf("lab-1")) === "False");
  await eventually("nothing is left of the evicted pod", async () => (await podsOf("greedy")).length === 1);
  assert.deepEqual(await podsOf("modest"), [{ node: "lab-1", status: "Running", restarts: "0" }]);
  assert.deepEqual(await shortOfMemory(), []);
});

test("a program that fails on lab-1 is left to lab-2 after its budget of 2 restarts, and both say why", async () => {
  const script = 'if (process.env.WHERE === "lab-1") process.exit(3); setInterval(() => {}, 1000)';
  const made = deployment("fails", script, "16Mi", prefersFirst) as {
    metadata: object;
    spec: { template: { spec: { containers: object[] } } };
  };
  const [container] = made.spec.template.spec.containers;
  const env = [{ name: "WHERE", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } }];
  made.spec.template.spec.containers = [{ ...container, env }];
  const annotations = { "starlight.dev/restart-budget": "2" };
  done(await at("lab-1", ["apply", "-f", "-"], { ...made, metadata: { ...made.metadata, annotations } }));
  await eventually("it runs on lab-2", async () => {
    const [pod, ...others] = await podsOf("fails");
    return pod?.node === "lab-2" && pod.status === "Running" && others.length === 0;
  });
  const why = await starlight("why", "deployment/fails");
  assert.match(why.out, /not lab-1: restarts: it failed too often there, and may again in 10 min/, why.err);
  const events = done(await at("lab-1", ["get", "events"]));
  assert.match(events, /RestartBudgetSpent.*started again 2 times: it is left to other nodes for 10 minutes/);
});
