import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createFleet, podProcesses, type Fleet, type FleetNode } from "../src/cli/demo/fleet.ts";
import { podsAt, until, verdictOf } from "../src/cli/demo/look.ts";
import { atMost, median, quantile, type Bench, type Metric } from "./metric.ts";

/** What one real agent costs, and how fast real agents react; everything over TLS on this machine. */
export const bench: Bench = {
  about: "one agent's memory, start while isolated, failover after kill -9, spread of a write to six nodes",
  run: async (progress) => {
    const metrics: Metric[] = [];
    const fleet = await createFleet(layout, { progress });
    try {
      progress("spread of 200 writes to six nodes");
      const spread = await spreadOfWrites(fleet, 200);
      metrics.push(
        atMost("a write is seen by the APIs of all six nodes, median", median(spread), "ms", 250),
        atMost("a write is seen by the APIs of all six nodes, p99", quantile(spread, 0.99), "ms", 250),
      );
      progress("failover after kill -9 of a machine, 7 times");
      const failovers = await failover(fleet, 7);
      metrics.push(
        atMost("kill -9 of a machine until its site runs its copies, median", median(failovers), "ms", 3000),
        atMost(
          "kill -9 of a machine until its site runs its copies, worst",
          Math.max(...failovers),
          "ms",
          8000,
        ),
      );
      progress("start while isolated, 7 times");
      const starts = await startIsolated(fleet, 7);
      metrics.push(
        atMost("agent start to first workload running, isolated, median", median(starts), "ms", 1000),
        atMost("agent start to first workload running, isolated, worst", Math.max(...starts), "ms", 1500),
      );
    } finally {
      await fleet.stop();
    }
    const alone = await createFleet([{ site: "solo", region: "north", nodes: 1 }], { progress });
    try {
      // Half a minute after its start it gives back what starting took.
      progress("memory of an idle agent after 45 s");
      await new Promise((resolve) => setTimeout(resolve, 45_000));
      const [node] = alone.nodes;
      metrics.push(atMost("memory of one idle agent (RSS)", residentMB(node?.id?.pid ?? 0), "MB", 80));
    } finally {
      await alone.stop();
    }
    return metrics;
  },
};

const layout = [
  { site: "oslo", region: "north", nodes: 2 },
  { site: "bern", region: "south", nodes: 2 },
  { site: "rome", region: "south", nodes: 2 },
];

/** For each write the time from the request to its event on the slowest of six open watches. */
async function spreadOfWrites(fleet: Fleet, writes: number): Promise<number[]> {
  const seenBy = new Map<string, Map<string, number>>();
  for (const node of fleet.nodes) {
    const seen = new Map<string, number>();
    seenBy.set(node.name, seen);
    const client = await fleet.client(node);
    let text = "";
    const path = "/api/v1/namespaces/default/configmaps?watch=true";
    client
      .stream(path, (chunk) => {
        text += chunk;
        const lines = text.split("\n");
        text = lines.pop() ?? "";
        for (const line of lines) {
          const { object } = JSON.parse(line) as { object: { metadata: { name: string } } };
          if (!seen.has(object.metadata.name)) seen.set(object.metadata.name, performance.now());
        }
      })
      .catch(() => {});
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
  const times: number[] = [];
  for (let number = 0; number < writes; number++) {
    const node = fleet.nodes[number % fleet.nodes.length] as FleetNode;
    const name = `spread-${number}`;
    const client = await fleet.client(node);
    const from = performance.now();
    await client.call("POST", "/api/v1/namespaces/default/configmaps", {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name, namespace: "default" },
      data: { number: String(number) },
    });
    await until(5_000, from, async () => {
      await Promise.resolve();
      return [...seenBy.values()].every((seen) => seen.has(name));
    });
    times.push(Math.max(...[...seenBy.values()].map((seen) => seen.get(name) ?? 0)) - from);
  }
  return times;
}

