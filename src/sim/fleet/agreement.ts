import { noticeable } from "../../core/node/summaries.ts";
import { scopesOf, type Place } from "../../core/records/scope.ts";
import type { Machine } from "../machine.ts";
import { placesOf, placeTold } from "../places.ts";
import { gather, gatherAll } from "../shard.ts";
import { siteOf, type Fleet } from "./fleet.ts";
import { holds, type Notes } from "./notes.ts";
import { knowsGone } from "./roster-changes.ts";

/**
 * What must come true in calm, each as the first difference that is found. A pass costs a few look-ups for
 * each member; summaries are equal where their scope is, so that one node a region is asked what they say. Each
 * shard looks at its own machines, and all learn of what one has found.
 */

/** Members that differed last: mostly they still do, so that they are asked before all others. */
const suspectsOf = new WeakMap<Fleet, readonly Machine[]>();

type Difference = { readonly what: string; readonly machines: readonly Machine[] };
type Written = ReadonlySet<string>;
type Check = (fleet: Fleet, among: Iterable<Machine>, written: Written) => Difference | undefined;

export const unspread = (fleet: Fleet, notes: Notes): string | undefined =>
  foundByAny(fleet, firstOf([unspreadAmong], fleet, notes.acknowledged()));

export function disagreement(fleet: Fleet, notes: Notes): string | undefined {
  const written = notes.acknowledged();
  const ours =
    firstOf([unspreadAmong, unlikeRosters, unlikeStates], fleet, written) ?? untrueSummaries(fleet);
  return foundByAny(fleet, ours) ?? unlikeShards(fleet);
}

const foundByAny = ({ shard }: Fleet, ours: string | undefined): string | undefined =>
  gather(shard, ours).find((found) => found !== undefined);

function firstOf(checks: readonly Check[], fleet: Fleet, written: Written): string | undefined {
  const ours = [...fleet.members].filter(({ isOurs }) => isOurs);
  const suspects = (suspectsOf.get(fleet) ?? []).filter((machine) => fleet.members.has(machine));
  for (const among of [suspects, ours]) {
    for (const check of checks) {
      const found = check(fleet, among, written);
      if (found === undefined) continue;
      suspectsOf.set(fleet, found.machines);
      return found.what;
    }
  }
  return undefined;
}

/** 3. Every acknowledged write is everywhere, and every end of a membership. */
function unspreadAmong(
  { gone }: Fleet,
  among: Iterable<Machine>,
  acknowledged: Written,
): Difference | undefined {
  for (const machine of among) {
    const machines = [machine];
    if (machine.state !== "up") return { what: `3: ${machine.name} is ${machine.state}`, machines };
    for (const note of acknowledged)
      if (!holds(machine, note)) return { what: `3: ${machine.name} does not hold ${note}`, machines };
    for (const other of gone)
      if (!knowsGone(machine, other))
        return { what: `3: ${machine.name} still counts on ${other.name}`, machines };
  }
  return undefined;
}

/** 4. Each member knows exactly the members of its site, and holds all of them for alive. */
function unlikeRosters(fleet: Fleet, among: Iterable<Machine>): Difference | undefined {
  for (const machine of among) {
    const machines = [machine];
    const members = membersOf(fleet, machine.identity.site);
    const views = machine.node?.view.members() ?? [];
    const away = views.find(({ evidence }) => evidence.verdict !== "alive");
    if (away !== undefined)
      return { what: `4: ${machine.name} holds ${away.member.name} for ${away.evidence.verdict}`, machines };
    const known = views.map(({ member }) => member.name).sort();
    const wanted = members.map(({ name }) => name).sort();
    if (known.join() !== wanted.join())
      return { what: `4: ${machine.name} knows ${known.join(" ")} of ${wanted.join(" ")}`, machines };
  }
  return undefined;
}

