import { noticeable } from "../../core/node/summaries.ts";
import type { Place } from "../../core/records/scope.ts";
import type { Machine } from "../machine.ts";
import { placesOf, placeTold } from "../places.ts";
import { gather } from "../shard.ts";
import { siteOf, type Fleet } from "./fleet.ts";
import { holds, type Notes } from "./notes.ts";
import { knowsGone } from "./roster-changes.ts";
import { unheardBy, type Said } from "./said.ts";

/**
 * What must come true in calm, each as the first difference that is found. A pass costs a few look-ups for
 * each member; summaries are equal where their scope is, so that one node a region is asked what they say. Each
 * shard looks at its own machines, and all learn of what one has found.
 */

/** Members that differed last: mostly they still do, so that they are asked before all others. */
const suspectsOf = new WeakMap<Fleet, readonly Machine[]>();

type Difference = { readonly what: string; readonly machines: readonly Machine[] };
/** What all are to hold: the notes that were acknowledged, and what had been said when the trouble ended. */
type Wanted = { readonly written: ReadonlySet<string>; readonly said: Said };
type Check = (fleet: Fleet, among: Iterable<Machine>, wanted: Wanted) => Difference | undefined;

export function unspread(fleet: Fleet, notes: Notes): string | undefined {
  const wanted = { written: notes.acknowledged(), said: new Map() };
  return foundByAny(fleet, firstOf([unspreadAmong], fleet, wanted));
}

export function disagreement(fleet: Fleet, notes: Notes, said: Said): string | undefined {
  const wanted = { written: notes.acknowledged(), said };
  const ours = firstOf([unspreadAmong, unlikeRosters, unheardAmong], fleet, wanted) ?? untrueSummaries(fleet);
  return foundByAny(fleet, ours);
}

const foundByAny = ({ shard }: Fleet, ours: string | undefined): string | undefined =>
  gather(shard, ours).find((found) => found !== undefined);

function firstOf(checks: readonly Check[], fleet: Fleet, wanted: Wanted): string | undefined {
  const ours = [...fleet.members].filter(({ isOurs }) => isOurs);
  const suspects = (suspectsOf.get(fleet) ?? []).filter((machine) => fleet.members.has(machine));
  for (const among of [suspects, ours]) {
    for (const check of checks) {
      const found = check(fleet, among, wanted);
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
  { written }: Wanted,
): Difference | undefined {
  for (const machine of among) {
    const machines = [machine];
    if (machine.state !== "up") return { what: `3: ${machine.name} is ${machine.state}`, machines };
    for (const note of written)
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

/** 5. Whoever keeps a scope has heard what had been said in it when the trouble ended, or newer words. */
function unheardAmong({ gone }: Fleet, among: Iterable<Machine>, { said }: Wanted): Difference | undefined {
  const ended = new Set([...gone].map(({ identity }) => identity.id));
  for (const machine of among) {
    const word = unheardBy(machine, said, ended);
    if (word === undefined) continue;
    const { slot, author } = word;
    return { what: `5: ${machine.name} has not heard what ${author} said of ${slot}`, machines: [machine] };
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
