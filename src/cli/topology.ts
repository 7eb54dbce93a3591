import { outerRegion, regionsAround } from "../core/records/scope.ts";
import { table } from "./output.ts";

/** Who is linked with whom, as one node knows it: as a tree, a matrix, and a graph for Graphviz. */
export type Topology = {
  readonly seenBy: string;
  readonly mesh: string;
  readonly nodes: readonly TopologyNode[];
  /** Missing from an agent of an earlier build, as are `contacts`. */
  readonly places?: readonly ToldPlace[];
  /** Nodes of other places that the one that answers is in contact with. */
  readonly contacts?: readonly Contact[];
};

/** A place whose nodes are not known here, but what its gateways tell of it. */
export type ToldPlace = {
  readonly kind: "site" | "region";
  readonly name: string;
  readonly region: string;
  readonly sites: number;
  readonly nodes: number;
  readonly ready: number;
  readonly toldAgeMs: number;
  readonly reach: "linked" | "told" | "unreachable";
  readonly unreachableMs: number | null;
};

type Seen = {
  readonly name: string;
  readonly site: string;
  readonly region: string;
  readonly verdict: string;
  /** How long the verdict stands. */
  readonly sinceMs: number;
  readonly roundTripMs: number | null;
  readonly linked: boolean;
};

export type Contact = Seen & {
  /** Of its uplink; null where nobody told. */
  readonly class: string | null;
  readonly saidAgeMs: number | null;
};

export type TopologyNode = Seen & {
  readonly self: boolean;
  /** Of its uplink. */
  readonly class: string;
  readonly network: string;
  readonly tier: number | null;
  readonly factAgeMs: number | null;
  /** What it says itself. */
  readonly links: readonly string[];
  /** With nodes that are not known here. */
  readonly linksUnknown?: number;
};

type Age = (ms: number | null) => string;

const compare = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);

/** Regions, what stands in them directly (sites, then regions within), and the nodes of the sites. */
export function treeOf({ seenBy, mesh, nodes, places = [], contacts = [] }: Topology, age: Age): string {
  const lines: readonly Line[] = [
    ...nodes.map((node) => ({ ...node, text: described(node, age) })),
    ...contacts.map((contact) => ({ ...contact, text: met(contact, age) })),
  ];
  const told = new Map(places.map((place) => [`${place.kind} ${place.name}`, toldOf(place, age)] as const));
  const titled = (kind: ToldPlace["kind"], name: string): string => {
    const what = told.get(`${kind} ${name}`);
    return what === undefined ? name : `${name}  ${what}`;
  };
  const sitesBy = new Map<string, Set<string>>();
  for (const { region } of places) sitesBy.set(region, new Set());
  for (const { region } of lines) sitesBy.set(region, new Set());
  for (const { kind, name, region } of places) if (kind === "site") sitesBy.get(region)?.add(name);
  for (const { region, site } of lines) sitesBy.get(region)?.add(site);
  const regions = [...new Set([...sitesBy.keys()].flatMap(regionsAround))].sort(compare);
  const within = (outer: string | undefined): readonly Branch[] =>
    regions
      .filter((region) => outerRegion(region) === outer)
      .map((region) => ({
        label: titled("region", region),
        below: [...sitesIn(region), ...within(region)],
      }));
  const sitesIn = (region: string): readonly Branch[] =>
    [...(sitesBy.get(region) ?? [])].sort(compare).map((name) => ({
      label: titled("site", name),
      below: lines
        .filter((line) => line.region === region && line.site === name)
        .sort((left, right) => compare(left.name, right.name))
        .map(({ text }) => ({ label: text, below: [] })),
    }));
  return [`mesh ${mesh}, as ${seenBy} sees it`, ...drawn(within(undefined))].join("\n");
}

type Line = Pick<Seen, "name" | "site" | "region"> & { readonly text: string };
type Branch = { readonly label: string; readonly below: readonly Branch[] };

function drawn(branches: readonly Branch[]): readonly string[] {
  return branches.flatMap(({ label, below }, at) => {
    const [branch, indent] = at === branches.length - 1 ? ["└─", "   "] : ["├─", "│  "];
    return [`${branch} ${label}`, ...drawn(below).map((line) => indent + line)];
  });
}

function described(node: TopologyNode, age: Age): string {
  const { name, self, factAgeMs, links, linksUnknown = 0 } = node;
  const count = links.length + linksUnknown;
  const elsewhere = linksUnknown === 0 ? "" : ` (${linksUnknown} with nodes not known here)`;
  const about = `uplink ${node.class}, ${node.network}, tier ${node.tier ?? "?"}`;
  const linked = `${count} ${count === 1 ? "link" : "links"}${elsewhere}, ${said(factAgeMs, age)}`;
  return `${name}  ${self ? "answers" : linkWith(node, age)}; ${linked}; ${about}`;
}

/** Of its links, network and tier nothing is known here. */
const met = (contact: Contact, age: Age): string =>
  `${contact.name}  ${linkWith(contact, age)}; ${said(contact.saidAgeMs, age)}; uplink ${contact.class ?? "?"}`;

function linkWith({ verdict, sinceMs, linked, roundTripMs }: Seen, age: Age): string {
  const trip = roundTripMs === null ? "" : `, ${roundTripMs} ms`;
  return `${verdict} for ${age(sinceMs)}, ${linked ? `linked${trip}` : "no link of ours"}`;
}

