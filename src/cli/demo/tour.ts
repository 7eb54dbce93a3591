import { fileURLToPath } from "node:url";
import type { JsonObject } from "../../core/kernel/json.ts";
import { readManifests } from "../manifests.ts";
import { age } from "../output.ts";
import { podProcesses, type Fleet, type FleetNode } from "./fleet.ts";
import {
  answeredVersions,
  conflictsAt,
  edit,
  healReports,
  podsAt,
  request,
  shopPods,
  stateOf,
  until,
  verdictOf,
  type PodInfo,
} from "./look.ts";

/** The four things the demo shows, each step measured and judged by what the nodes' own APIs say. */

export type Step = {
  readonly name: string;
  readonly took: string;
  readonly ok: boolean;
  readonly note: string;
};

export type Tour = {
  readonly everySiteRuns: () => Promise<void>;
  readonly machineDies: () => Promise<void>;
  /** @returns the pods that ran on both sides just before the heal. */
  readonly siteIsCutOff: () => Promise<readonly PodInfo[]>;
  readonly heal: (before: readonly PodInfo[]) => Promise<void>;
};

const manifest = fileURLToPath(new URL("../../../examples/shop.yaml", import.meta.url));
const limitMs = 20_000;

export function step(name: string, took: number, ok: boolean, note: string): Step {
  return { name, took: took < 10_000 ? age(took) : `${(took / 1000).toFixed(1)} s`, ok, note };
}