/** 5. Whoever keeps a scope holds the same of it. */
function unlikeStates(_: Fleet, among: Iterable<Machine>): Difference | undefined {
  const firstByScope = new Map<string, { readonly hash: string; readonly machine: Machine }>();
  for (const machine of among) {
    const { name } = machine;
    for (const [scope, hash] of hashesOf(machine)) {
      const first = firstByScope.get(scope);
      if (first === undefined) firstByScope.set(scope, { hash, machine });
      else if (first.hash !== hash)
        return {
          what: `5: ${name} and ${first.machine.name} differ in ${scope}`,
          machines: [first.machine, machine],
        };
    }
  }
  return undefined;
}

/** What a machine holds, by scope. */
function hashesOf({ identity, node }: Machine): readonly (readonly [scope: string, hash: string])[] {
  const hashes = new Map(
    (node?.view.stateHash() ?? "").split(" ").map((part) => part.split("=") as [string, string]),
  );
  return scopesOf(identity).map((scope) => [scope, hashes.get(scope) ?? "nothing"]);
}

/** 5. The same between shards, each of which is of one mind: one machine of each region speaks for it. */
function unlikeShards({ members, shard }: Fleet): string | undefined {
  const byRegion = new Map(
    [...members].filter(({ isOurs }) => isOurs).map((each) => [each.identity.region, each]),
  );
  const said = [...byRegion.values()].flatMap((machine) =>
    hashesOf(machine).map(([scope, hash]) => ({ scope, hash, name: machine.name })),
  );
  const firstByScope = new Map<string, (typeof said)[number]>();
  for (const each of gatherAll(shard, said)) {
    const first = firstByScope.get(each.scope) ?? each;
    firstByScope.set(each.scope, first);
    if (first.hash !== each.hash) return `5: ${each.name} and ${first.name} differ in ${each.scope}`;
  }
  return undefined;
}

/**
 * 6. What is told of sites and regions is true: how many nodes they have, all of them ready. Of regions less than is
 * noticeable may still be to be told.
 */
function untrueSummaries(fleet: Fleet): string | undefined {
  const counts = new Map<string, number>();
  const places = new Map<string, Place>();
  for (const { identity } of fleet.members) {
    for (const place of placesOf(identity)) counts.set(place, (counts.get(place) ?? 0) + 1);
    places.set(identity.site, identity);
  }
  for (const region of new Set([...fleet.members].map(({ identity }) => identity.region))) {
    for (const { name, identity, node } of askedIn(fleet, region)) {
      if (node === undefined) continue;
      const told = new Map<string, { readonly nodes: number; readonly ready: number }>([
        ...node.view.sites().map((site) => [`site ${site.name}`, site.summary] as const),
        ...node.view.regions().map((other) => [`region ${other.name}`, other.summary] as const),
      ]);
      for (const place of new Set([...places.values()].map((other) => placeTold(identity, other)))) {
        const said = told.get(place);
        const nodes = counts.get(place) ?? 0;
        const untold = place.startsWith("region ") ? noticeable * nodes : 0;
        const differs = (count: number | undefined): boolean =>
          count !== nodes && !(Math.abs((count ?? 0) - nodes) < untold);
        if (!differs(said?.nodes) && !differs(said?.ready)) continue;
        const heard = said === undefined ? "nothing" : `${said.nodes} nodes, ${said.ready} ready`;
        return `6: ${name} is told ${heard} of ${nodes} in ${place}`;
      }
    }
  }
  return undefined;
}

/** Members of two sites: a node counts its own site at first hand. */
function* askedIn({ members }: Fleet, region: string): Generator<Machine> {
  const sites = new Set<string>();
  for (const machine of members) {
    if (!machine.isOurs || machine.identity.region !== region || sites.has(machine.identity.site)) continue;
    sites.add(machine.identity.site);
    yield machine;
    if (sites.size === 2) return;
  }
}

const membersOf = (fleet: Fleet, site: string): readonly Machine[] =>
  siteOf(fleet, site).filter((machine) => fleet.members.has(machine));
