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
  const drawn = JSON.parse(graphviz.layout(dotOf(nested, age), "json", "dot")) as {
    readonly objects: readonly { readonly name: string; readonly label: string }[];
  };
  assert.deepEqual(
    drawn.objects.filter(({ name }) => name.startsWith("cluster_")).map(({ label }) => label),
    ["eu / rome", "eu.de / bonn", "eu.de.south / ulm", "eu.fr / lyon", "us / reno"],
  );
});

const told: Topology = {
  seenBy: "ulm-1",
  mesh: "shops",
  nodes: [node("ulm-1", { region: "eu.de", self: true, links: ["kiel-1"], linksUnknown: 1 })],
  places: [
    {
      kind: "site",
      name: "bonn",
      region: "eu.de",
      sites: 1,
      nodes: 2,
      ready: 1,
      toldAgeMs: 12_000,
      reach: "told",
      unreachableMs: null,
    },
    {
      kind: "site",
      name: "kiel",
      region: "eu.de",
      sites: 1,
      nodes: 2,
      ready: 2,
      toldAgeMs: 5_000,
      reach: "linked",
      unreachableMs: null,
    },
    {
      kind: "region",
      name: "us",
      region: "us",
      sites: 3,
      nodes: 9,
      ready: 8,
      toldAgeMs: 90_000,
      reach: "unreachable",
      unreachableMs: 60_000,
    },
  ],
  contacts: [
    {
      name: "kiel-1",
      site: "kiel",
      region: "eu.de",
      verdict: "alive",
      sinceMs: 60_000,
      roundTripMs: 0.4,
      linked: true,
      class: "wan",
      saidAgeMs: 2_000,
    },
    {
      name: "reno-1",
      site: "reno",
      region: "us.west",
      verdict: "unreachable",
      sinceMs: 60_000,
      roundTripMs: null,
      linked: false,
      class: null,
      saidAgeMs: null,
    },
  ],
};

test("places that are only told of stand in the tree with how old that is and whether they are reached, and with the nodes met there", () => {
  assert.deepEqual(treeOf(told, age).split("\n").slice(1), [
    "├─ eu",
    "│  └─ eu.de",
    "│     ├─ bonn  told 12s ago: 1 of 2 nodes ready; known through others",
    "│     ├─ kiel  told 5s ago: 2 of 2 nodes ready; reachable",
    "│     │  └─ kiel-1  alive for 60s, linked, 0.4 ms; said 2s ago; uplink wan",
    "│     └─ ulm",
    "│        └─ ulm-1  answers; 2 links (1 with nodes not known here), said 2s ago; uplink wan, ethernet, tier 2",
    "└─ us  told 90s ago: 3 sites, 8 of 9 nodes ready; stale: nobody answers for 60s",
    "   └─ us.west",
    "      └─ reno",
    "         └─ reno-1  unreachable for 60s, no link of ours; said never; uplink ?",
  ]);
});

test("the matrix has nodes of other places as columns only, and below it what is told of their places", () => {
  const lines = matrixOf(told, age).split("\n");
  assert.deepEqual(lines[0]?.trim().split(/\s+/), ["ULM-1", "KIEL-1", "RENO-1"]);
  assert.deepEqual(lines[1]?.split(/\s+/), ["ulm-1", "-", "2s", "."]);
  assert.deepEqual(
    lines.slice(-3).map((line) => line.split(/ {3,}/)),
    [
      ["site/bonn", "eu.de", "1/2", "12s", "known through others"],
      ["site/kiel", "eu.de", "2/2", "5s", "reachable"],
      ["region/us", "us", "8/9", "90s", "stale: nobody answers for 60s"],
    ],
  );
});

test("Graphviz draws a box for each place that is only told of, and a dashed edge to a node met in one", async () => {
  const graphviz = await Graphviz.load();
  const drawn = JSON.parse(graphviz.layout(dotOf(told, age), "json", "dot")) as {
    readonly objects: readonly { readonly name: string; readonly label: string }[];
    readonly edges: readonly { readonly style?: string }[];
  };
  const [clusters, boxes] = [true, false].map((isCluster) =>
    drawn.objects.filter(({ name }) => name.startsWith("cluster_") === isCluster),
  );
  assert.deepEqual(
    clusters?.map(({ label }) => label),
    ["eu.de / bonn", "eu.de / kiel", "eu.de / ulm", "us", "us.west / reno"],
  );
  assert.deepEqual(boxes?.map(({ name }) => name).sort(), [
    "kiel-1",
    "region/us",
    "reno-1",
    "site/bonn",
    "site/kiel",
    "ulm-1",
  ]);
  assert.ok(boxes?.some(({ label }) => label === "kiel: told 5s ago: 2 of 2 nodes ready; reachable"));
  assert.deepEqual(
    drawn.edges.map(({ style }) => style),
    ["dashed"],
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
  const drawn = JSON.parse(graphviz.layout(dotOf(topology, age), "json", "dot")) as {
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
