import type { Duration } from "../core/kernel/time.ts";
import type { Json, JsonObject } from "../core/kernel/json.ts";
import type { NodeView } from "../core/node/contract.ts";
import { addedUp, type PlaceSummary } from "../core/node/summary-content.ts";
import { isWithin } from "../core/records/scope.ts";
import { listed } from "./named-object.ts";
import { ApiError } from "./status.ts";

/** Why a site or a region is shown as it is: what is told of it, how long ago, and who speaks for it. */

type Source = "detail" | "summary" | "parts";
type Part = {
  readonly name: string;
  readonly region: string;
  readonly summary: PlaceSummary;
  readonly age: Duration;
  readonly source: Source;
  /** Best first. */
  readonly speakers: readonly string[];
};

export function whyPlace(view: NodeView, kind: "Site" | "Region", name: string): JsonObject {
  const sites = view.sites().map((site): Part => ({
    ...site,
    source: site.detailed ? "detail" : "summary",
    speakers: site.summary.gateways.map((gateway) => gateway.name),
  }));
  const regions = view.regions().map((region): Part => ({
    ...region,
    region: region.name,
    source: "summary",
    speakers: region.summary.gateways.map((gateway) => gateway.name),
  }));
  const told = (kind === "Site" ? sites : regions).find((place) => place.name === name);
  const parts =
    told === undefined && kind === "Region"
      ? [...sites, ...regions].filter(({ region }) => isWithin(region, name))
      : [];
  if (told === undefined && parts.length === 0) {
    const known = kind === "Site" ? sites.map((site) => site.name) : [...sites, ...regions].map(regionOf);
    const names = [...new Set(known)].sort();
    const what = `nothing is known of ${kind.toLowerCase()}/${name}; there are ${listed(names)}`;
    throw new ApiError(404, "NotFound", what, { name });
  }
  const { nodes, ready } = told?.summary ?? addedUp(parts.map(({ summary }) => summary));
  return {
    kind,
    name,
    seenBy: view.identity.name,
    place: {
      region: told?.region ?? name,
      source: told?.source ?? "parts",
      nodes,
      ready,
      toldAgoMs: told === undefined ? null : Math.round(told.age),
      speakers: told?.speakers ?? [],
      parts: parts.map(asJson),
    },
  };
}

const regionOf = ({ region }: Part): string => region;

const asJson = ({ name, source, summary: { nodes, ready }, age, speakers }: Part): Json => ({
  name,
  source,
  nodes,
  ready,
  toldAgoMs: Math.round(age),
  speakers,
});