const said = (ageMs: number | null, age: Age): string =>
  ageMs === null ? "said never" : `said ${age(ageMs)} ago`;

function toldOf({ kind, sites, nodes, ready, toldAgeMs, ...place }: ToldPlace, age: Age): string {
  const size = kind === "site" ? "" : `${sites} ${sites === 1 ? "site" : "sites"}, `;
  return `told ${age(toldAgeMs)} ago: ${size}${ready} of ${nodes} nodes ready; ${reachOf(place, age)}`;
}

function reachOf({ reach, unreachableMs }: Pick<ToldPlace, "reach" | "unreachableMs">, age: Age): string {
  if (reach === "linked") return "reachable";
  return reach === "told" ? "known through others" : `stale: nobody answers for ${age(unreachableMs)}`;
}

/**
 * Row says that it is linked with column: the age of what the row says. `!` where only one of the two says so,
 * `.` where none does. Contacts are columns only: what they have links with is not known here.
 */
export function matrixOf({ nodes, places = [], contacts = [] }: Topology, age: Age): string {
  const sorted = groupedBy(nodes, ({ site }) => site).flatMap(([, inside]) => inside);
  const outside = contacts.map(({ name }) => name).sort(compare);
  const rows = sorted.map((row) => [
    row.name,
    ...sorted.map((column) => {
      if (row === column) return "-";
      const says = row.links.includes(column.name);
      const saidBack = column.links.includes(row.name);
      if (!says) return saidBack ? "!" : ".";
      return `${age(row.factAgeMs)}${saidBack ? "" : "!"}`;
    }),
    ...outside.map((name) => (row.links.includes(name) ? age(row.factAgeMs) : ".")),
  ]);
  const legend = "row is linked with column, said so long ago; ! only one of the two says so; . no link";
  const matrix = `${table(["", ...sorted.map(({ name }) => name), ...outside], rows)}\n\n${legend}`;
  if (places.length === 0) return matrix;
  const told = places.map((place) => [
    `${place.kind}/${place.name}`,
    place.region,
    `${place.ready}/${place.nodes}`,
    age(place.toldAgeMs),
    reachOf(place, age),
  ]);
  return `${matrix}\n\n${table(["Place", "Region", "Ready", "Told", "Reach"], told)}`;
}

const colourByVerdict: { readonly [verdict: string]: string } = {
  alive: "palegreen",
  dead: "salmon",
  unreachable: "khaki",
};

/** What Graphviz draws as one box. */
type Box = { readonly place: string; readonly name: string; readonly text: string; readonly style: string };

const quoted = (text: string): string => `"${text.replaceAll('"', '\\"')}"`;
const coloured = (verdict: string): string => `fillcolor=${colourByVerdict[verdict] ?? "white"}`;

/**
 * Graphviz: sites as clusters, one edge a link, dashed where only one end says so. Of a place that is only told of
 * one dashed box stands for its nodes.
 */
export function dotOf({ mesh, nodes, places = [], contacts = [] }: Topology, age: Age): string {
  const boxes: readonly Box[] = [
    ...nodes.map(({ name, region, site, verdict, tier }) => ({
      place: `${region} / ${site}`,
      name,
      text: `${name}: ${verdict}, tier ${tier ?? "?"}`,
      style: coloured(verdict),
    })),
    ...contacts.map(({ name, region, site, verdict }) => ({
      place: `${region} / ${site}`,
      name,
      text: `${name}: ${verdict}`,
      style: coloured(verdict),
    })),
    ...places.map((place) => ({
      place: place.kind === "site" ? `${place.region} / ${place.name}` : place.name,
      name: `${place.kind}/${place.name}`,
      text: `${place.name}: ${toldOf(place, age)}`,
      style: `style="filled,dashed", ${coloured(place.reach === "linked" ? "alive" : place.reach)}`,
    })),
  ];
  const clusters = groupedBy(boxes, ({ place }) => place).map(([place, inside], at) => {
    const drawnBoxes = inside.map(
      ({ name, text, style }) => `    ${quoted(name)} [label=${quoted(text)}, ${style}];\n`,
    );
    return `  subgraph cluster_${at} {\n    label=${quoted(place)};\n${drawnBoxes.join("")}  }\n`;
  });
  const linksByName = new Map([
    ...contacts.map(({ name }) => [name, []] as const),
    ...nodes.map(({ name, links }) => [name, links] as const),
  ]);
  const edges = new Map<string, boolean>();
  for (const { name, links } of nodes) {
    for (const peer of links) {
      const back = linksByName.get(peer);
      if (back === undefined) continue;
      const [left, right] = [name, peer].sort(compare);
      edges.set(`${quoted(left ?? "")} -- ${quoted(right ?? "")}`, back.includes(name));
    }
  }
  const lines = [...edges]
    .sort(([left], [right]) => compare(left, right))
    .map(([edge, both]) => `  ${edge}${both ? "" : " [style=dashed]"};\n`);
  return `graph ${quoted(mesh)} {\n  node [shape=box, style=filled];\n${clusters.join("")}${lines.join("")}}\n`;
}

/** Groups in the order of their keys, what is in them in that of names. */
function groupedBy<T extends { readonly name: string }>(
  items: readonly T[],
  key: (item: T) => string,
): readonly (readonly [string, readonly T[]])[] {
  const sorted = [...items].sort((left, right) => compare(left.name, right.name));
  return [...Map.groupBy(sorted, key)].sort(([left], [right]) => compare(left, right));
}
