import type { JsonObject } from "../core/kernel/json.ts";
import type { UplinkView } from "../core/node/uplink-view.ts";
import { sortedBy } from "./by-name.ts";
import type { ApiDeps } from "./contract.ts";
import { reasonsOf } from "./evidence.ts";

/** `GET /starlight/v1/status`: who speaks, what is in view, and how old the rest is. */
export function statusOf({ view, version, bytesWritten }: ApiDeps): JsonObject {
  const members = sortedBy(view.members(), ({ member }) => member.name);
  const island = new Set(view.island());
  const bySite = new Map<string, typeof members>();
  for (const member of members)
    bySite.set(member.member.site, [...(bySite.get(member.member.site) ?? []), member]);
  const known = view.sites();
  const sites = [...bySite].sort().map(([name, inside]) => {
    const ages = inside.flatMap(({ factAge }) => (factAge === undefined ? [] : [Math.round(factAge)]));
    return {
      name,
      region: inside[0]?.member.region ?? "",
      nodes: inside.length,
      inView: inside.filter(({ id }) => island.has(id)).length,
      freshestMs: ages.length === 0 ? null : Math.min(...ages),
      oldestMs: ages.length === 0 ? null : Math.max(...ages),
      unreachableMs: roundedOrNull(known.find((site) => site.name === name)?.unreachableFor),
    };
  });
  // Of places whose detail is not kept here: what is told of them.
  const told = known
    .filter(({ detailed }) => !detailed)
    .map(({ name, region, summary, age, unreachableFor }) => ({
      name,
      region,
      nodes: summary.nodes,
      inView: summary.ready,
      freshestMs: Math.round(age),
      oldestMs: Math.round(age),
      unreachableMs: roundedOrNull(unreachableFor),
    }));
  const regions = view.regions().map(({ name, summary, age, unreachableFor }) => ({
    name,
    sites: summary.sites,
    nodes: summary.nodes,
    ready: summary.ready,
    ageMs: Math.round(age),
    unreachableMs: roundedOrNull(unreachableFor),
  }));
  const sitesIn = (counted: typeof regions): number =>
    counted.reduce((total, region) => total + region.sites, 0);
  const isReached = ({ unreachableMs }: { unreachableMs: number | null }): boolean => unreachableMs === null;
  const { name, site, region, mesh, id } = view.identity;
  const { today, total } = bytesWritten();
  // What has done its work, or failed for good, is never ready again.
  const pods = view.pods().filter(({ body: { phase } }) => phase !== "Succeeded" && phase !== "Failed");
  return {
    speaking: { node: name, id, site, region, mesh: mesh.name, meshId: mesh.id, version },
    island: {
      nodes: island.size,
      of: members.length,
      sites:
        [...sites, ...told].filter((site) => site.inView > 0 && isReached(site)).length +
        sitesIn(regions.filter((region) => region.ready > 0 && isReached(region))),
      ofSites: sites.length + told.length + sitesIn(regions),
    },
    detail: mesh.detail,
    sites: [...sites, ...told],
    regions,
    nodes: members.map((member) => ({
      name: member.member.name,
      id: member.id,
      site: member.member.site,
      region: member.member.region,
      self: member.self,
      verdict: member.evidence.verdict,
      roundTripMs:
        member.evidence.roundTrip === undefined ? null : Math.round(member.evidence.roundTrip * 10) / 10,
      factAgeMs: member.factAge === undefined ? null : Math.round(member.factAge),
      reasons: reasonsOf(member, view),
    })),
    records: view.records(),
    storage: { bytesWrittenToday: today, bytesWritten: total },
    uplink: uplinkJson(view.uplink()),
    stateHash: view.stateHash(),
    conflicts: view.conflicts().length,
    pods: {
      total: pods.length,
      ready: pods.filter(({ body, current }) => body.ready && current).length,
    },
  };
}

const roundedOrNull = (duration: number | undefined): number | null =>
  duration === undefined ? null : Math.round(duration);

function uplinkJson({ links, ...uplink }: UplinkView): JsonObject {
  return {
    ...uplink,
    links: sortedBy(links, ({ name }) => name).map(({ bytesPerSecond, waiting, ...link }) => ({
      ...link,
      bytesPerSecond: bytesPerSecond ?? null,
      waiting: waiting ?? null,
    })),
  };
}
