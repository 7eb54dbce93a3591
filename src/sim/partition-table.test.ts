import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Machine, SimPod } from "./machine.ts";
import {
  asMarkdown,
  policies,
  situations,
  textOf,
  type After,
  type During,
  type Policy,
  type SituationName,
} from "./partition-table.ts";
import { simConfig } from "./run-seed.ts";
import { cut, upsert, workload, workloadRef } from "./testbed.ts";
import { Trace } from "./trace.ts";
import { World, type Layout } from "./world.ts";

/** Every cell of the table, by the real core: three seeds each. */

const seeds = [1, 2, 3];
const ref = workloadRef("Deployment", "till");

type Stage = {
  readonly world: World;
  /** The node that runs the copy. */
  readonly holder: Machine;
  readonly others: readonly Machine[];
  readonly roll: (machine: Machine, version: string) => void;
};

type Play = {
  /** Nodes of `oslo`, where the copy is wanted, and of `lima`. */
  readonly oslo: number;
  readonly lima?: number;
  readonly onHeal?: "keepReplacement";
  /** One copy in the whole mesh, which has a third site then, of one node. */
  readonly anywhere?: boolean;
  /** Whether a node elsewhere is oslo's witness. */
  readonly witness?: boolean;
  readonly breaks: (stage: Stage) => void;
  readonly mends?: (stage: Stage) => void;
  /** What runs on either side before the heal; the one from there was written later, and stays. */
  readonly versions?: { readonly here: string; readonly there: string };
};

const plays: { readonly [S in SituationName]: Play } = {
  dead: { oslo: 3, breaks: dies, mends: ({ holder }) => holder.startAgent() },
  "agent-dead": {
    oslo: 3,
    breaks: ({ holder }) => holder.killAgent(),
    mends: ({ holder }) => holder.startAgent(),
  },
  silent: {
    oslo: 3,
    breaks: ({ holder }) => holder.powerOff(),
    mends: ({ holder }) => holder.powerOn(),
  },
  unreachable: { oslo: 3, breaks: ({ world, holder }) => cut(world, [holder]) },
  "unreachable-keep-replacement": {
    oslo: 3,
    onHeal: "keepReplacement",
    breaks: ({ world, holder }) => cut(world, [holder]),
  },
  "smaller-half": {
    oslo: 5,
    breaks: ({ world, holder, others }) => cut(world, [holder, ...others.slice(0, 1)]),
  },
  "larger-half": {
    oslo: 5,
    breaks: ({ world, holder, others }) => cut(world, [holder, ...others.slice(0, 2)]),
  },
  "equal-halves": {
    oslo: 4,
    breaks: ({ world, holder, others }) => cut(world, [holder, ...others.slice(0, 1)]),
  },
  "cut-off": {
    oslo: 3,
    lima: 4,
    breaks: ({ world, holder }) => cut(world, ofSite(world, holder.identity.site)),
  },
  "cut-off-mesh": {
    oslo: 2,
    lima: 2,
    anywhere: true,
    breaks: ({ world, holder }) => cut(world, ofSite(world, holder.identity.site)),
  },
  "two-dead": { oslo: 2, breaks: dies, mends: ({ holder }) => holder.startAgent() },
  "two-cut": { oslo: 2, breaks: ({ world, holder }) => cut(world, [holder]) },
  "two-witness": { oslo: 2, lima: 1, witness: true, breaks: ({ world, holder }) => cut(world, [holder]) },
  lone: {
    oslo: 1,
    breaks: ({ holder }) => holder.powerOff(),
    mends: ({ holder }) => holder.powerOn(),
  },
  "two-versions": {
    oslo: 5,
    breaks: (stage) => {
      cut(stage.world, [stage.holder, ...stage.others.slice(0, 1)]);
      stage.world.at(stage.world.now + 20_000, () => stage.roll(stage.holder, "v2"));
      const across = stage.others.at(-1);
      if (across !== undefined) stage.world.at(stage.world.now + 25_000, () => stage.roll(across, "v3"));
    },
    versions: { here: "v2", there: "v3" },
  },
};

for (const { name, text, cells } of situations) {
  for (const policy of policies) {
    test(`${text}: with ${policy} ${textOf(cells[policy])}`, () => {
      for (const seed of seeds)
        assert.deepEqual(perform(plays[name], policy, seed), cells[policy], `seed ${seed}`);
    });
  }
}

test("docs/placement.md has the table that is tested here", () => {
  const page = readFileSync(new URL("../../docs/placement.md", import.meta.url), "utf8");
  assert.ok(page.includes(asMarkdown()), `docs/placement.md should have:\n${asMarkdown()}`);
});

