import assert from "node:assert/strict";
import { test } from "node:test";
import { array, assert as hold, constantFrom, property, record } from "fast-check";
import { selectorOf } from "../intents/selector.ts";
import { judgeLinks, type Bond, type Party, type Rule } from "./link-policy.ts";

const party = (name: string, site: string, gateway = false, region = "north"): Party => ({
  id: name,
  name,
  site,
  region,
  labels: gateway ? { gateway: "true" } : {},
});
const everybody = selectorOf({}) ?? [];
const gateways = selectorOf({ matchLabels: { gateway: "true" } }) ?? [];
const bond = (name: string, nodes: Bond["nodes"], ...allow: readonly Rule[]): Bond => ({
  name,
  nodes,
  allow,
});

const strict = [
  bond("all", everybody, { within: "site", nodes: gateways }),
  bond("gateways", gateways, { within: "site", nodes: everybody }, { within: "mesh", nodes: gateways }),
];
const fleet = [
  party("berlin-1", "berlin", true),
  party("berlin-2", "berlin"),
  party("berlin-3", "berlin"),
  party("paris-1", "paris", true, "west"),
  party("paris-2", "paris", false, "west"),
];

test("in its strictest form a node talks only to its site's gateways, and gateways to each other", () => {
  const { permits, exempt } = judgeLinks(strict, fleet);
  const permitted = fleet.flatMap(({ id: one }) =>
    fleet.flatMap(({ id: other }) => (one < other && permits(one, other) ? [`${one} ${other}`] : [])),
  );
  assert.deepEqual(permitted, [
    "berlin-1 berlin-2",
    "berlin-1 berlin-3",
    "berlin-1 paris-1",
    "paris-1 paris-2",
  ]);
  assert.deepEqual(exempt, []);
});

test("the reason names the policy and both nodes with their sites", () => {
  const { forbids } = judgeLinks(strict, fleet);
  assert.equal(
    forbids("berlin-2", "paris-1"),
    "link policy all forbids berlin-2 (berlin) -> paris-1 (paris)",
  );
  assert.equal(forbids("berlin-1", "paris-1"), undefined);
});

test("one end that is not willing is enough, and nodes that no policy binds are willing", () => {
  const one = judgeLinks([bond("p", gateways, { within: "site", nodes: everybody })], fleet);
  assert.equal(one.permits("berlin-2", "paris-2"), true);
  assert.equal(one.permits("berlin-2", "paris-1"), false);
});

test("reach region keeps regions apart only where nothing else joins them", () => {
  const regions = [bond("p", everybody, { within: "region", nodes: everybody })];
  const { permits, exempt } = judgeLinks(regions, fleet);
  // It would part the mesh: the smaller part is exempt.
  assert.deepEqual(exempt, ["paris-1", "paris-2"]);
  assert.equal(permits("berlin-2", "paris-2"), true);
  const joined = judgeLinks([...regions, bond("g", gateways, { within: "mesh", nodes: gateways })], fleet);
  assert.deepEqual(joined.exempt, []);
  assert.equal(joined.permits("berlin-2", "paris-2"), false);
});

test("a policy that forbids everything is enforced for nobody: each node would be alone", () => {
  const nobody = selectorOf({ matchLabels: { no: "such" } }) ?? [];
  const { permits, exempt } = judgeLinks([bond("p", everybody, { within: "mesh", nodes: nobody })], fleet);
  assert.equal(exempt.length, 4);
  assert.ok(fleet.every(({ id }) => permits("berlin-1", id)));
});

const someRule = record({
  within: constantFrom("site", "region", "mesh"),
  nodes: constantFrom(everybody, gateways),
});
const someBonds = array(
  record({
    name: constantFrom("p", "q"),
    nodes: constantFrom(everybody, gateways),
    allow: array(someRule, { maxLength: 3 }),
  }),
  { maxLength: 4 },
);
const someFleet = array(
  record({
    site: constantFrom("a", "b", "c"),
    region: constantFrom("north", "west"),
    gateway: constantFrom(true, false),
  }),
  { minLength: 1, maxLength: 12 },
);

test("whatever the policies, both ends judge alike and permitted links join the whole roster", () => {
  hold(
    property(someBonds, someFleet, (bonds, places) => {
      const parties = places.map(({ site, region, gateway }, at) => party(`n${at}`, site, gateway, region));
      const { permits } = judgeLinks(bonds, parties);
      const reached = new Set<string>(["n0"]);
      for (const one of reached)
        for (const { id } of parties) {
          assert.equal(permits(one, id), permits(id, one));
          if (permits(one, id)) reached.add(id);
        }
      assert.equal(reached.size, parties.length);
    }),
    { numRuns: 500 },
  );
});
