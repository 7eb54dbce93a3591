import type { PlaceNode, PlacementInput, PlacePod, Workload } from "../../core/placement/contract.ts";
import { decide } from "../../core/placement/decide.ts";
import { EventQueue } from "../event-queue.ts";
import { countFrom, warmUpS, type Counter, type Score } from "./score.ts";
import { seesEachOther, type Moment, type SiteWorld } from "./site-world.ts";

/**
 * One site of a mesh through a year: the real placement code, decided by every machine from its own view,
 * with what the network and the clocks do reduced to the delays that are measured with real processes
 * (docs/performance.md). All that this site needs is in it: no other site is asked.
 */
export type MeshTimes = {
  /** From the close of a socket until the verdict `dead`. */
  readonly closedMs: number;
  /** From the last sign of life until the verdict of a machine that fell silent. */
  readonly silentMs: number;
  readonly silentVerdict: "unreachable" | "dead";
  /** From the end of a machine's outage until its agent decides. */
  readonly agentStartMs: number;
  /** From the claim until the program answers. */
  readonly podStartMs: number;
  readonly claimDelayMs: number;
  readonly quietPeriodMs: number;
};

type Pod = PlacePod & { readonly readyAt: number };
type Seen = { verdict: PlaceNode["verdict"]; since: number; pods: readonly Pod[] };

type Site = {
  readonly times: MeshTimes;
  readonly workloads: readonly Workload[];
  readonly nodes: readonly PlaceNode[];
  readonly queue: EventQueue;
  /** By machine: what it claims, ended copies included. */
  readonly truth: (readonly Pod[])[];
  /** By machine: what it holds of the others, and of itself. */
  readonly views: Seen[][];
  readonly agentUp: boolean[];
  readonly waiting: Map<string, number>[];
  readonly counters: ReadonlyMap<string, Counter>;
  readonly lastNode: Map<string, string>;
  world: SiteWorld;
  stamps: number;
  now: number;
  /** The soonest moment at which everybody decides again because time alone may change the answer. */
  againAt: number;
};

export function runMeshSite(
  times: MeshTimes,
  nodes: readonly PlaceNode[],
  workloads: readonly Workload[],
  moments: readonly Moment[],
  endMs: number,
): ReadonlyMap<string, Score> {
  const queue = new EventQueue();
  const site: Site = {
    times,
    workloads,
    nodes,
    queue,
    truth: nodes.map(() => []),
    views: nodes.map(() => nodes.map(() => ({ verdict: "unreachable", since: 0, pods: [] }))),
    agentUp: nodes.map(() => false),
    waiting: nodes.map(() => new Map<string, number>()),
    counters: new Map(
      workloads.map((workload) => [workload.ref.name, countFrom(copiesOf(workload), warmUpS)]),
    ),
    lastNode: new Map(),
    world: { uplink: true, hub: true, up: nodes.map(() => false), splitAt: undefined },
    stamps: 0,
    now: 0,
    againAt: Number.POSITIVE_INFINITY,
  };
  for (const moment of moments) queue.schedule(moment.atS * 1000, () => change(site, moment));
  for (let event = queue.next(endMs); event !== undefined; event = queue.next(endMs)) {
    site.now = event.at;
    event.run();
  }
  return new Map([...site.counters].map(([name, counter]) => [name, counter.end(endMs / 1000)]));
}

const copiesOf = ({ spread }: Workload): number => (spread.type === "per-node" ? 1 : spread.replicas);

function change(site: Site, { world, closed }: Moment): void {
  const { now } = site;
  const before = site.world;
  site.world = world;
  world.up.forEach((up, node) => {
    if (up === before.up[node]) return;
    if (up) {
      site.queue.schedule(now + site.times.agentStartMs, () => {
        if (site.world.up[node] !== true || site.agentUp[node] === true) return;
        site.agentUp[node] = true;
        for (const seen of site.views[node] ?? [])
          Object.assign(seen, { verdict: "unreachable", since: site.now });
        look(site, new Set());
      });
      return;
    }
    site.agentUp[node] = false;
    site.waiting[node]?.clear();
    // Its programs are gone; its disk still says what it ran.
    site.truth[node] = (site.truth[node] ?? []).map((pod) => ({ ...pod, ended: true, ready: false }));
  });
  look(site, closed);
}

/** Everybody looks around; whoever is out of sight is given up when silence has lasted. */
function look(site: Site, closed: ReadonlySet<number>): void {
  const { views, times, queue, now } = site;
  for (const [viewer, seenBy] of views.entries()) {
    if (site.agentUp[viewer] !== true) continue;
    for (const [other, seen] of seenBy.entries()) {
      if (sees(site, viewer, other)) {
        if (seen.verdict !== "alive") Object.assign(seen, { verdict: "alive", since: now });
      } else if (seen.verdict === "alive") {
        const verdict = closed.has(other) ? "dead" : times.silentVerdict;
        queue.schedule(now + (closed.has(other) ? times.closedMs : times.silentMs), () => {
          if (seen.verdict !== "alive" || sees(site, viewer, other)) return;
          Object.assign(seen, { verdict, since: site.now });
          decideAll(site);
        });
      }
    }
  }
  decideAll(site);
}