function perform(
  play: Play,
  policy: Policy,
  seed: number,
): { readonly during: During; readonly after: After } {
  const stage = setUp(play, policy, seed);
  const { world, holder } = stage;
  const uidsOn = (machines: readonly Machine[]): string[] => machines.flatMap(({ pods }) => [...pods.keys()]);
  const [before] = uidsOn([holder]);
  world.observers.push({
    podStarted: (_machine, pod) => {
      const fenced = world.machines
        .flatMap(({ pods }) => [...pods.values()])
        .filter(({ start }) => start.fence);
      if (pod.start.fence !== undefined) assert.equal(fenced.length, 1, "two run under leases at one time");
    },
  });
  play.breaks(stage);
  world.run(world.now + 60_000);
  const here = uidsOn([holder]);
  const there = uidsOn(stage.others);
  const during = duringOf(here.length, there.length);
  if (play.versions !== undefined) {
    for (const pod of holder.pods.values()) assert.equal(versionOf(pod), play.versions.here);
    for (const { pods } of stage.others)
      for (const pod of pods.values()) assert.equal(versionOf(pod), play.versions.there);
  }
  world.network.mendAll();
  play.mends?.(stage);
  world.run(world.now + 60_000);
  const left = world.machines.flatMap(({ pods }) => [...pods.values()]);
  assert.equal(left.length, 1, "one copy is left");
  const [last] = left;
  assert.ok(last !== undefined && last.ready, "it is ready");
  if (play.versions !== undefined) {
    assert.equal(versionOf(last), play.versions.there);
    for (const { name, node } of world.machines)
      assert.equal(node?.view.conflicts().length, 1, `${name} shows the conflict of the two versions`);
    return { during, after: "newest" };
  }
  return { during, after: afterOf(last.start.uid, before, there, during) };
}

const versionOf = ({ start }: SimPod): string | undefined => start.env["main"]?.["VERSION"];

function duringOf(here: number, there: number): During {
  assert.ok(here <= 1 && there <= 1, `${here} copies there, ${there} elsewhere`);
  if (here === 1) return there === 1 ? "two" : "stays";
  return there === 1 ? "moves" : "none";
}

function afterOf(uid: string, before: string | undefined, there: readonly string[], during: During): After {
  if (uid === before) return during === "two" ? "original" : "same";
  return there.includes(uid) ? "replacement" : "again";
}

/** A mesh in which one copy of the workload has come to rest. */
function setUp(play: Play, policy: Policy, seed: number): Stage {
  const { oslo, lima = 0, anywhere = false, onHeal = "keepOriginal", witness = false } = play;
  const layout: Layout = [
    { site: "oslo", region: "north", nodes: oslo },
    ...(lima > 0 ? [{ site: "lima", region: "south", nodes: lima }] : []),
    ...(anywhere ? [{ site: "bern", region: "south", nodes: 1 }] : []),
  ];
  const world = new World(seed, layout, simConfig, new Trace());
  for (const machine of world.machines) machine.startAgent();
  world.run(5_000);
  const annotations = {
    "starlight.dev/on-partition": policy,
    "starlight.dev/on-heal": onHeal,
    "starlight.dev/lost-after": "5s",
    ...(anywhere ? {} : { "starlight.dev/placement": "perSite", "starlight.dev/sites": "name=oslo" }),
  };
  const roll = (machine: Machine, version: string): void =>
    upsert(machine, ref, workload("Deployment", "till", 1, { version, annotations }));
  const [first] = world.machines;
  assert.ok(first !== undefined);
  if (witness) {
    const metadata = { name: "lima-1", labels: { "starlight.dev/witness-for": "oslo" } };
    const node = { group: "", kind: "Node", namespace: "", name: "lima-1" };
    upsert(first, node, { apiVersion: "v1", kind: "Node", metadata });
    world.run(world.now + 1_000);
  }
  roll(first, "v1");
  world.run(60_000);
  const holder = world.machines.find(({ pods }) => pods.size > 0);
  assert.ok(holder !== undefined, "it runs somewhere");
  return { world, holder, others: world.machines.filter((machine) => machine !== holder), roll };
}

const ofSite = (world: World, site: string): Machine[] =>
  world.machines.filter(({ identity }) => identity.site === site);

/** Agent and workload are gone; the machine's kernel answers that nobody listens. */
function dies({ holder }: Stage): void {
  holder.killAgent();
  holder.pods.clear();
}
