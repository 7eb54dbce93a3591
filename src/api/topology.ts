import type { JsonObject } from "../core/kernel/json.ts";
import type { ApiDeps } from "./contract.ts";
import { placesTold } from "./places.ts";

/**
 * `GET /starlight/v1/topology`: members by place, and the links that each says it has, with the age of what it
 * said; of other places what is told of them. Round trips are this node's own.
 */
export function topologyOf({ view, env }: ApiDeps): JsonObject {
  const { now } = env();
  const members = view.members();
  const nameById = new Map(members.map(({ id, member }) => [id, member.name] as const));
  const nodes = members.map(({ id, member, self, evidence, factAge, status, links, labels }) => ({
    name: member.name,
    id,
    site: member.site,
    region: member.region,
    self,
    verdict: evidence.verdict,
    /** How long it has been that. */
    sinceMs: Math.max(0, Math.round(now - evidence.since)),
    class: status?.uplink ?? "lan",
    network: labels["starlight.dev/network"] ?? "unknown",
    tier: status?.tier ?? null,
    factAgeMs: factAge === undefined ? null : Math.round(factAge),
    /** Of our own link to it; null without one. */
    roundTripMs:
      evidence.link === undefined || evidence.roundTrip === undefined
        ? null
        : Math.round(evidence.roundTrip * 10) / 10,
    linked: self ? true : evidence.link !== undefined,
    /** Names; what it says itself. */
    links: (links?.peers ?? []).flatMap((peer) => nameById.get(peer) ?? []).sort(),
  }));
  const { name, mesh } = view.identity;
  const places = placesTold(view).map((place) => ({
    kind: place.kind,
    name: place.name,
    region: place.region,
    nodes: place.summary.nodes,
    ready: place.summary.ready,
    toldAgoMs: Math.round(place.age),
    unreachableForMs: place.unreachableFor === undefined ? null : Math.round(place.unreachableFor),
    /** Who speaks for it, best first. */
    speakers: place.summary.gateways.map((gateway) => gateway.name),
  }));
  return { seenBy: name, mesh: mesh.name, nodes, places };
}