export function createTour(fleet: Fleet, report: (step: Step) => void): Tour {
  const done = (name: string, took: number, ok: boolean, note: string): void =>
    report(step(name, took, ok, note));
  const outside = firstOf(fleet, fleet.nodes[0]?.site ?? "");
  const sites = [...new Set(fleet.nodes.map(({ site }) => site))];
  let cutSite = sites.at(-1) ?? "";

  const readyIn = async (seenBy: FleetNode, site: string): Promise<PodInfo[]> =>
    (await shopPods(fleet, seenBy)).filter((pod) => pod.site === site && pod.ready && pod.current);
  const ledgers = async (seenBy: FleetNode): Promise<PodInfo[]> =>
    (await podsAt(fleet, seenBy)).filter((pod) => pod.app === "ledger" && pod.ready && pod.current);

  const everySiteRuns = async (): Promise<void> => {
    const client = await fleet.client(outside);
    const objects = (await readManifests([manifest], false)).map(({ object }) => object);
    const from = performance.now();
    await client.call("POST", "/starlight/v1/apply", { objects, manager: "demo" });
    for (const site of sites) {
      const node = firstOf(fleet, site);
      const took = await until(limitMs, from, async () => (await readyIn(node, site)).length === 2);
      const answer = await request(fleet, node, "shop");
      const note = `${answer.pod} on ${answer.node} says version ${answer.version}`;
      done(`${site} runs 2 copies and answers`, took, answer.site === site, note);
    }
    const took = await until(limitMs, from, async () => (await ledgers(outside)).length === 2);
    const held = await ledgers(outside);
    const away = held.map(({ site }) => site).find((site) => site !== outside.site);
    cutSite = away ?? cutSite;
    done("the mesh runs 2 ledgers", took, true, `in ${held.map(({ site }) => site).join(" and ")}`);
  };

  const machineDies = async (): Promise<void> => {
    const site = sites.find((name) => name !== outside.site && name !== cutSite) ?? outside.site;
    const load = ({ data }: FleetNode): number => podProcesses(data).length;
    const inside = fleet.nodes.filter((node) => node.site === site);
    const [victim, peer] = inside.sort((left, right) => load(right) - load(left));
    if (peer === undefined || victim === undefined) throw new Error(`${site} has no two nodes`);
    const programs = load(victim);
    const from = performance.now();
    fleet.killMachine(victim);
    const took = await until(limitMs, from, async () => {
      const pods = await readyIn(peer, site);
      return pods.length === 2 && pods.every(({ node }) => node === peer.name);
    });
    const answer = await request(fleet, peer, "shop");
    const how = `kill -9 of the agent and its ${programs} workloads together, as if the plug were pulled`;
    done(`${site} replaces what ${victim.name} ran`, took, answer.node === peer.name, how);
    const startedAt = performance.now();
    await fleet.start(victim);
    const back = await until(
      limitMs,
      startedAt,
      async () => (await verdictOf(fleet, peer, victim.name)) === "alive",
    );
    done(`${victim.name} is back`, back, true, "nothing moves without need");
  };

  const siteIsCutOff = async (): Promise<readonly PodInfo[]> => {
    const inside = firstOf(fleet, cutSite);
    const cutAt = performance.now();
    fleet.wires.cut(cutSite);
    const noticed = await until(
      limitMs,
      cutAt,
      async () => (await verdictOf(fleet, outside, inside.name)) === "unreachable",
    );
    done(`${cutSite} is out of view`, noticed, true, "unreachable is not dead: nothing is restarted for it");
    await changesInside(inside);
    await restartInside(inside);
    await changesOutside(cutAt);
    const there = (await podsAt(fleet, inside)).filter((pod) => pod.site === cutSite);
    return [...there, ...(await podsAt(fleet, outside)).filter(({ current }) => current)];
  };

  const changesInside = async (inside: FleetNode): Promise<void> => {
    const scaledAt = performance.now();
    await edit(fleet, inside, (spec) => ({ ...spec, replicas: 3 }));
    const scaled = await until(limitMs, scaledAt, async () => (await readyIn(inside, cutSite)).length === 3);
    done("inside: scaled to 3", scaled, true, "durable and done without the others");
    const deployedAt = performance.now();
    await edit(fleet, inside, (spec) => withVersion(spec, "2"));
    const deployed = await until(limitMs, deployedAt, async () => {
      const pods = await readyIn(inside, cutSite);
      const versions = await answeredVersions(fleet, inside, pods);
      return pods.length === 3 && versions.every((version) => version === "2");
    });
    done("inside: version 2 deployed", deployed, true, "each new copy is ready before its old one stops");
  };

  const restartInside = async (inside: FleetNode): Promise<void> => {
    const reborn = fleet.nodes.find((node) => node.site === cutSite && node !== inside) ?? inside;
    const ran = (await readyIn(inside, cutSite)).filter(({ node }) => node === reborn.name).length;
    const from = performance.now();
    fleet.killMachine(reborn);
    await fleet.start(reborn);
    const took = await until(limitMs, from, async () => {
      const alive = (await verdictOf(fleet, inside, reborn.name)) === "alive";
      return alive && (await readyIn(inside, cutSite)).length === 3;
    });
    const note = `${reborn.name} ran ${ran} of them; back without any contact to the outside`;
    done("inside: a machine restarted", took, true, note);
  };

  const changesOutside = async (cutAt: number): Promise<void> => {
    const others = sites.filter((site) => site !== cutSite);
    const from = performance.now();
    await edit(fleet, outside, (spec) => ({ ...spec, revisionHistoryLimit: 5 }));
    await edit(fleet, outside, (spec) => ({ ...spec, replicas: 1 }));
    const took = await until(limitMs, from, async () => {
      const counts = await Promise.all(others.map(async (site) => (await readyIn(outside, site)).length));
      return counts.every((count) => count === 1);
    });
    done("outside: the same Deployment scaled to 1", took, true, "life goes on there, too");
    const replaced = await until(limitMs, cutAt, async () => (await ledgers(outside)).length === 2);
    done("outside: 2 ledgers in view again", replaced, true, "the copy out of reach is replaced after 3 s");
  };

  const heal = async (before: readonly PodInfo[]): Promise<void> => {
    const inside = firstOf(fleet, cutSite);
    const from = performance.now();
    fleet.wires.heal(cutSite);
    const seen = await until(
      limitMs,
      from,
      async () => (await verdictOf(fleet, outside, inside.name)) === "alive",
    );
    done("both sides see each other", seen, true, "");
    const merged = await until(limitMs, from, async () => {
      const states = await Promise.all(fleet.nodes.map((node) => stateOf(fleet, node)));
      return new Set(states.map(({ stateHash }) => stateHash)).size === 1;
    });
    done("all nodes hold the same state", merged, true, "every record of both sides, verified");
    const conflict = (await conflictsAt(fleet, outside)).find(({ field }) => field === "spec.replicas");
    const kept = conflict?.losers.map(({ value }) => JSON.stringify(value)).join(", ") ?? "";
    const sides = `spec.replicas: ${JSON.stringify(conflict?.winner.value)} stands, ${kept} is kept; edits of other fields both stand`;
    done("the edit conflict is reported", performance.now() - from, conflict !== undefined, sides);
    const settled = await until(60_000, from, async () => {
      const pods = (await podsAt(fleet, outside)).filter(({ ready }) => ready);
      const shop = pods.filter(({ app }) => app === "shop");
      if (shop.length !== sites.length || pods.length !== sites.length + 2) return false;
      return (await answeredVersions(fleet, outside, shop)).every((version) => version === "2");
    });
    done(
      "one shop at version 2 in each site, 2 ledgers",
      settled,
      true,
      "surplus copies end after the quiet period",
    );
    await nothingRestarted(before, from);
  };

  /** Every pod from before the heal either still has its process, or the heal report says why it ended. */
  const nothingRestarted = async (before: readonly PodInfo[], from: number): Promise<void> => {
    let kept = 0;
    let reasons: string[] = [];
    const explained = async (): Promise<boolean> => {
      const after = new Map((await podsAt(fleet, outside)).map((pod) => [pod.name, pod] as const));
      const stopped = (await healReports(fleet, outside)).flatMap((entry) => entry.stopped);
      const ended = before.filter(({ name }) => !after.has(name));
      const restarted = before.filter(
        ({ name, pids }) => after.has(name) && after.get(name)?.pids.join() !== pids.join(),
      );
      kept = before.length - ended.length - restarted.length;
      reasons = ended.map(({ name }) => stopped.find(({ pod }) => pod.endsWith(`/${name}`))?.reason ?? "");
      const silent = ended.filter((_, at) => reasons[at] === "");
      if (silent.length > 0)
        throw new Error(`no heal report says why ${silent.map(({ name }) => name).join(" and ")} ended`);
      if (restarted.length > 0)
        throw new Error(`${restarted.map(({ name }) => name).join(" and ")} was restarted`);
      return true;
    };
    const took = await until(30_000, performance.now(), explained);
    const kinds = [...new Set(reasons.map((reason) => reason.split(":")[0]))].sort();
    done(
      "the heal report names what ended",
      took,
      reasons.length > 0,
      `${reasons.length} pods: ${kinds.join(", ")}`,
    );
    done(
      "nothing healthy was restarted",
      performance.now() - from,
      kept > 0,
      `${kept} pods kept their process through it all`,
    );
  };

  return { everySiteRuns, machineDies, siteIsCutOff, heal };
}

function firstOf(fleet: Fleet, site: string): FleetNode {
  const found = fleet.nodes.find((node) => node.site === site);
  if (found === undefined) throw new RangeError(`no node in ${site}`);
  return found;
}

function withVersion(spec: JsonObject, version: string): JsonObject {
  const next = structuredClone(spec) as {
    template: { spec: { containers: { env: { name: string; value?: string }[] }[] } };
  };
  for (const variable of next.template.spec.containers[0]?.env ?? [])
    if (variable.name === "VERSION") variable.value = version;
  return next as unknown as JsonObject;
}
