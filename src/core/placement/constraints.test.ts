import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { noConstraints, type Constraints, type LabelRule, type PodTerm, type Workload } from "./contract.ts";
import { decide, explain } from "./decide.ts";
import { ruleHolds } from "./label-rules.ts";
import {
  inputOf,
  node,
  now,
  planOf,
  pod,
  refOf,
  running,
  settle,
  wall,
  workload,
  type View,
} from "./testbed.ts";

const ids = ["oslo-1", "oslo-2", "oslo-3", "bern-1", "bern-2", "bern-3"];
const nodes = ids.map((id) =>
  node(id, {
    labels: { host: id, zone: id.slice(0, 4), "starlight.dev/tier": id.endsWith("1") ? "1" : "3" },
  }),
);
const app = (name: string): readonly LabelRule[] => [{ key: "app", operator: "In", values: [name] }];
const near = (name: string, topologyKey: string): PodTerm => ({
  selector: app(name),
  namespaces: ["shop"],
  topologyKey,
});
const bound = (name: string, constraints: Partial<Constraints>, parts: Partial<Workload> = {}): Workload =>
  workload(name, { constraints: { ...noConstraints, ...constraints }, ...parts });
const viewOf = (...workloads: readonly Workload[]): View => ({ nodes, workloads, pods: [] });
const placesOf = (view: View, name: string): string[] =>
  running(view, name).map((place) => place.split("@")[1] ?? "");
const mesh = (replicas: number): Pick<Workload, "spread"> => ({ spread: { type: "mesh", replicas } });

test("each operator of a label rule holds as in Kubernetes; Gt and Lt compare whole numbers only", () => {
  const cases: readonly (readonly [LabelRule["operator"], string[], string | undefined, boolean])[] = [
    ["In", ["a", "b"], "b", true],
    ["In", ["a"], undefined, false],
    ["NotIn", ["a"], "b", true],
    ["NotIn", ["a"], "a", false],
    ["NotIn", ["a"], undefined, true],
    ["Exists", [], "", true],
    ["Exists", [], undefined, false],
    ["DoesNotExist", [], undefined, true],
    ["DoesNotExist", [], "x", false],
    ["Gt", ["9"], "10", true],
    ["Gt", ["10"], "10", false],
    ["Lt", ["10"], "9", true],
    ["Lt", ["-1"], "-2", true],
    ["Gt", ["1"], "two", false],
    ["Lt", ["1"], undefined, false],
  ];
  for (const [operator, values, value, holds] of cases) {
    const labels: { readonly [label: string]: string } = value === undefined ? {} : { key: value };
    assert.equal(
      ruleHolds({ key: "key", operator, values }, labels),
      holds,
      `${operator} ${values} ${value}`,
    );
  }
});

test("required node affinity takes any one of its terms, preferred ranks by the sum of the weights that hold", () => {
  const tier = (operator: LabelRule["operator"], value: string): LabelRule => ({
    key: "starlight.dev/tier",
    operator,
    values: [value],
  });
  const zone: LabelRule = { key: "zone", operator: "In", values: ["bern"] };
  const required = bound("w", { nodeRequired: [[tier("Lt", "2"), zone], [tier("Gt", "5")]] }, mesh(3));
  assert.deepEqual(placesOf(settle(viewOf(required)), "w"), ["bern-1", "bern-1", "bern-1"]);
  const preferred = bound(
    "w",
    {
      nodePreferred: [
        { rules: [tier("In", "1")], weight: 10 },
        { rules: [zone], weight: 9 },
      ],
    },
    mesh(1),
  );
  const [slot] = explain(inputOf(viewOf(preferred), "oslo-1"), refOf("w"));
  assert.deepEqual(
    slot?.ranking.map(({ points }) => points),
    [19, 10, 9, 9, 0, 0],
  );
  assert.equal(slot?.ranking[0]?.node, "name-bern-1");
});

test("required anti-affinity by host leaves the fourth of 4 copies waiting on 3 hosts, and is told", () => {
  const alone = bound("w", { podForbidden: [near("w", "host")] }, mesh(4));
  const some = nodes.slice(0, 3);
  const settled = settle({ nodes: some, workloads: [alone], pods: [] });
  assert.deepEqual(placesOf(settled, "w").sort(), ["oslo-1", "oslo-2", "oslo-3"]);
  const waiting = explain(inputOf(settled, "oslo-1"), refOf("w")).find(({ heldBy }) => heldBy.length === 0);
  assert.deepEqual(
    waiting?.excluded.map(({ filter }) => filter),
    ["podAntiAffinity", "podAntiAffinity", "podAntiAffinity"],
  );
});

test("anti-affinity works both ways: nobody comes beside a pod that wants to be alone", () => {
  const shy = bound("a", { podForbidden: [near("b", "zone")] }, mesh(1));
  const other = workload("b", mesh(2));
  const settled = settle(viewOf(shy, other));
  const zone = (id: string): string => id.slice(0, 4);
  const shyZone = zone(placesOf(settled, "a")[0] ?? "");
  assert.equal(placesOf(settled, "b").length, 2);
  assert.ok(placesOf(settled, "b").every((id) => zone(id) !== shyZone));
});

