import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import {
  noConstraints,
  type Constraints,
  type LabelSelector,
  type PlaceNode,
  type PlacePod,
  type PlannerEvent,
  type Workload,
} from "./contract.ts";
import { decide, explain, forecast } from "./decide.ts";
import { createPlanner } from "./planner.ts";
import { claimDelay, node, now, pod, quietPeriod, refOf, wall, workload } from "./testbed.ts";

/** A planner that lived through a history against one that is told only how it ended. */

const ids = ["oslo-1", "oslo-2", "bern-1", "bern-2", "rome-1"];
const names = ["a", "b", "c"];
const app = (name: string): Constraints["podForbidden"][number]["selector"] => [
  { key: "app", operator: "In", values: [name] },
];
const term = (name: string, topologyKey: string): Constraints["podForbidden"][number] => ({
  selector: app(name),
  namespaces: ["shop"],
  topologyKey,
});

const anyNode: fc.Arbitrary<PlaceNode> = fc
  .record({
    id: fc.constantFrom(...ids),
    site: fc.constantFrom("oslo", "bern", "rome"),
    region: fc.constantFrom("eu", "eu.de", "us"),
    tier: fc.constantFrom("1", "2", "3"),
    effect: fc.constantFrom("", "", "", "NoSchedule", "PreferNoSchedule", "NoExecute"),
    cordoned: fc.constantFrom(false, false, false, true),
    cpuMilli: fc.constantFrom(100, 1_000, 4_000),
    pods: fc.constantFrom(1, 3, 100),
    verdict: fc.constantFrom("alive" as const, "alive" as const, "unreachable" as const, "dead" as const),
    away: fc.constantFrom(0, 699, 700, 9_000, 59_000, 1_000_000),
    lostBySite: fc.boolean(),
  })
  .map(({ id, site, region, tier, effect, cordoned, cpuMilli, pods, verdict, away, lostBySite }) =>
    node(id, {
      site,
      region,
      labels: { zone: site, host: id, "starlight.dev/tier": tier },
      taints: effect === "" ? [] : [{ key: "k", value: "", effect, since: wall - 500 }],
      cordoned,
      allocatable: { cpuMilli, memoryBytes: 1_000, pods },
      verdict,
      verdictSince: now - away,
      lostBySite: verdict === "unreachable" && lostBySite,
    }),
  );

const constraints: fc.Arbitrary<Constraints> = fc.oneof(
  { weight: 4, arbitrary: fc.constant(noConstraints) },
  fc.constantFrom(...names).chain((name) =>
    fc.constantFrom<Constraints>(
      { ...noConstraints, podForbidden: [term(name, "host")] },
      { ...noConstraints, podRequired: [term(name, "zone")] },
      { ...noConstraints, podPreferred: [{ ...term(name, "zone"), weight: 10 }] },
      {
        ...noConstraints,
        spreads: [{ maxSkew: 1, topologyKey: "zone", hard: true, selector: app(name) }],
      },
      {
        ...noConstraints,
        spreads: [{ maxSkew: 1, topologyKey: "host", hard: false, selector: app(name) }],
      },
      {
        ...noConstraints,
        nodePreferred: [{ rules: [{ key: "starlight.dev/tier", operator: "Lt", values: ["3"] }], weight: 5 }],
      },
    ),
  ),
);

