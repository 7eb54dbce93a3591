import { fileURLToPath } from "node:url";
import type { JsonObject } from "../../core/kernel/json.ts";
import { readManifests } from "../manifests.ts";
import { age, paint, print, table } from "../output.ts";
import { createFleet, podProcesses, removeLeftovers, type Fleet, type FleetNode } from "./fleet.ts";
import { conflictsAt, edit, healReports, podsAt, request, shopPods, until, type PodInfo } from "./look.ts";

const layout = [
  { site: "oslo", region: "north", nodes: 2 },
  { site: "bern", region: "south", nodes: 2 },
  { site: "rome", region: "south", nodes: 2 },
];
const manifest = fileURLToPath(new URL("../../../examples/shop.yaml", import.meta.url));

type Step = { readonly name: string; readonly took: string; readonly ok: boolean; readonly note: string };

/** The tour of `npm start`: six real agents, four things a centre would get in the way of. */
export async function runDemo({ keep }: { readonly keep: boolean }): Promise<number> {
  const startedAt = performance.now();
  say("a mesh of six nodes in three sites and two regions, each node a process of its own with its own keys");
  const removed = removeLeftovers();
  if (removed > 0)
    say(`cleaned up after ${removed} earlier run${removed === 1 ? "" : "s"} that did not end by itself`);
  const steps: Step[] = [];
  let fleet: Fleet | undefined;
  const stop = async (): Promise<void> => fleet?.stop();
  const interrupted = (): void => void stop().then(() => process.exit(130));
  process.once("SIGINT", interrupted);
  process.once("SIGTERM", interrupted);
  try {
    fleet = await createFleet(layout, { progress: (line) => say(`  ${line}`) });
    steps.push(
      step(
        "six agents, joined by invites",
        performance.now() - startedAt,
        true,
        "mutual TLS 1.3, keys of their own",
      ),
    );
    const tour = createTour(fleet, steps);
    await tour.everySiteRuns();
    await tour.nodeDies();
    const apart = await tour.siteIsCutOff();
    await tour.heal(apart);
  } catch (error) {
    steps.push({
      name: "the tour",
      took: "-",
      ok: false,
      note: error instanceof Error ? error.message : String(error),
    });
  }
  summary(steps, performance.now() - startedAt);
  const ok = steps.every((entry) => entry.ok);
  if (keep && fleet !== undefined) {
    process.off("SIGINT", interrupted);
    await lookAround(fleet);
  }
  await stop();
  process.off("SIGINT", interrupted);
  process.off("SIGTERM", interrupted);
  return ok ? 0 : 1;
}

type Apart = { readonly before: ReadonlyMap<string, PodInfo>; readonly newVersionAt: number };

