import type { JsonObject } from "../core/kernel/json.ts";
import type { Instant } from "../core/kernel/time.ts";
import type { ContactView, NodeView } from "../core/node/contract.ts";
import type { Evidence } from "../core/membership/contract.ts";
import type { NodeId } from "../core/records/record.ts";
import { isWithin } from "../core/records/scope.ts";
import { sortedBy } from "./by-name.ts";
import type { ApiDeps } from "./contract.ts";
import { placesTold } from "./places.ts";

/**
 * `GET /starlight/v1/topology`: members by place, and the links that each says it has, with the age of what it
 * said; then the places whose detail is not kept here, as told, and their nodes that this one is in contact with.
 * Round trips are this node's own.
 */
export function topologyOf({ view, env }: ApiDeps): JsonObject {
  const { now } = env();
  const members = sortedBy(view.members(), ({ member }) => member.name);
  const contacts = view.contacts();
  const nameById = new Map([
    ...contacts.map(({ id, name }) => [id, name] as const),
    ...members.map(({ id, member }) => [id, member.name] as const),
  ]);
  const nodes = members.map(({ id, member, self, evidence, factAge, status, links, labels }) => ({
    name: member.name,
    id,
    site: member.site,
    region: member.region,
    self,
    ...seen(evidence, now),
    class: status?.uplink ?? "lan",
    network: labels["starlight.dev/network"] ?? "unknown",
    tier: status?.tier ?? null,
    factAgeMs: factAge === undefined ? null : Math.round(factAge),
    linked: self ? true : evidence.link !== undefined,
    ...linksOf(links?.peers ?? [], (peer) => nameById.get(peer) ?? view.memberBody(peer)?.name),
  }));
  const { name, mesh } = view.identity;
  return {
    seenBy: name,
    mesh: mesh.name,
    detail: mesh.detail,
    nodes,
    places: placesOf(view, contacts),
    contacts: contacts.map((contact) => contactOf(contact, now)),
  };
}

/** By name, as it says itself; and how many are with nodes that are not known here. */
function linksOf(peers: readonly NodeId[], nameOf: (peer: NodeId) => string | undefined) {
  const links = peers.flatMap((peer) => nameOf(peer) ?? []).sort();
  return { links, linksUnknown: peers.length - links.length };
}

/** A verdict, and how long it stands; the round trip is of our own link, null without one. */
function seen({ verdict, since, link, roundTrip }: Evidence, now: Instant) {
  return {
    verdict,
    sinceMs: Math.max(0, Math.round(now - since)),
    roundTripMs: link === undefined || roundTrip === undefined ? null : Math.round(roundTrip * 10) / 10,
  };
}

const contactOf = ({ id, name, site, region, uplink, saidAge, evidence }: ContactView, now: Instant) => ({
  name,
  id,
  site,
  region,
  ...seen(evidence, now),
  class: uplink ?? null,
  saidAgeMs: saidAge === undefined ? null : Math.round(saidAge),
  linked: evidence.link !== undefined,
});

/**
 * `reach` is `linked` where this node has a link with one of its nodes, `unreachable` where none answers any more,
 * and `told` where neither is known: what is known of it came through others.
 */
function placesOf(view: NodeView, contacts: readonly ContactView[]): readonly JsonObject[] {
  const near = contacts.filter(({ evidence }) => evidence.link !== undefined);
  return placesTold(view).map((place) => {
    const { kind, name, summary, age, unreachableFor } = place;
    const region = "region" in place ? place.region : name;
    const isLinked = near.some((contact) =>
      kind === "site" ? contact.site === name : isWithin(contact.region, name),
    );
    return {
      kind,
      name,
      region,
      sites: "sites" in summary ? summary.sites : 1,
      nodes: summary.nodes,
      ready: summary.ready,
      toldAgeMs: Math.round(age),
      reach: unreachableFor !== undefined ? "unreachable" : isLinked ? "linked" : "told",
      unreachableMs: unreachableFor === undefined ? null : Math.round(unreachableFor),
      speakers: summary.gateways.map((gateway) => gateway.name),
    };
  });
}