const anyWorkload: fc.Arbitrary<Workload> = fc
  .record({
    name: fc.constantFrom(...names),
    spread: fc.oneof(
      fc.record({ type: fc.constant("mesh" as const), replicas: fc.nat(4) }),
      fc.record({
        type: fc.constant("per-site" as const),
        replicas: fc.nat(2),
        sites: fc.constantFrom<LabelSelector>(
          {},
          { name: ["oslo", "rome"] },
          { region: ["eu"] },
          { region: ["eu.de"] },
        ),
      }),
      fc.constant({ type: "per-node" as const }),
    ),
    revision: fc.constantFrom("r1", "r2"),
    priority: fc.constantFrom(0, 0, 10),
    constraints,
    variants: fc.constantFrom<Workload["variants"]>(
      [],
      [],
      [
        { name: "full", minTier: 1, requests: { cpuMilli: 900, memoryBytes: 1 } },
        { name: "small", minTier: 3, requests: { cpuMilli: 90, memoryBytes: 1 } },
      ],
    ),
    tolerations: fc.constantFrom<Workload["tolerations"]>(
      [],
      [{ key: "k", operator: "Exists", forMs: 1_500 }],
    ),
    requests: fc.constantFrom({ cpuMilli: 10, memoryBytes: 1 }, { cpuMilli: 800, memoryBytes: 1 }),
  })
  .map(({ name, ...parts }) => workload(name, parts));

const anyPod: fc.Arbitrary<PlacePod> = fc
  .record({
    uid: fc.constantFrom("p0", "p1", "p2", "p3", "p4", "p5"),
    on: fc.constantFrom(...ids),
    of: fc.constantFrom(...names),
    slot: fc.constantFrom("mesh/0", "mesh/1", "site/oslo/0", "site/rome/1", "node/oslo-1", "node/bern-1"),
    revision: fc.constantFrom("r1", "r2"),
    variant: fc.constantFrom(undefined, "small", "full"),
    claimedAt: fc.constantFrom(1, 2, 2 ** 51),
    ended: fc.constantFrom(false, false, true),
    ready: fc.boolean(),
    cpuMilli: fc.constantFrom(10, 700),
  })
  .map(({ uid, on, of, slot, cpuMilli, ...parts }) =>
    pod(uid, on, workload(of), slot, { ...parts, requests: { cpuMilli, memoryBytes: 1 } }),
  );

const anyEvent: fc.Arbitrary<PlannerEvent> = fc.oneof(
  { weight: 3, arbitrary: anyNode.map((node) => ({ type: "node" as const, node })) },
  fc.constantFrom(...ids).map((id) => ({ type: "node-gone" as const, id })),
  { weight: 3, arbitrary: anyWorkload.map((workload) => ({ type: "workload" as const, workload })) },
  fc.constantFrom(...names).map((name) => ({ type: "workload-gone" as const, ref: refOf(name) })),
  { weight: 4, arbitrary: anyPod.map((pod) => ({ type: "pod" as const, pod })) },
  fc.constantFrom("p0", "p1", "p2").map((uid) => ({ type: "pod-gone" as const, uid })),
);
/** A change, or time that passes before the next look. */
const step = fc.oneof(
  { weight: 4, arbitrary: anyEvent },
  fc.constantFrom(0, 1, 1_000, 60_000).map((passed) => ({ type: "look" as const, passed })),
);

test("a planner that lived through any history plans, explains and forecasts as one that knows only its end", () => {
  fc.assert(
    fc.property(
      fc.array(anyEvent, { minLength: 10, maxLength: 20 }),
      fc.array(step, { maxLength: 25 }),
      fc.constantFrom(...ids),
      (first, steps, self) => {
        const config = { self, quietPeriod, claimDelay };
        const planner = createPlanner(config);
        let passed = 0;
        const compare = (): void => {
          const at = { now: now + passed, wall: wall + passed };
          const input = planner.input(at);
          assert.deepEqual(planner.plan(at), decide(input));
          assert.deepEqual(planner.forecast(at), forecast(input));
          for (const name of names)
            assert.deepEqual(planner.explain(refOf(name), at), explain(input, refOf(name)));
          assert.deepEqual(planner.plan(at), decide(input), "a second look is as the first");
        };
        for (const event of first) planner.handle(event);
        compare();
        for (const event of steps) {
          if (event.type !== "look") planner.handle(event);
          else {
            passed += event.passed;
            compare();
          }
        }
        compare();
      },
    ),
    { numRuns: 400 },
  );
});
