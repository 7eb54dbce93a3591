import type { JsonObject } from "../core/kernel/json.ts";
import type { MemberView, NodeView } from "../core/node/contract.ts";
import type { SiteView } from "../core/node/place-view.ts";
import { addedUp, copiesOf, updatedOf, type PlaceSummary } from "../core/node/summary-content.ts";
import { isWithin, outerRegion, regionsAround } from "../core/records/scope.ts";
import { condition, timeOf } from "./values.ts";

/** Sites and regions: what is in detail here as counted, the others as their summaries say. */

const mebibyte = 1024 * 1024;

/** The own site, every other whose detail is here, and those of which this node is told. */
export function presentSites(view: NodeView): JsonObject[] {
  const { wall } = view.clocks();
  return sitesSeen(view).map(({ name, region, summary, ages, inside, detailed, unreachableFor }) => {
    const joined = inside.map(({ member }) => member.joinedAt);
    return {
      apiVersion: "starlight.dev/v1",
      kind: "Site",
      metadata: {
        name,
        uid: `site-${name}`,
        // Only who keeps the detail of a site knows since when it is there.
        ...(joined.length === 0 ? {} : { creationTimestamp: timeOf(Math.min(...joined)) }),
        labels: { name, region },
      },
      spec: { region },
      status: {
        source: detailed ? "detail" : "summary",
        ...statusOf(summary, ages),
        ...reachOf(summary, unreachableFor, wall),
      },
    };
  });
}

/** Each site with its members that are known here, and how old what is known of it is: of each of them, or the word on all. */
function sitesSeen(
  view: NodeView,
): readonly (SiteView & { readonly inside: readonly MemberView[]; readonly ages: readonly number[] })[] {
  const members = view.members();
  return view.sites().map((site) => {
    const inside = members.filter(({ member }) => member.site === site.name);
    return {
      ...site,
      inside,
      ages: site.detailed ? inside.flatMap(({ factAge }) => factAge ?? []) : [site.age],
    };
  });
}

/** The regions of which this node is told, and those around them and around sites, added up from their parts. */
export function presentRegions(view: NodeView): JsonObject[] {
  const told = view.regions();
  const { wall } = view.clocks();
  const parts = [
    ...sitesSeen(view).map((site) => ({ ...site, sites: 1 })),
    ...told.map(({ name, age, ...region }) => {
      return { ...region, region: name, ages: [age], sites: region.summary.sites };
    }),
  ];
  const names = new Set(parts.flatMap(({ region }) => regionsAround(region)));
  return [...names].sort().map((name) => {
    const inside = parts.filter(({ region }) => isWithin(region, name));
    const outer = outerRegion(name);
    const sites = inside.reduce((total, part) => total + part.sites, 0);
    const whole = addedUp(inside.map(({ summary }) => summary));
    const ages = inside.flatMap((part) => part.ages);
    // One part that is reached is enough: the others say themselves that they are not.
    const lost = inside.flatMap(({ unreachableFor }) => unreachableFor ?? []);
    const unreachableFor = lost.length < inside.length ? undefined : Math.min(...lost);
    return {
      apiVersion: "starlight.dev/v1",
      kind: "Region",
      metadata: { name, uid: `region-${name}`, labels: { name } },
      spec: outer === undefined ? {} : { within: outer },
      status: {
        source: told.some((region) => region.name === name) ? "summary" : "parts",
        sites,
        ...statusOf(whole, ages),
        ...reachOf(whole, unreachableFor, wall),
      },
    };
  });
}

/** Places whose detail is not kept here, of which this node is told. */
export const placesTold = (view: NodeView) => [
  ...view.sitesTold().map((site) => ({ ...site, kind: "site" as const })),
  ...view.regions().map((region) => ({ ...region, region: region.name, kind: "region" as const })),
];

/** That nobody of a place answers this node: what is told of it stands, but may no longer be so. */
function reachOf(summary: PlaceSummary, unreachableFor: number | undefined, wall: number): JsonObject {
  if (unreachableFor === undefined) return { unreachableForMs: null, conditions: [] };
  const since = wall - unreachableFor;
  const conditions = [condition("Unreachable", "True", "NobodyAnswers", whyUnreachable(summary), since)];
  return { unreachableForMs: Math.round(unreachableFor), conditions };
}

export const whyUnreachable = ({ ready, nodes }: PlaceSummary): string =>
  `nobody of it answers; told before: ${ready} of ${nodes} nodes ready`;

function statusOf(summary: PlaceSummary, ages: readonly number[]): JsonObject {
  const sum = (of: (tier: PlaceSummary["tiers"][number]) => number): number =>
    summary.tiers.reduce((total, tier) => total + of(tier), 0);
  const amount = (
    of: (tier: PlaceSummary["tiers"][number]) => { cpuMilli: number; memoryBytes: number },
  ) => ({
    cpu: `${sum((tier) => of(tier).cpuMilli)}m`,
    memory: `${Math.round(sum((tier) => of(tier).memoryBytes) / mebibyte)}Mi`,
  });
  return {
    nodes: summary.nodes,
    nodesInView: summary.ready,
    allocatable: amount(({ allocatable }) => allocatable),
    requested: amount(({ requested }) => requested),
    tiers: summary.tiers.map(({ tier, nodes, ready }) => ({ tier, nodes, ready })),
    workloads: summary.workloads.map((workload) => ({
      name: workload.name,
      revision: workload.revision,
      wanted: workload.wanted,
      ready: workload.ready,
      copies: copiesOf(workload),
      updated: updatedOf(workload),
    })),
    workloadsLeftOut: summary.workloadsLeftOut,
    agentVersions: summary.agents,
    freshestFactAgeMs: ages.length === 0 ? null : Math.round(Math.min(...ages)),
    oldestFactAgeMs: ages.length === 0 ? null : Math.round(Math.max(...ages)),
  };
}
