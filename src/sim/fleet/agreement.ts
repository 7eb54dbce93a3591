import type { SiteSummary } from "../../core/records/summaries.ts";
import type { Machine } from "../machine.ts";
import { siteOf, type Fleet } from "./fleet.ts";
import { holds, type Notes } from "./notes.ts";
import { knowsGone } from "./roster-changes.ts";

/**
 * What must come true in calm, each as the first difference that is found. A pass costs a few look-ups for
 * each member; summaries are equal where their scope is, so that one node a region is asked what they say.
 */

/** 3. Every acknowledged write is everywhere, and every end of a membership. */
export function unspread({ members, gone }: Fleet, { acknowledged }: Notes): string | undefined {
  for (const machine of members) {
    if (machine.state !== "up") return `3: ${machine.name} is ${machine.state}`;
    for (const note of acknowledged)
      if (!holds(machine, note)) return `3: ${machine.name} does not hold ${note}`;
    for (const other of gone)
      if (!knowsGone(machine, other)) return `3: ${machine.name} still counts on ${other.name}`;
  }
  return undefined;
}

export function disagreement(fleet: Fleet, notes: Notes): string | undefined {
  return unspread(fleet, notes) ?? unlikeRosters(fleet) ?? unlikeStates(fleet) ?? untrueSummaries(fleet);
}

/** 4. Each member knows exactly the members of its site, and holds all of them for alive. */
function unlikeRosters(fleet: Fleet): string | undefined {
  for (const machine of fleet.members) {
    const members = membersOf(fleet, machine.identity.site);
    const views = machine.node?.view.members() ?? [];
    const away = views.find(({ evidence }) => evidence.verdict !== "alive");
    if (away !== undefined)
      return `4: ${machine.name} holds ${away.member.name} for ${away.evidence.verdict}`;
    const known = views.map(({ member }) => member.name).sort();
    const wanted = members.map(({ name }) => name).sort();
    if (known.join() !== wanted.join())
      return `4: ${machine.name} knows ${known.join(" ")} of ${wanted.join(" ")}`;
  }
  return undefined;
}

/** 5. Whoever keeps a scope holds the same of it. */
function unlikeStates(fleet: Fleet): string | undefined {
  const firstByScope = new Map<string, { readonly hash: string; readonly name: string }>();
  for (const { identity, name, node } of fleet.members) {
    const hashes = new Map(
      (node?.view.stateHash() ?? "").split(" ").map((part) => part.split("=") as [string, string]),
    );
    for (const scope of ["mesh", `region:${identity.region}`, `site:${identity.site}`]) {
      const hash = hashes.get(scope) ?? "nothing";
      const first = firstByScope.get(scope);
      if (first === undefined) firstByScope.set(scope, { hash, name });
      else if (first.hash !== hash) return `5: ${name} and ${first.name} differ in ${scope}`;
    }
  }
  return undefined;
}

/** 6. What is told of sites and regions is true: how many nodes they have, all of them ready. */
function untrueSummaries(fleet: Fleet): string | undefined {
  const truth = countNodes(fleet);
  for (const region of fleet.regionNames) {
    const [one, other] = [...askedIn(fleet, region)];
    for (const machine of [one, other]) {
      const view = machine?.node?.view;
      if (machine === undefined || view === undefined) continue;
      const sites = new Map(view.sites().map(({ name, summary }) => [`site ${name}`, summary]));
      const regions = new Map(view.regions().map(({ name, summary }) => [`region ${name}`, summary]));
      const untrue =
        falsely(truth, sites, (place) => truth.get(place)?.region === region && place.startsWith("site ")) ??
        falsely(truth, regions, (place) => place.startsWith("region ") && place !== `region ${region}`);
      if (untrue !== undefined) return `6: ${machine.name} is told ${untrue}`;
    }
  }
  return undefined;
}

type Count = { readonly region: string; nodes: number };

function countNodes({ members }: Fleet): ReadonlyMap<string, Count> {
  const counts = new Map<string, Count>();
  for (const { identity } of members) {
    const { site, region } = identity;
    for (const place of [`site ${site}`, `region ${region}`]) {
      const held = counts.get(place) ?? { region, nodes: 0 };
      held.nodes++;
      counts.set(place, held);
    }
  }
  return counts;
}

function falsely(
  truth: ReadonlyMap<string, Count>,
  told: ReadonlyMap<string, Pick<SiteSummary, "nodes" | "ready">>,
  concerns: (place: string) => boolean,
): string | undefined {
  for (const [place, { nodes }] of truth) {
    if (!concerns(place)) continue;
    const said = told.get(place);
    if (said?.nodes === nodes && said.ready === nodes) continue;
    return `${said === undefined ? "nothing" : `${said.nodes} nodes, ${said.ready} ready`} of ${nodes} in ${place}`;
  }
  return undefined;
}

/** Members of two sites: a node counts its own site at first hand. */
function* askedIn({ members }: Fleet, region: string): Generator<Machine> {
  const sites = new Set<string>();
  for (const machine of members) {
    if (machine.identity.region !== region || sites.has(machine.identity.site)) continue;
    sites.add(machine.identity.site);
    yield machine;
    if (sites.size === 2) return;
  }
}

const membersOf = (fleet: Fleet, site: string): readonly Machine[] =>
  siteOf(fleet, site).filter((machine) => fleet.members.has(machine));