function createTour(
  fleet: Fleet,
  steps: Step[],
): {
  everySiteRuns: () => Promise<void>;
  nodeDies: () => Promise<void>;
  siteIsCutOff: () => Promise<Apart>;
  heal: (apart: Apart) => Promise<void>;
} {
  const done = (name: string, took: number, ok: boolean, note: string): void => {
    const entry = step(name, took, ok, note);
    steps.push(entry);
    say(`  ${ok ? paint("green", "ok") : paint("red", "FAILED")}  ${name}: ${entry.took}. ${note}`);
  };
  const alive = (): FleetNode[] => fleet.nodes.filter((node) => node.process !== undefined);
  const inSite = (site: string): FleetNode[] => alive().filter((node) => node.site === site);

  return {
    everySiteRuns: async () => {
      title(1, "every site runs its copies, and answers");
      const [first] = fleet.nodes as [FleetNode];
      const client = await fleet.client(first);
      const objects = (await readManifests([manifest], false)).map(({ object }) => object);
      say(`  starlight apply -f examples/shop.yaml (${objects.length} objects, all or none)`);
      const from = performance.now();
      await client.call("POST", "/starlight/v1/apply", { objects, manager: "demo" });
      for (const { site } of layout) {
        const [node] = inSite(site) as [FleetNode];
        const took = await until(
          20_000,
          from,
          async () =>
            (await shopPods(fleet, node)).filter((pod) => pod.site === site && pod.ready).length === 2,
        );
        const answer = await request(fleet, node, "shop");
        done(
          `${site} runs 2 copies and answers`,
          took,
          answer.site === site,
          `${answer.pod} on ${answer.node} says version ${answer.version}`,
        );
      }
      const ledger = await until(
        20_000,
        from,
        async () =>
          (await podsAt(fleet, first)).filter((pod) => pod.app === "ledger" && pod.ready).length === 2,
      );
      done("the mesh runs 2 ledgers", ledger, true, "placed over sites first");
    },

    nodeDies: async () => {
      title(2, "a machine dies");
      const victim = fleet.node("bern-2");
      const [peer] = inSite("bern") as [FleetNode];
      const lost = (await podsAt(fleet, peer)).filter((pod) => pod.node === victim.name);
      say(
        `  kill -9 of ${victim.name}: the agent and its ${podProcesses(victim.data).length} workloads together, as if the plug were pulled`,
      );
      const from = performance.now();
      fleet.killMachine(victim);
      const took = await until(20_000, from, async () => {
        const pods = await shopPods(fleet, peer);
        return pods.filter((pod) => pod.site === "bern" && pod.ready && pod.node === peer.name).length === 2;
      });
      const answer = await request(fleet, peer, "shop");
      done(
        "bern starts the copies elsewhere",
        took,
        answer.node === peer.name,
        `${lost.length} pods replaced on ${peer.name}, decided by bern alone`,
      );
      await fleet.start(victim);
      const backFrom = performance.now();
      const back = await until(
        20_000,
        backFrom,
        async () => (await verdict(fleet, peer, victim.name)) === "alive",
      );
      done(
        `${victim.name} is back`,
        back,
        true,
        "its copies stay where they are: nothing moves without need",
      );
    },

    siteIsCutOff: async () => {
      title(3, "a site is cut off, and goes on");
      fleet.wires.cut("rome");
      const [inside] = inSite("rome") as [FleetNode];
      const [outside] = inSite("oslo") as [FleetNode];
      const from = performance.now();
      const noticed = await until(
        20_000,
        from,
        async () => (await verdict(fleet, outside, inside.name)) === "unreachable",
      );
      done(
        "rome is out of view",
        noticed,
        true,
        "unreachable, which is not dead: nothing is restarted for it",
      );
      const scaleFrom = performance.now();
      await edit(fleet, inside, (spec) => ({ ...spec, replicas: 3 }));
      const scaled = await until(
        20_000,
        scaleFrom,
        async () =>
          (await shopPods(fleet, inside)).filter((pod) => pod.site === "rome" && pod.ready).length === 3,
      );
      done("inside: scaled to 3", scaled, true, "the write was durable in rome at once");
      const versionFrom = performance.now();
      await edit(fleet, inside, (spec) => withVersion(spec, "2"));
      const updated = await until(30_000, versionFrom, async () => {
        const pods = (await shopPods(fleet, inside)).filter((pod) => pod.site === "rome");
        return pods.length === 3 && pods.every((pod) => pod.ready && pod.version === "2");
      });
      done(
        "inside: version 2 rolled out",
        updated,
        (await request(fleet, inside, "shop")).version === "2",
        "copy by copy, the new one ready before the old one stops",
      );
      const reborn = fleet.node("rome-2");
      const owned = (await shopPods(fleet, inside)).filter((pod) => pod.node === reborn.name).length;
      fleet.killMachine(reborn);
      const rebootFrom = performance.now();
      await fleet.start(reborn);
      const restarted = await until(20_000, rebootFrom, async () => {
        const pods = await podsAt(fleet, reborn);
        return pods.filter((pod) => pod.site === "rome" && pod.app === "shop" && pod.ready).length >= 3;
      });
      done(
        "inside: a node restarted while cut off",
        restarted,
        true,
        `${owned} copies ran on it; rome has its 3 again without any outside contact`,
      );
      await edit(fleet, outside, (spec) => ({ ...spec, replicas: 2, revisionHistoryLimit: 5 }));
      await edit(fleet, outside, (spec) => ({ ...spec, replicas: 1 }));
      const outsideFrom = performance.now();
      const moved = await until(20_000, outsideFrom, async () => {
        const pods = (await shopPods(fleet, outside)).filter(
          (pod) => pod.site !== "rome" && pod.ready && pod.current,
        );
        return pods.length === 2;
      });
      done(
        "outside: the same Deployment scaled to 1",
        moved,
        true,
        "life goes on there too; nobody waited for rome",
      );
      const ledger = await until(
        20_000,
        from,
        async () =>
          (await podsAt(fleet, outside)).filter((pod) => pod.app === "ledger" && pod.ready && pod.current)
            .length === 2,
      );
      done("outside: 2 ledgers in view", ledger, true, "copies out of reach are replaced after 3 s");
      const before = new Map(
        (await podsAt(fleet, inside))
          .filter((pod) => pod.site === "rome")
          .map((pod) => [pod.name, pod] as const),
      );
      for (const pod of await podsAt(fleet, outside)) if (pod.current) before.set(pod.name, pod);
      return { before, newVersionAt: versionFrom };
    },

    heal: async ({ before }) => {
      title(4, "the link is back");
      const [inside] = inSite("rome") as [FleetNode];
      const [outside] = inSite("oslo") as [FleetNode];
      const from = performance.now();
      fleet.wires.heal("rome");
      const seen = await until(
        20_000,
        from,
        async () => (await verdict(fleet, outside, inside.name)) === "alive",
      );
      done("both sides see each other", seen, true, "");
      const merged = await until(20_000, from, async () => {
        const hashes = await Promise.all(alive().map(async (node) => (await stateOf(fleet, node)).stateHash));
        return new Set(hashes).size === 1;
      });
      done("all six hold the same state", merged, true, "every record of both sides, verified");
      const conflicts = await conflictsAt(fleet, outside);
      const [conflict] = conflicts.filter(({ field }) => field === "spec.replicas");
      done(
        "the edit conflict is reported",
        performance.now() - from,
        conflict !== undefined,
        conflict === undefined
          ? "none was found"
          : `${conflict.field}: ${JSON.stringify(conflict.winner.value)} stands, ${conflict.losers.map(({ value }) => JSON.stringify(value)).join(", ")} is kept; version 2 and the other edit both stand`,
      );
      const settled = await until(60_000, from, async () => {
        const pods = await podsAt(fleet, outside);
        const shop = pods.filter((pod) => pod.app === "shop");
        const ledger = pods.filter((pod) => pod.app === "ledger");
        return (
          shop.length === 3 &&
          shop.every((pod) => pod.ready && pod.version === "2") &&
          ledger.length === 2 &&
          ledger.every((pod) => pod.ready)
        );
      });
      done(
        "one shop at version 2 in each site, 2 ledgers",
        settled,
        true,
        "surplus copies ended after the quiet period",
      );
      const reported = await until(40_000, from, async () =>
        (await healReports(fleet, outside)).some(({ stopped }) => stopped.length > 0),
      );
      const reports = await healReports(fleet, outside);
      const stopped = reports.flatMap((report) => report.stopped);
      done(
        "the heal report names what ended",
        reported,
        stopped.length > 0,
        stopped
          .slice(0, 3)
          .map(({ reason }) => reason)
          .join("; "),
      );
      const after = new Map((await podsAt(fleet, outside)).map((pod) => [pod.name, pod] as const));
      const restarted = [...before.values()].filter(
        (pod) => after.get(pod.name) !== undefined && after.get(pod.name)?.pids.join() !== pod.pids.join(),
      );
      const ended = [...before.values()].filter((pod) => !after.has(pod.name));
      const explained = ended.filter((pod) => stopped.some((entry) => entry.pod.endsWith(`/${pod.name}`)));
      const ok = restarted.length === 0 && explained.length === ended.length;
      done(
        "nothing healthy was restarted",
        performance.now() - from,
        ok,
        `${before.size - ended.length} pods kept their process, ${ended.length} ended and each has its reason${
          ok
            ? ""
            : `; unexplained: ${ended
                .filter((pod) => !explained.includes(pod))
                .map(({ name }) => name)
                .join(", ")}`
        }`,
      );
    },
  };
}

