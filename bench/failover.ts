import { spawn, type ChildProcess } from "node:child_process";
import { loadavg } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createNetFleet, type NetFleet, type NetNode } from "../test/support/net-fleet.ts";
import { whyNoNamespaces } from "../test/support/netns.ts";
import { podProcesses } from "../src/cli/demo/fleet.ts";
import { layoutOf } from "../src/shells/identity-file/layout.ts";
import type { Counted } from "./failover-parts/census.ts";
import type { Probed } from "./failover-parts/prober.ts";
import { atMost, median, type Bench, type Metric } from "./metric.ts";

/**
 * Real agents, each in a network namespace of its own on one bridge, with the default settings and 50
 * workloads of one copy. A machine is taken away; the clock runs until each of its workloads answers an HTTP
 * request somewhere else, asked from a machine of the site. Copies too many are counted by their processes, on
 * machines that are cut off, too. `STARLIGHT_SIZES=2,5` chooses the sizes of the site.
 */
export const bench: Bench = {
  about: "time until replacements answer: kill -9, silent power-off, cut cable; 2, 5 and 10 nodes (root)",
  run: async (progress) => {
    const why = whyNoNamespaces();
    if (why !== undefined) throw new Error(why);
    const metrics: Metric[] = [];
    const sizes = (process.env["STARLIGHT_SIZES"] ?? "2,5,10").split(",").map(Number);
    for (const size of sizes) {
      const load = loadavg()[0]?.toFixed(2) ?? "unknown";
      progress(`a site of ${size} nodes with ${workloads} workloads; load ${load} before we start`);
      const fleet = await createNetFleet(`fo${process.pid}`, { lab: size }, {});
      try {
        const site = await openSite(fleet);
        for (const fault of ["kill", "power-off", "cut"] as const) {
          const rounds = fault === "cut" ? 1 : fault === "kill" ? killRounds : powerOffRounds;
          const outcomes: Outcome[] = [];
          for (let round = 0; round < rounds; round++) {
            const outcome = await lose(site, fault);
            outcomes.push(outcome);
            progress(`  ${fault} ${round + 1}/${rounds}: ${told(outcome)}`);
          }
          metrics.push(...metricsOf(size, fault, outcomes));
        }
        metrics.push(...metricsOfStarts(size, site.twiceAtStartMs));
        site.stop();
      } finally {
        fleet.remove();
      }
    }
    return metrics;
  },
};

type Fault = "kill" | "power-off" | "cut";

/** Of one lost machine: for each of its workloads the ms until it answered elsewhere; copies too many, in ms. */
type Outcome = { readonly timesMs: readonly number[]; readonly duplicatesMs: readonly number[] };

const workloads = 50;
const killRounds = 5;
const powerOffRounds = 3;
const patienceMs = 120_000;
/** `NotReady` after 40 s, eviction 300 s later: node-monitor-grace-period and tolerationSeconds by default. */
const kubernetesMs = 340_000;
const part = (name: string): string => fileURLToPath(new URL(`./failover-parts/${name}.ts`, import.meta.url));

type Site = {
  readonly fleet: NetFleet;
  readonly observer: NetNode;
  readonly lines: (Probed | Counted)[];
  /** Of each deployment: for how long copies were one too many until all was settled. */
  readonly twiceAtStartMs: number[][];
  readonly stop: () => void;
};

/** The first machine is never lost: the site is watched and told from there. */
async function openSite(fleet: NetFleet): Promise<Site> {
  const [observer] = fleet.nodes;
  if (observer === undefined) throw new Error("no node");
  const lines: (Probed | Counted)[] = [];
  const args = [part("prober"), layoutOf(observer.data).kubeconfig, `${observer.host.address}:7070`];
  const prober = fleet.topology.spawn(observer.host, process.execPath, args, {
    env: process.env,
    stdio: "pipe",
  });
  const folders = fleet.nodes.map(({ name, data }) => `${name}=${data}`);
  const census = spawn(process.execPath, [part("census"), ...folders], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const read = ({ stdout }: ChildProcess): void => {
    if (stdout === null) throw new Error("no output");
    createInterface({ input: stdout }).on("line", (line) => lines.push(JSON.parse(line) as Probed | Counted));
  };
  read(prober);
  read(census);
  const stop = (): void => {
    prober.kill();
    census.kill();
  };
  const site = { fleet, observer, lines, twiceAtStartMs: [], stop };
  // Who has not said yet what it has is given nothing.
  const measured = (): boolean =>
    fleet.starlight(observer, ["get", "nodes"]).match(/ v\d+\.\d+\.\d+/g)?.length === fleet.nodes.length;
  await until("all nodes to say what they have", measured);
  await deployAnew(site);
  return site;
}

/** Fresh copies on all machines: they do not move back by themselves. */
async function deployAnew({ fleet, observer, lines, twiceAtStartMs }: Site): Promise<void> {
  const names = Array.from({ length: workloads }, (_, at) => `app-${at}`);
  if (lines.length > 0) {
    fleet.starlight(observer, ["delete", "deployment", ...names]);
    await until("all copies to end", () => fleet.nodes.every(({ data }) => podProcesses(data).length === 0));
  }
  const from = Date.now();
  fleet.starlight(observer, ["apply", "-f", "-"], names.map(manifest).join("\n---\n"));
  await until("all copies to answer", () => answeredSince(lines, from).size === workloads);
  await settled(lines);
  twiceAtStartMs.push(duplicatesSince(lines, from));
}

async function lose(site: Site, fault: Fault): Promise<Outcome> {
  const { fleet, observer, lines } = site;
  const held = placesOf(lines);
  const victims = fleet.nodes.filter((node) => node !== observer);
  const load = (node: NetNode): number =>
    [...held.values()].filter((nodes) => nodes.includes(node.name)).length;
  const [victim] = victims.sort((left, right) => load(right) - load(left));
  if (victim === undefined || load(victim) === 0) throw new Error("no machine to lose runs anything");
  const apps = [...held].filter(([, nodes]) => nodes.includes(victim.name)).map(([app]) => app);
  const from = Date.now();
  if (fault !== "kill") fleet.topology.cutHost(victim.host);
  if (fault !== "cut") fleet.powerOff(victim);
  await until("all replacements to answer", () => {
    const answered = answeredSince(lines, from);
    return apps.every((app) => answered.has(app));
  });
  const answered = answeredSince(lines, from);
  const timesMs = apps.map((app) => (answered.get(app) ?? 0) - from);
  if (fault !== "kill") fleet.topology.healHost(victim.host);
  if (fault !== "cut") await fleet.start(victim);
  await until("the machine to be back", () =>
    new RegExp(`${victim.name}\\s+Ready`).test(fleet.starlight(observer, ["get", "nodes"])),
  );
  // What a heal leaves double is sorted out after the quiet period.
  await settled(lines);
  const duplicatesMs = duplicatesSince(lines, from);
  await deployAnew(site);
  return { timesMs, duplicatesMs };
}

/** When each app first answered after a moment. */
function answeredSince(lines: readonly (Probed | Counted)[], from: number): Map<string, number> {
  const found = new Map<string, number>();
  for (const line of lines) {
    if (line.type === "answered" && line.at >= from && !found.has(line.app)) found.set(line.app, line.at);
  }
  return found;
}

/** Where each app runs now. */
function placesOf(lines: readonly (Probed | Counted)[]): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const line of lines) if (line.type === "copies") found.set(line.app, line.nodes);
  return found;
}