async function failover(fleet: Fleet, rounds: number): Promise<number[]> {
  const [peer, victim] = fleet.nodes.filter(({ site }) => site === "bern") as [FleetNode, FleetNode];
  const client = await fleet.client(peer);
  await client.call("POST", "/starlight/v1/apply", {
    objects: [workload("stall", 4, "exec sleep 100000")],
    manager: "bench",
  });
  const ready = async (): Promise<number> =>
    (await podsAt(fleet, peer)).filter(
      (pod) => pod.app === "stall" && pod.site === "bern" && pod.ready && pod.current,
    ).length;
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await until(20_000, performance.now(), async () => (await ready()) === 4);
    if (podProcesses(victim.data).length === 0) throw new Error(`${victim.name} runs nothing`);
    const from = performance.now();
    fleet.killMachine(victim);
    times.push(
      await until(20_000, from, async () => {
        const pods = (await podsAt(fleet, peer)).filter((pod) => pod.app === "stall" && pod.site === "bern");
        return pods.filter((pod) => pod.ready && pod.current && pod.node === peer.name).length === 4;
      }),
    );
    await fleet.start(victim);
    await until(
      20_000,
      performance.now(),
      async () => (await verdictOf(fleet, peer, victim.name)) === "alive",
    );
    await scaleForBoth(fleet, peer, victim);
  }
  return times;
}

/** Copies do not move by themselves when a machine is back: make the next round worth something. */
async function scaleForBoth(fleet: Fleet, peer: FleetNode, victim: FleetNode): Promise<void> {
  const client = await fleet.client(peer);
  const scale = async (replicas: number): Promise<void> => {
    const path = "/apis/apps/v1/namespaces/default/deployments/stall/scale";
    await client.call("PATCH", path, { spec: { replicas } }, { contentType: "application/merge-patch+json" });
  };
  const mine = async (): Promise<number> =>
    (await podsAt(fleet, peer)).filter((pod) => pod.app === "stall" && pod.site === "bern").length;
  await scale(1);
  await until(20_000, performance.now(), async () => (await mine()) === 1);
  await scale(4);
  await until(20_000, performance.now(), async () => {
    await Promise.resolve();
    return podProcesses(victim.data).length > 0;
  });
}

/** From the start of the agent's process to the first line that its workload writes. */
async function startIsolated(fleet: Fleet, rounds: number): Promise<number[]> {
  const [node, other] = fleet.nodes.filter(({ site }) => site === "rome") as [FleetNode, FleetNode];
  const mark = join(fleet.directory, "started");
  const script = `date +%s%N >> ${mark}.$NODE; exec sleep 100000`;
  const client = await fleet.client(node);
  await client.call("POST", "/starlight/v1/apply", {
    objects: [workload("mark", 4, script)],
    manager: "bench",
  });
  const file = `${mark}.${node.name}`;
  const lines = (): string[] => (existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : []);
  await until(20_000, performance.now(), async () => {
    await Promise.resolve();
    return lines().length > 0;
  });
  fleet.killMachine(other);
  fleet.wires.cut("rome");
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    fleet.killMachine(node);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const before = lines().length;
    const from = Date.now();
    await fleet.start(node);
    await until(20_000, performance.now(), async () => {
      await Promise.resolve();
      return lines().length > before;
    });
    times.push(Number(BigInt(lines()[before] ?? "0") / 1_000_000n) - from);
  }
  fleet.wires.heal("rome");
  return times;
}

function workload(name: string, replicas: number, script: string): object {
  const labels = { app: name };
  const node = { name: "NODE", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: "default", annotations: { "starlight.dev/placement": "perSite" } },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          runtimeClassName: "process",
          containers: [{ name: "main", image: "host", command: ["/bin/sh", "-c", script], env: [node] }],
        },
      },
    },
  };
}

/** The kernel counts in KiB; the goal is in MB. */
function residentMB(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return (Number(line?.[1] ?? Number.NaN) * 1024) / 1e6;
}