function withVersion(spec: JsonObject, version: string): JsonObject {
  const next = structuredClone(spec) as {
    template: { spec: { containers: { env: { name: string; value?: string }[] }[] } };
  };
  for (const variable of next.template.spec.containers[0]?.env ?? [])
    if (variable.name === "VERSION") variable.value = version;
  return next as unknown as JsonObject;
}

async function stateOf(
  fleet: Fleet,
  node: FleetNode,
): Promise<{ stateHash: string; nodes: { name: string; verdict: string }[] }> {
  const { text } = await (await fleet.client(node)).call("GET", "/starlight/v1/status");
  return JSON.parse(text) as { stateHash: string; nodes: { name: string; verdict: string }[] };
}

async function verdict(fleet: Fleet, node: FleetNode, about: string): Promise<string | undefined> {
  return (await stateOf(fleet, node)).nodes.find(({ name }) => name === about)?.verdict;
}

async function lookAround(fleet: Fleet): Promise<void> {
  const [first] = fleet.nodes as [FleetNode];
  const client = await fleet.client(first);
  const address = client.server.replace("https://", "");
  print(`
the mesh stays up until Ctrl-C. In another terminal:

  export STARLIGHT_KUBECONFIG=${fleet.kubeconfig}
  npx starlight --server ${address} status
  npx starlight --server ${address} get pods -A -o wide
  npx starlight --server ${address} why deployment/shop
  kubectl --kubeconfig ${fleet.kubeconfig} --server ${client.server} get nodes,pods,deployments -A

  every node answers:
${fleet.nodes.map((node) => `    ${node.name.padEnd(8)} log ${node.data}/agent.log`).join("\n")}
`);
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {}, 60_000);
    const leave = (): void => {
      clearInterval(timer);
      resolve();
    };
    process.once("SIGINT", leave);
    process.once("SIGTERM", leave);
  });
  say("stopping the agents and their workloads");
}

function summary(steps: readonly Step[], total: number): void {
  print("");
  print(
    table(
      ["Step", "Time", "Verdict"],
      steps.map(({ name, took, ok }) => [name, took, ok ? paint("green", "ok") : paint("red", "FAILED")]),
    ),
  );
  for (const { name, note } of steps.filter(({ ok }) => !ok)) print(`\n${name}: ${note}`);
  const failed = steps.filter(({ ok }) => !ok).length;
  print(
    `\n${steps.length} steps in ${(total / 1000).toFixed(1)} s, ${failed === 0 ? "all as promised" : `${failed} failed`}`,
  );
}

function step(name: string, took: number, ok: boolean, note: string): Step {
  return { name, took: took < 10_000 ? age(took) : `${(took / 1000).toFixed(1)} s`, ok, note };
}

function title(number: number, text: string): void {
  say(`\n${paint("bold", `${number}. ${text}`)}`);
}

function say(line: string): void {
  print(line);
}
