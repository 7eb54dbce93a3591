import { outerRegion, regionsAround } from "../core/records/scope.ts";
import { table } from "./output.ts";

/** Who is linked with whom, as one node knows it: as a tree, a matrix, and a graph for Graphviz. */
export type Topology = {
  readonly seenBy: string;
  readonly mesh: string;
  readonly nodes: readonly TopologyNode[];
  /** Those of which only summaries are known; a node of an earlier build does not say. */
  readonly places?: readonly TopologyPlace[];
};

export type TopologyPlace = {
  readonly kind: "site" | "region";
  readonly name: string;
  /** Of a region its own name. */
  readonly region: string;
  readonly nodes: number;
  readonly ready: number;
  readonly toldAgoMs: number;
  readonly unreachableForMs: number | null;
  readonly speakers: readonly string[];
};

export type TopologyNode = {
  readonly name: string;
  readonly site: string;
  readonly region: string;
  readonly self: boolean;
  readonly verdict: string;
  /** Of its uplink. */
  readonly class: string;
  readonly network: string;
  readonly tier: number | null;
  readonly factAgeMs: number | null;
  /** How long the verdict stands. */
  readonly sinceMs: number;
  readonly roundTripMs: number | null;
  readonly linked: boolean;
  /** What it says itself. */
  readonly links: readonly string[];
};

type Age = (ms: number | null) => string;

const compare = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);

/** Regions, what stands in them directly (sites, then regions within), and the nodes of the sites. */
export function treeOf({ seenBy, mesh, nodes, places = [] }: Topology, age: Age): string {
  const byRegion = new Map(groupedBy(nodes, ({ region }) => region));
  const named = [...byRegion.keys(), ...places.map(({ region }) => region)];
  const regions = [...new Set(named.flatMap(regionsAround))].sort(compare);
  const within = (outer: string | undefined): readonly Branch[] =>
    regions
      .filter((region) => outerRegion(region) === outer)
      .map((region) => ({ label: labelOf(region), below: [...sitesIn(region), ...within(region)] }));
  const labelOf = (region: string): string => {
    const told = places.find(({ kind, name }) => kind === "region" && name === region);
    return told === undefined ? region : describedPlace(told, age);
  };
  const sitesIn = (region: string): readonly Branch[] => {
    const detailed = groupedBy(byRegion.get(region) ?? [], ({ site }) => site).map(([name, inSite]) => ({
      name,
      label: name,
      below: inSite.map((node) => ({ label: described(node, age), below: [] })),
    }));
    const told = places
      .filter((place) => place.kind === "site" && place.region === region)
      .map((place) => ({ name: place.name, label: describedPlace(place, age), below: [] }));
    return [...detailed, ...told].sort((left, right) => compare(left.name, right.name));
  };
  return [`mesh ${mesh}, as ${seenBy} sees it`, ...drawn(within(undefined))].join("\n");
}

type Branch = { readonly label: string; readonly below: readonly Branch[] };

function drawn(branches: readonly Branch[]): readonly string[] {
  return branches.flatMap(({ label, below }, at) => {
    const [branch, indent] = at === branches.length - 1 ? ["└─", "   "] : ["├─", "│  "];
    return [`${branch} ${label}`, ...drawn(below).map((line) => indent + line)];
  });
}

function described(node: TopologyNode, age: Age): string {
  const { name, self, verdict, sinceMs, linked, roundTripMs, factAgeMs, links } = node;
  const trip = roundTripMs === null ? "" : `, ${roundTripMs} ms`;
  const link = self
    ? "answers"
    : `${verdict} for ${age(sinceMs)}, ${linked ? `linked${trip}` : "no link of ours"}`;
  const said = factAgeMs === null ? "said never" : `said ${age(factAgeMs)} ago`;
  const about = `uplink ${node.class}, ${node.network}, tier ${node.tier ?? "?"}`;
  return `${name}  ${link}; ${links.length} ${links.length === 1 ? "link" : "links"}, ${said}; ${about}`;
}

