import assert from "node:assert/strict";
import { test } from "node:test";
import { Graphviz } from "@hpcc-js/wasm-graphviz";
import { dotOf, matrixOf, treeOf, type Topology, type TopologyNode } from "./topology.ts";

const node = (name: string, change: Partial<TopologyNode>): TopologyNode => ({
  name,
  site: name.replace(/-\d+$/, ""),
  region: "north",
  self: false,
  verdict: "alive",
  class: "wan",
  network: "ethernet",
  tier: 2,
  factAgeMs: 2_000,
  sinceMs: 60_000,
  roundTripMs: null,
  linked: false,
  links: [],
  ...change,
});

const topology: Topology = {
  seenBy: "oslo-1",
  mesh: 'shops "and" more',
  nodes: [
    node("rome-1", {
      region: "south",
      verdict: "unreachable",
      class: "satellite",
      factAgeMs: null,
      tier: null,
    }),
    node("oslo-2", { linked: true, roundTripMs: 0.4, links: ["oslo-1"], network: "wifi" }),
    node("oslo-1", { self: true, links: ["bern-1", "oslo-2"], factAgeMs: 0 }),
    node("bern-1", { verdict: "dead", links: ["oslo-1", "oslo-2", "gone-1"], class: "cellular" }),
  ],
};
const age = (ms: number | null): string => (ms === null ? "never" : `${ms / 1000}s`);

test("the tree has regions, sites and nodes in order, with verdict, link, age and class", () => {
  assert.deepEqual(treeOf({ ...topology, mesh: "shops" }, age).split("\n"), [
    "mesh shops, as oslo-1 sees it",
    "├─ north",
    "│  ├─ bern",
    "│  │  └─ bern-1  dead for 60s, no link of ours; 3 links, said 2s ago; uplink cellular, ethernet, tier 2",
    "│  └─ oslo",
    "│     ├─ oslo-1  answers; 2 links, said 0s ago; uplink wan, ethernet, tier 2",
    "│     └─ oslo-2  alive for 60s, linked, 0.4 ms; 1 link, said 2s ago; uplink wan, wifi, tier 2",
    "└─ south",
    "   └─ rome",
    "      └─ rome-1  unreachable for 60s, no link of ours; 0 links, said never; uplink satellite, ethernet, tier ?",
  ]);
});

test("places of which only summaries are known stand in the tree, and in the graph, with what is told of them", () => {
  const told = { toldAgoMs: 9_000, unreachableForMs: null, nodes: 3, ready: 2 } as const;
  const places = [
    { ...told, kind: "site", name: "kiel", region: "eu.de", speakers: ["kiel-2", "kiel-1"] },
    { ...told, kind: "region", name: "us", region: "us", speakers: [], unreachableForMs: 70_000 },
  ] as const;
  const nodes = [node("ulm-1", { region: "eu.de", self: true })];
  const known: Topology = { seenBy: "ulm-1", mesh: "shops", nodes, places };
  assert.deepEqual(treeOf(known, age).split("\n"), [
    "mesh shops, as ulm-1 sees it",
    "├─ eu",
    "│  └─ eu.de",
    "│     ├─ kiel  told 9s ago by kiel-2, kiel-1: 2 of 3 nodes ready",
    "│     └─ ulm",
    "│        └─ ulm-1  answers; 0 links, said 2s ago; uplink wan, ethernet, tier 2",
    "└─ us  told 9s ago: 2 of 3 nodes ready, nobody of it has answered for 70s",
  ]);
  assert.match(dotOf(known), /"region us" \[label="region us: 2 of 3 nodes ready", style=dashed\];/);
});

const nested: Topology = {
  seenBy: "ulm-1",
  mesh: "shops",
  nodes: [
    node("ulm-1", { region: "eu.de.south", self: true }),
    node("bonn-1", { region: "eu.de" }),
    node("lyon-1", { region: "eu.fr" }),
    node("rome-1", { region: "eu" }),
    node("reno-1", { region: "us" }),
  ],
};

test("a region of the tree has its sites first and then the regions that stand in it, by their full names", () => {
  const lines = treeOf(nested, age).split("\n");
  assert.deepEqual(
    lines.slice(1).map((line) => line.replace(/ {2}(answers|alive).*/, "")),
    [
      "├─ eu",
      "│  ├─ rome",
      "│  │  └─ rome-1",
      "│  ├─ eu.de",
      "│  │  ├─ bonn",
      "│  │  │  └─ bonn-1",
      "│  │  └─ eu.de.south",
      "│  │     └─ ulm",
      "│  │        └─ ulm-1",
      "│  └─ eu.fr",
      "│     └─ lyon",
      "│        └─ lyon-1",
      "└─ us",
      "   └─ reno",
      "      └─ reno-1",
    ],
  );
});

test("each site is one cluster of the graph, named by its full region", async () => {
  const graphviz = await Graphviz.load();
  const drawn = JSON.parse(graphviz.layout(dotOf(nested), "json", "dot")) as {
    readonly objects: readonly { readonly name: string; readonly label: string }[];
  };
  assert.deepEqual(
    drawn.objects.filter(({ name }) => name.startsWith("cluster_")).map(({ label }) => label),
    ["eu / rome", "eu.de / bonn", "eu.de.south / ulm", "eu.fr / lyon", "us / reno"],
  );
});

test("the matrix tells the age of each link, and which only one end knows of", () => {
  const [header, ...rows] = matrixOf(topology, age).split("\n");
  assert.deepEqual(header?.trim().split(/\s+/), ["BERN-1", "OSLO-1", "OSLO-2", "ROME-1"]);
  assert.deepEqual(
    rows.slice(0, 4).map((row) => row.split(/\s+/)),
    [
      ["bern-1", "-", "2s", "2s!", "."],
      ["oslo-1", "0s", "-", "0s", "."],
      ["oslo-2", "!", "2s", "-", "."],
      ["rome-1", ".", ".", ".", "-"],
    ],
  );
});

test("Graphviz parses the graph: 3 clusters, 4 nodes, 3 edges, one of them dashed", async () => {
  const graphviz = await Graphviz.load();
  const drawn = JSON.parse(graphviz.layout(dotOf(topology), "json", "dot")) as {
    readonly name: string;
    readonly objects: readonly { readonly name: string; readonly label: string }[];
    readonly edges: readonly { readonly style?: string }[];
  };
  assert.equal(drawn.name, topology.mesh);
  const clusters = drawn.objects.filter(({ name }) => name.startsWith("cluster_"));
  assert.deepEqual(
    clusters.map(({ label }) => label),
    ["north / bern", "north / oslo", "south / rome"],
  );
  assert.equal(drawn.objects.length - clusters.length, 4);
  assert.deepEqual(
    drawn.edges.map(({ style }) => style ?? "solid"),
    ["solid", "dashed", "solid"],
  );
  assert.throws(() => graphviz.layout("graph {", "json", "dot"));
});