test("required affinity to pods goes where they are, and the first of a group that joins itself goes anywhere", () => {
  const db = workload("db", mesh(1));
  const web = bound("web", { podRequired: [near("db", "zone")] }, mesh(3));
  const settled = settle(viewOf(db, web));
  const zone = (placesOf(settled, "db")[0] ?? "").slice(0, 4);
  assert.deepEqual(
    placesOf(settled, "web").map((id) => id.slice(0, 4)),
    [zone, zone, zone],
  );
  assert.deepEqual(placesOf(settle(viewOf(web)), "web"), []);
  const together = settle(viewOf(bound("web", { podRequired: [near("web", "zone")] }, mesh(3))));
  assert.equal(new Set(placesOf(together, "web").map((id) => id.slice(0, 4))).size, 1);
});

test("a hard spread keeps the skew of 5 copies at 1 even where rooms are uneven, and lets one wait rather", () => {
  const selector = app("w");
  const spread = { maxSkew: 1, topologyKey: "zone", hard: true, selector };
  const full = nodes.map((one) =>
    one.site === "oslo"
      ? { ...one, allocatable: { ...one.allocatable, pods: one.id === "oslo-1" ? 1 : 0 } }
      : one,
  );
  const settled = settle({ nodes: full, workloads: [bound("w", { spreads: [spread] }, mesh(5))], pods: [] });
  const zones = placesOf(settled, "w").map((id) => id.slice(0, 4));
  assert.deepEqual(zones.sort(), ["bern", "bern", "oslo"]);
  const soft = settle({
    nodes: full,
    workloads: [bound("w", { spreads: [{ ...spread, hard: false }] }, mesh(5))],
    pods: [],
  });
  assert.equal(placesOf(soft, "w").length, 5);
});

test("for any replicas a hard spread by host never ends more than maxSkew apart", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 2 }), (replicas, maxSkew) => {
      const spread = { maxSkew, topologyKey: "host", hard: true, selector: app("w") };
      const settled = settle(viewOf(bound("w", { spreads: [spread] }, mesh(replicas))));
      const counts = ids.map((id) => placesOf(settled, "w").filter((place) => place === id).length);
      assert.equal(placesOf(settled, "w").length, replicas);
      assert.ok(Math.max(...counts) - Math.min(...counts) <= maxSkew, counts.join(" "));
    }),
    { numRuns: 60 },
  );
});

test("an update replaces a copy on its own host although the copies keep each other away", () => {
  const alone = bound("w", { podForbidden: [near("w", "host")] }, mesh(6));
  const before = settle(viewOf(alone));
  const after = settle({ ...before, workloads: [{ ...alone, revision: "r2" }] });
  assert.deepEqual(placesOf(after, "w"), placesOf(before, "w"));
  assert.ok(after.pods.every(({ revision }) => revision === "r2"));
});

test("a NoExecute taint that is tolerated for 30 s ends a copy after 30,000 ms and not 1 ms sooner", () => {
  const of = workload("w", {
    ...mesh(1),
    tolerations: [{ key: "fire", operator: "Exists", forMs: 30_000 }],
  });
  const taints = [{ key: "fire", value: "", effect: "NoExecute", since: wall - 29_999 }];
  const burning = nodes.map((one) => (one.id === "oslo-1" ? { ...one, taints } : one));
  const input = inputOf(
    { nodes: burning, workloads: [of], pods: [pod("p", "oslo-1", of, "mesh/0")] },
    "oslo-1",
  );
  assert.deepEqual(decide(input).stops, []);
  assert.equal(decide(input).again, 1);
  const later = { ...input, now: now + 1, wall: wall + 1 };
  assert.deepEqual(
    decide(later).stops.map(({ uid, reason }) => `${reason} ${uid}`),
    ["not-allowed p"],
  );
});

test("an extended resource and disk are counted like memory; a node without the resource has none of it", () => {
  const gpu = (count: number): Workload =>
    workload("w", {
      ...mesh(3),
      requests: { cpuMilli: 1, memoryBytes: 1, ephemeralBytes: 60, extended: { "nvidia.com/gpu": count } },
    });
  const machine = nodes.map((one) =>
    one.id === "bern-2"
      ? {
          ...one,
          allocatable: { ...one.allocatable, storageBytes: 100, extended: { "nvidia.com/gpu": 4 } },
        }
      : one,
  );
  const settled = settle({ nodes: machine, workloads: [gpu(1)], pods: [] });
  assert.deepEqual(placesOf(settled, "w"), ["bern-2"]);
  const [, second] = explain(inputOf(settled, "oslo-1"), refOf("w"));
  const filters = new Map(second?.excluded.map(({ node, filter }) => [node, filter]));
  assert.equal(filters.get("name-bern-2"), "ephemeral-storage");
  assert.equal(filters.get("name-oslo-1"), "nvidia.com/gpu");
  assert.deepEqual(placesOf(settle({ nodes: machine, workloads: [gpu(5)], pods: [] }), "w"), []);
});

test("the plan is the same for any order in which a view's rules meet, on every node", () => {
  const shy = bound("a", { podForbidden: [near("b", "zone")] }, mesh(2));
  const other = bound("b", { podPreferred: [{ ...near("a", "zone"), weight: 5 }] }, mesh(2));
  const view = viewOf(shy, other);
  const turned: View = { nodes: [...nodes].reverse(), workloads: [other, shy], pods: [] };
  for (const id of ids) assert.deepEqual(planOf(turned, id), planOf(view, id));
});