function describedPlace(
  { name, nodes, ready, toldAgoMs, unreachableForMs, speakers }: TopologyPlace,
  age: Age,
): string {
  const lost = unreachableForMs === null ? "" : `, nobody of it has answered for ${age(unreachableForMs)}`;
  const by = speakers.length === 0 ? "" : ` by ${speakers.join(", ")}`;
  return `${name}  told ${age(toldAgoMs)} ago${by}: ${ready} of ${nodes} nodes ready${lost}`;
}

/**
 * Row says that it is linked with column: the age of what the row says. `!` where only one of the two says so,
 * `.` where none does.
 */
export function matrixOf({ nodes }: Topology, age: Age): string {
  const sorted = groupedBy(nodes, ({ site }) => site).flatMap(([, inside]) => inside);
  const rows = sorted.map((row) => [
    row.name,
    ...sorted.map((column) => {
      if (row === column) return "-";
      const says = row.links.includes(column.name);
      const saidBack = column.links.includes(row.name);
      if (!says) return saidBack ? "!" : ".";
      return `${age(row.factAgeMs)}${saidBack ? "" : "!"}`;
    }),
  ]);
  const legend = "row is linked with column, said so long ago; ! only one of the two says so; . no link";
  return `${table(["", ...sorted.map(({ name }) => name)], rows)}\n\n${legend}`;
}

const colourByVerdict: { readonly [verdict: string]: string } = {
  alive: "palegreen",
  dead: "salmon",
  unreachable: "khaki",
};

/** Graphviz: sites as clusters, one edge a link, dashed where only one end says so. */
export function dotOf({ mesh, nodes, places = [] }: Topology): string {
  const quoted = (text: string): string => `"${text.replaceAll('"', '\\"')}"`;
  const byName = new Map(nodes.map((node) => [node.name, node] as const));
  const clusters = groupedBy(nodes, ({ region, site }) => `${region} / ${site}`).map(
    ([place, inside], at) =>
      `  subgraph cluster_${at} {\n    label=${quoted(place)};\n${inside
        .map(
          ({ name, verdict, tier }) =>
            `    ${quoted(name)} [label=${quoted(`${name}: ${verdict}, tier ${tier ?? "?"}`)}, fillcolor=${colourByVerdict[verdict] ?? "white"}];\n`,
        )
        .join("")}  }\n`,
  );
  const edges = new Map<string, boolean>();
  for (const { name, links } of nodes) {
    for (const peer of links) {
      if (!byName.has(peer)) continue;
      const [left, right] = [name, peer].sort(compare);
      const both = byName.get(peer)?.links.includes(name) === true;
      edges.set(`${quoted(left ?? "")} -- ${quoted(right ?? "")}`, both);
    }
  }
  const lines = [...edges]
    .sort(([left], [right]) => compare(left, right))
    .map(([edge, both]) => `  ${edge}${both ? "" : " [style=dashed]"};\n`);
  const told = places.map(
    ({ kind, name, nodes: count, ready }) =>
      `  ${quoted(`${kind} ${name}`)} [label=${quoted(`${kind} ${name}: ${ready} of ${count} nodes ready`)}, style=dashed];\n`,
  );
  const drawnAll = [...clusters, ...told, ...lines].join("");
  return `graph ${quoted(mesh)} {\n  node [shape=box, style=filled];\n${drawnAll}}\n`;
}

function groupedBy(
  nodes: readonly TopologyNode[],
  key: (node: TopologyNode) => string,
): readonly (readonly [string, readonly TopologyNode[]])[] {
  const groups = new Map<string, TopologyNode[]>();
  for (const node of [...nodes].sort((left, right) => compare(left.name, right.name)))
    groups.set(key(node), [...(groups.get(key(node)) ?? []), node]);
  return [...groups].sort(([left], [right]) => compare(left, right));
}