/** Every workload runs exactly once, by all that was counted before we ask. */
async function settled(lines: readonly (Probed | Counted)[]): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 200));
  await until("every workload to run once", () => {
    const places = [...placesOf(lines).values()];
    return places.filter((nodes) => nodes.length === 1).length === workloads;
  });
}

/** For each app that ran more than once: for how long. */
function duplicatesSince(lines: readonly (Probed | Counted)[], from: number): number[] {
  const since = new Map<string, number>();
  const windows: number[] = [];
  for (const line of lines) {
    if (line.type !== "copies" || line.at < from) continue;
    const began = since.get(line.app);
    if (line.nodes.length > 1 && began === undefined) since.set(line.app, line.at);
    if (line.nodes.length <= 1 && began !== undefined) {
      windows.push(line.at - began);
      since.delete(line.app);
    }
  }
  return windows;
}

function metricsOf(size: number, fault: Fault, outcomes: readonly Outcome[]): Metric[] {
  const times = outcomes.flatMap(({ timesMs }) => timesMs);
  const windows = outcomes.flatMap(({ duplicatesMs }) => duplicatesMs);
  const name = `${size} nodes, ${fault}`;
  const worst = Math.max(...times);
  const context = fault === "cut" ? {} : { peer: "Kubernetes' default", peerValue: kubernetesMs };
  if (fault === "kill") {
    return [
      { ...atMost(`${name}: until it answers, median`, median(times), "ms", 1_000), ...context },
      { ...atMost(`${name}: worst`, worst, "ms", patienceMs), ...context },
      atMost(`${name}: workloads that ran twice`, windows.length, "", 0),
    ];
  }
  if (fault === "power-off") {
    return [
      { ...atMost(`${name}: until it answers, median`, median(times), "ms", 4_000), ...context },
      { ...atMost(`${name}: worst`, worst, "ms", 8_000), ...context },
      atMost(`${name}: workloads that ran twice`, windows.length, "", 0),
    ];
  }
  return [
    atMost(`${name}: until it answers, median`, median(times), "ms", patienceMs),
    atMost(`${name}: workloads that ran twice`, windows.length, "", workloads),
    atMost(`${name}: for how long, median`, windows.length === 0 ? 0 : median(windows), "ms", patienceMs),
    atMost(`${name}: the longest`, Math.max(0, ...windows), "ms", patienceMs),
  ];
}

function metricsOfStarts(size: number, twiceMs: readonly (readonly number[])[]): Metric[] {
  const windows = twiceMs.flat();
  const name = `${size} nodes, ${twiceMs.length} deployments of ${workloads}`;
  return [
    atMost(`${name}: started twice`, windows.length, "", 0.01 * twiceMs.length * workloads),
    atMost(`${name}: the longest of these`, Math.max(0, ...windows), "ms", 15_000),
  ];
}

function told({ timesMs, duplicatesMs }: Outcome): string {
  return `${timesMs.length} workloads, median ${median(timesMs)} ms, worst ${Math.max(...timesMs)} ms, ${duplicatesMs.length} ran twice`;
}

/** Perl, because every Debian has it and it starts in 10 ms: what is measured is not the program. */
const server = `exec perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalPort => $ENV{PORT}, Listen => 50, ReuseAddr => 1) or die; while ($c = $s->accept) { <$c>; print $c "HTTP/1.0 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok"; close $c }'`;

function manifest(name: string): string {
  return JSON.stringify({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: "default", annotations: { "starlight.dev/placement": "perSite" } },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          runtimeClassName: "process",
          containers: [
            {
              name: "main",
              image: "host",
              command: ["/bin/sh", "-c", server],
              ports: [{ name: "http", containerPort: 80 }],
              readinessProbe: { tcpSocket: { port: "http" }, periodSeconds: 1 },
            },
          ],
        },
      },
    },
  });
}

async function until(what: string, test: () => boolean): Promise<void> {
  const from = performance.now();
  while (!test()) {
    if (performance.now() - from > patienceMs) throw new Error(`waited ${patienceMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
