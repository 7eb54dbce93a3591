import { countFrom, warmUpS, type Score } from "./score.ts";
import { seesEachOther, type Moment, type SiteWorld } from "./site-world.ts";

/**
 * An exclusive workload in one site: it runs where a majority of the site's roster is together, and stops
 * when its machine has lost that majority for a lease. A site of two machines asks a witness in another
 * site, which it needs the uplink for.
 */
export type LeaseTimes = {
  /** From the loss of the majority until the guard has ended the program. */
  readonly leaseMs: number;
  /** From the loss of the holder until the others may grant the lease anew: more than `leaseMs`. */
  readonly promiseMs: number;
  readonly podStartMs: number;
  readonly agentStartMs: number;
};

export function runExclusiveSite(
  times: LeaseTimes,
  nodes: number,
  moments: readonly Moment[],
  endMs: number,
): Score {
  const counter = countFrom(1, warmUpS);
  const steps = moments.map((moment, at) => ({
    fromMs: moment.atS * 1000,
    toMs: Math.min(endMs, (moments[at + 1]?.atS ?? Number.POSITIVE_INFINITY) * 1000),
    world: moment.world,
  }));
  let holder: number | undefined;
  let readyMs = 0;
  let freeMs = 0;
  let aloneSinceMs: number | undefined;
  const upSince = Array.from({ length: nodes }, () => 0);
  let before: SiteWorld | undefined;
  const say = (atMs: number, ready: boolean): void =>
    counter.set(atMs / 1000, holder === undefined ? 0 : 1, holder !== undefined && ready ? 1 : 0);
  for (const { fromMs, toMs, world } of steps) {
    for (let node = 0; node < nodes; node++) {
      if (world.up[node] === true && before?.up[node] !== true) upSince[node] = fromMs + times.agentStartMs;
    }
    if (holder !== undefined && world.up[holder] !== true) {
      holder = undefined;
      freeMs = fromMs + times.promiseMs;
      say(fromMs, false);
    } else if (holder !== undefined && !hasMajority(world, holder, nodes)) {
      aloneSinceMs ??= fromMs;
      const endsMs = aloneSinceMs + times.leaseMs;
      if (endsMs < toMs) {
        if (readyMs < endsMs) say(Math.max(fromMs, readyMs), true);
        holder = undefined;
        freeMs = aloneSinceMs + times.promiseMs;
        say(endsMs, false);
      }
    } else aloneSinceMs = undefined;
    if (holder === undefined) {
      const candidates = world.up.flatMap((up, node) =>
        up && hasMajority(world, node, nodes)
          ? [{ node, atMs: Math.max(fromMs, freeMs, upSince[node] ?? 0) }]
          : [],
      );
      const [first] = candidates.sort((left, right) => left.atMs - right.atMs || left.node - right.node);
      if (first !== undefined && first.atMs < toMs) {
        holder = first.node;
        aloneSinceMs = undefined;
        readyMs = first.atMs + times.podStartMs;
        counter.score.starts++;
        say(first.atMs, false);
      }
    }
    if (holder !== undefined && readyMs < toMs) say(Math.max(fromMs, readyMs), true);
    before = world;
  }
  return counter.end(endMs / 1000);
}

function hasMajority(world: SiteWorld, node: number, nodes: number): boolean {
  let votes = 0;
  for (let other = 0; other < nodes; other++) {
    if (other === node ? world.up[other] === true : seesEachOther(world, node, other)) votes++;
  }
  if (nodes !== 2) return 2 * votes > nodes;
  return votes === 2 || (votes === 1 && world.uplink);
}