const sees = ({ world, agentUp }: Site, viewer: number, other: number): boolean =>
  viewer === other
    ? agentUp[viewer] === true
    : agentUp[viewer] === true && agentUp[other] === true && seesEachOther(world, viewer, other);

/** Every machine decides and does it, until nothing is left to do at this moment. */
function decideAll(site: Site): void {
  for (let round = 0, busy = true; busy && round < 50; round++) {
    share(site);
    busy = site.nodes.map((_, node) => site.agentUp[node] === true && decideOne(site, node)).some(Boolean);
  }
  measure(site);
}

/** Facts of whoever is in sight. */
function share(site: Site): void {
  for (const [viewer, seenBy] of site.views.entries()) {
    for (const [other, seen] of seenBy.entries()) {
      if (sees(site, viewer, other)) seen.pods = site.truth[other] ?? [];
    }
  }
}

function decideOne(site: Site, node: number): boolean {
  const { queue, waiting, now } = site;
  const plan = decide(inputOf(site, node));
  const line = waiting[node] ?? new Map<string, number>();
  const asked = new Map<string, number>();
  let busy = false;
  for (const { workload, slot, revision, after } of plan.starts) {
    const key = `${workload.name} ${slot}`;
    const due = Math.min(line.get(key) ?? Number.POSITIVE_INFINITY, now + after);
    if (due > now) {
      asked.set(key, due);
      if (due !== line.get(key)) queue.schedule(due, () => decideAll(site));
      continue;
    }
    const wanted = site.workloads.find(({ ref }) => ref.name === workload.name);
    if (wanted !== undefined) claim(site, node, wanted, slot, revision);
    busy = true;
  }
  line.clear();
  for (const [key, due] of asked) line.set(key, due);
  if (plan.stops.length > 0) {
    const ending = new Set(plan.stops.map(({ uid }) => uid));
    site.truth[node] = (site.truth[node] ?? []).filter(({ uid }) => !ending.has(uid));
    busy = true;
  }
  if (!busy) decideAgain(site, now + Math.max(1, plan.again));
  return busy;
}

function decideAgain(site: Site, at: number): void {
  if (at === Number.POSITIVE_INFINITY || (site.againAt > site.now && at >= site.againAt)) return;
  site.againAt = at;
  site.queue.schedule(at, () => decideAll(site));
}

function inputOf(site: Site, node: number): PlacementInput {
  const { now } = site;
  const seenBy = site.views[node] ?? [];
  const present = seenBy.filter(({ verdict }, other) => other === node || verdict === "alive").length;
  // As core/membership grades it: most of the site is in view; in a site of two our own network works.
  const graded = site.nodes.length === 2 ? present === 1 : present >= 2 && 2 * present > site.nodes.length;
  return {
    self: site.nodes[node]?.id ?? "",
    nodes: site.nodes.map((known, other) => {
      const { verdict = "unreachable", since = 0 } = seenBy[other] ?? {};
      return { ...known, verdict, verdictSince: since, lostBySite: verdict === "unreachable" && graded };
    }),
    workloads: site.workloads,
    pods: seenBy.flatMap(({ pods }) =>
      pods.map((pod) => ({ ...pod, ready: !pod.ended && pod.readyAt <= now })),
    ),
    quietPeriod: site.times.quietPeriodMs,
    claimDelay: site.times.claimDelayMs,
    now,
    wall: now,
  };
}

function claim(site: Site, node: number, workload: Workload, slot: string, revision: string): void {
  const { queue, times, nodes, lastNode, counters, now } = site;
  const id = nodes[node]?.id ?? "";
  const readyAt = now + times.podStartMs;
  const pod: Pod = {
    uid: `${id}-${++site.stamps}`,
    node: id,
    workload: workload.ref,
    slot,
    revision,
    claimedAt: site.stamps,
    ended: false,
    ready: false,
    labels: workload.labels,
    requests: workload.requests,
    readyAt,
  };
  const others = (site.truth[node] ?? []).filter(
    (held) => !(held.ended && held.slot === slot && held.workload.name === workload.ref.name),
  );
  site.truth[node] = [...others, pod];
  queue.schedule(readyAt, () => decideAll(site));
  const score = counters.get(workload.ref.name)?.score;
  const key = `${workload.ref.name} ${slot}`;
  if (score !== undefined) {
    score.starts++;
    if (lastNode.has(key) && lastNode.get(key) !== id) score.moves++;
  }
  lastNode.set(key, id);
}

function measure(site: Site): void {
  const { now } = site;
  for (const [name, counter] of site.counters) {
    let running = 0;
    let ready = 0;
    for (const pods of site.truth) {
      for (const pod of pods) {
        if (pod.ended || pod.workload.name !== name) continue;
        running++;
        if (pod.readyAt <= now) ready++;
      }
    }
    counter.set(now / 1000, running, ready);
  }
}
