import assert from "node:assert/strict";
import { test } from "node:test";
import type { Change } from "../core/intents/contract.ts";
import type { JsonObject } from "../core/kernel/json.ts";
import type { WriteReply } from "../core/node/contract.ts";
import { keeps, type Detail } from "../core/records/scope.ts";
import { openStored } from "../core/records/seal.ts";
import type { Machine } from "./machine.ts";
import { admission, enrolAt, introductionBy, revocation } from "./enrolment.ts";
import { evenLayout, simConfig } from "./run-seed.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

/** What becomes of members that come and go. The first of each site may admit others. */

const config = { ...simConfig, tombstoneEvery: 1_000, keepDeleted: 0 };

function fleet(nodes: number, sites: number, detail: Detail = "mesh"): World {
  const layout = evenLayout(nodes, sites, 1).map((site) => ({ ...site, later: 1 }));
  const world = new World(5, layout, config, new Trace(), { detail, enrollers: true });
  for (const machine of world.machines) machine.startAgent();
  world.run(detail === "mesh" ? 8_000 : 90_000);
  return world;
}

const noteRef = (name: string) => ({ group: "", kind: "ConfigMap", namespace: "default", name });
const agentRef = { group: "apps", kind: "DaemonSet", namespace: "default", name: "agent" };

function put(machine: Machine, ref: Change["ref"], value: JsonObject): void {
  const change = { type: "update", ref, value, manager: "m", class: "user", mode: "upsert" } as const;
  machine.deliver({ type: "write", request: 1, changes: [change], actor: "me", dryRun: false });
}

const note = (name: string, data: JsonObject): JsonObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name },
  data,
});

function runAgents(world: World, machine: Machine): void {
  const labels = { app: "agent" };
  const container = { name: "main", image: "sim", command: ["run"] };
  put(machine, agentRef, {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "agent", namespace: "default" },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { runtimeClassName: "process", containers: [container] } },
    },
  });
  world.run(world.now + 3_000);
}

function cut(world: World, ones: readonly Machine[], others: readonly Machine[], away: boolean): void {
  for (const one of ones)
    for (const other of others) {
      if (away) {
        world.network.cut(one.host, other.host);
        world.network.cut(other.host, one.host);
      } else {
        world.network.mend(one.host, other.host);
        world.network.mend(other.host, one.host);
      }
    }
}

const namesAt = ({ node }: Machine): readonly string[] =>
  (node?.view.members() ?? []).map(({ member }) => member.name).sort();

const hashes = (machines: readonly Machine[]): number =>
  new Set(machines.map(({ node }) => node?.view.stateHash())).size;

test("a node that has left ends its pods, wakes for nothing more and refuses writes", () => {
  const world = fleet(3, 1);
  const [first, , leaver] = world.machines as [Machine, Machine, Machine];
  const replies: WriteReply[] = [];
  world.observers.push({ answered: (_machine, _request, reply) => replies.push(reply) });
  runAgents(world, first);
  assert.equal(leaver.pods.size, 1);
  leaver.deliver({ type: "leave", reason: "sold" });
  world.run(world.now + 20_000);
  assert.equal(leaver.pods.size, 0);
  replies.length = 0;
  put(leaver, noteRef("late"), note("late", { a: "1" }));
  world.run(world.now + 1_000);
  assert.deepEqual(replies, [{ ok: false, error: { type: "not-a-member" } }]);
  assert.deepEqual(world.violations, []);
});

test("what a member said of itself goes with it, deletions of its pods included, and what it wrote for others stays", () => {
  const world = fleet(3, 1);
  const [first, second, leaver] = world.machines as [Machine, Machine, Machine];
  runAgents(world, first);
  put(leaver, noteRef("kept"), note("kept", { a: "1" }));
  world.run(world.now + 1_000);
  leaver.deliver({ type: "leave", reason: "sold" });
  world.run(world.now + 1_000);
  leaver.powerOff();
  world.run(world.now + 20_000);
  for (const { name, node, disk } of [first, second]) {
    const text = disk.frames().map((frame) => Buffer.from(frame).toString("latin1"));
    const facts = text.filter((frame) => frame.includes(`node/${leaver.identity.id}/`));
    assert.equal(facts.length, 0, name);
    assert.equal(node?.view.records().tombstones, 0, name);
    assert.equal(node?.view.object(noteRef("kept"))?.exists, true, name);
  }
  assert.equal(hashes([first, second]), 1);
});

test("a member that is revoked while it is linked hears it and ends its pods", () => {
  const world = fleet(4, 1);
  const [first, , , victim] = world.machines as [Machine, Machine, Machine, Machine];
  runAgents(world, first);
  enrolAt(world, first, revocation(world, first, victim.identity.id));
  world.run(world.now + 5_000);
  assert.equal(victim.pods.size, 0);
});

test("whom a revoked enroller admits beyond a cut is no member after the heal, and all it wrote is gone from both sides", () => {
  const world = fleet(6, 2);
  const [first, second, third, victim, fifth, sixth] = world.machines as [
    Machine,
    Machine,
    Machine,
    Machine,
    Machine,
    Machine,
  ];
  const mole = world.spares.find(({ identity }) => identity.site === victim.identity.site);
  assert.ok(mole);
  const [ours, theirs] = [
    [first, second, third],
    [victim, fifth, sixth, mole],
  ];
  cut(world, ours, theirs, true);
  enrolAt(world, first, revocation(world, first, victim.identity.id));
  world.run(world.now + 10_000);
  const record = admission(world, victim, mole);
  enrolAt(world, victim, record);
  world.run(world.now + 500);
  mole.disk.preload(introductionBy(world, victim, record));
  mole.startAgent();
  world.run(world.now + 10_000);
  put(mole, noteRef("mole"), note("mole", { a: "1" }));
  put(fifth, noteRef("kept"), note("kept", { a: "1" }));
  world.run(world.now + 10_000);
  assert.equal(sixth.node?.view.object(noteRef("mole"))?.exists, true);

  cut(world, ours, theirs, false);
  world.run(world.now + 30_000);
  const members = [first, second, third, fifth, sixth];
  for (const machine of members) {
    assert.deepEqual(namesAt(machine), members.map(({ name }) => name).sort());
    assert.equal(machine.node?.view.object(noteRef("mole")), undefined, machine.name);
    assert.equal(machine.node?.view.object(noteRef("kept"))?.exists, true, machine.name);
  }
  assert.equal(hashes(members), 1);
});

test("what a node wrote before it was revoked counts in a site that had never heard of it", () => {
  const world = fleet(6, 3, "site");
  const [first, second, third] = ["site-0", "site-1", "site-2"].map((site) =>
    world.machines.filter(({ identity }) => identity.site === site),
  ) as [Machine[], Machine[], Machine[]];
  const [enroller, victim] = first as [Machine, Machine];
  cut(world, third, [...first, ...second], true);
  put(victim, noteRef("kept"), note("kept", { a: "1" }));
  world.run(world.now + 2_000);
  enrolAt(world, enroller, revocation(world, enroller, victim.identity.id));
  world.run(world.now + 5_000);
  victim.powerOff();
  cut(world, third, [...first, ...second], false);
  world.run(world.now + 60_000);
  for (const { name, node } of third) {
    assert.equal(node?.view.object(noteRef("kept"))?.exists, true, name);
    assert.equal(node?.view.records().setAside, 0, name);
  }
});

test("a deleted object is whole when an edit from a site that was cut off for three minutes brings it back", () => {
  const world = fleet(4, 2, "site");
  const [here, there] = ["site-0", "site-1"].map((site) =>
    world.machines.filter(({ identity }) => identity.site === site),
  ) as [[Machine, Machine], [Machine, Machine]];
  put(here[0], noteRef("n"), note("n", { a: "1" }));
  world.run(world.now + 5_000);
  cut(world, here, there, true);
  const change = { type: "delete", ref: noteRef("n"), manager: "m", class: "user" } as const;
  here[1].deliver({ type: "write", request: 2, changes: [change], actor: "me", dryRun: false });
  world.run(world.now + 5_000);
  put(there[1], noteRef("n"), note("n", { a: "1", b: "2" }));
  world.run(world.now + 180_000);
  cut(world, here, there, false);
  world.run(world.now + 30_000);
  for (const { name, node } of world.machines)
    assert.deepEqual(node?.view.object(noteRef("n"))?.value["data"], { a: "1", b: "2" }, name);
});

test("a node that missed one of two admissions by the same enroller is told of it, though it has the second", () => {
  const world = fleet(6, 2);
  const [first, , , fourth] = world.machines as [Machine, Machine, Machine, Machine];
  const [one, other] = world.spares as [Machine, Machine];
  const everybodyElse = world.machines.filter((machine) => machine !== fourth);
  cut(world, [fourth], everybodyElse, true);
  const missed = admission(world, first, one);
  enrolAt(world, first, missed);
  one.disk.preload(introductionBy(world, first, missed));
  one.startAgent();
  world.run(world.now + 4_000);
  const second = admission(world, first, other);
  enrolAt(world, first, second);
  other.disk.preload(introductionBy(world, first, second));
  // Only the second one gets to the node, as a courier might bring it.
  enrolAt(world, fourth, second);
  world.run(world.now + 2_000);
  cut(world, [fourth], everybodyElse, false);
  world.run(world.now + 30_000);
  assert.ok(namesAt(fourth).includes(one.name));
});

test("a newcomer that a node of another site admits, and that never met its own, is a member to all 3 of its site 60 s later", () => {
  const world = fleet(6, 2, "site");
  const [first] = world.machines as [Machine];
  const here = world.machines.filter(({ identity }) => identity.site !== first.identity.site);
  const newcomer = world.spares.find(({ identity }) => identity.site !== first.identity.site);
  assert.ok(newcomer);
  const record = admission(world, first, newcomer);
  enrolAt(world, first, record);
  world.run(world.now + 1_000);
  const introduction = introductionBy(world, first, record);
  // Where its site is reached it is told by their summary alone.
  const ids = here.map(({ identity }) => `node/${identity.id}/status`);
  newcomer.disk.preload(introduction.filter(({ slot }) => !ids.some((id) => slot.startsWith(id))));
  world.spares.splice(world.spares.indexOf(newcomer), 1);
  world.machines.push(newcomer);
  newcomer.startAgent();
  world.run(world.now + 60_000);
  const names = [...here, newcomer].map(({ name }) => name).sort();
  for (const machine of [...here, newcomer]) assert.deepEqual(namesAt(machine), names, machine.name);
  assert.equal(hashes([...here, newcomer]), 1);
});

test("whom a revoked enroller admits is refused by each of 2 others 30 times in 60 s at most, and that is no offence", () => {
  const world = fleet(6, 2, "site");
  const [first, second, third] = world.machines as [Machine, Machine, Machine];
  const mole = world.spares.find(({ identity }) => identity.site === first.identity.site);
  assert.ok(mole);
  // The enroller of the second site revokes that of the first, which does not hear of it.
  const enroller = world.machines.find(({ identity }) => identity.site !== first.identity.site);
  assert.ok(enroller);
  const others = world.machines.filter((machine) => machine !== first);
  cut(world, [first], others, true);
  enrolAt(world, enroller, revocation(world, enroller, first.identity.id));
  world.run(world.now + 10_000);
  const record = admission(world, first, mole);
  enrolAt(world, first, record);
  world.run(world.now + 1_000);
  mole.disk.preload(introductionBy(world, first, record));
  const refusals = new Map<Machine, number>();
  const reasons = new Set<string>();
  world.observers.push({
    noted: (machine, { reason, message }) => {
      reasons.add(reason);
      if (reason !== "StrangerRefused") return;
      assert.ok(message.includes(mole.identity.id), message);
      refusals.set(machine, (refusals.get(machine) ?? 0) + 1);
    },
  });
  mole.startAgent();
  world.run(world.now + 60_000);
  for (const { name, times } of [second, third].map((at) => ({
    name: at.name,
    times: refusals.get(at) ?? 0,
  })))
    assert.ok(times > 0 && times <= 30, `${name}: ${times} times`);
  assert.ok(!reasons.has("ProtocolError") && !reasons.has("PeerShutOut"), [...reasons].join());
});

test("what a revoked node made before its end runs on where it wrote of it since, unheard of its end", () => {
  const world = fleet(4, 1);
  const [first, second, third, leaver] = world.machines as [Machine, Machine, Machine, Machine];
  runAgents(world, leaver);
  assert.equal(second.pods.size, 1);
  cut(world, [first, third], [second, leaver], true);
  world.run(world.now + 5_000);
  world.depart(leaver, "revoked");
  enrolAt(world, first, revocation(world, first, leaver.identity.id));
  world.run(world.now + 2_000);
  const agents = leaver.node?.view.object(agentRef)?.value ?? {};
  const metadata = { name: "agent", namespace: "default", annotations: { note: "late" } };
  put(leaver, agentRef, { ...agents, metadata });
  world.run(world.now + 2_000);
  const noteAt = ({ node }: Machine): unknown =>
    (node?.view.object(agentRef)?.value["metadata"] as { readonly annotations?: JsonObject } | undefined)
      ?.annotations;
  assert.deepEqual(noteAt(second), { note: "late" });
  const stops: string[] = [];
  world.observers.push({
    podStopping: ({ name }, _pod, reason) => void (name === leaver.name || stops.push(`${name}: ${reason}`)),
  });
  cut(world, [first, third], [second, leaver], false);
  world.run(world.now + 30_000);
  assert.deepEqual(stops, []);
  assert.equal(noteAt(second), undefined);
  assert.equal(hashes([first, second, third]), 1);
});

test("what a revoked node made after its end ends within 60 s of the heal, also where somebody scaled it", () => {
  const world = fleet(4, 1);
  const [first, second, third, leaver] = world.machines as [Machine, Machine, Machine, Machine];
  cut(world, [first, third], [second, leaver], true);
  world.run(world.now + 5_000);
  world.depart(leaver, "revoked");
  enrolAt(world, first, revocation(world, first, leaver.identity.id));
  world.run(world.now + 2_000);
  const ref = { group: "apps", kind: "Deployment", namespace: "default", name: "late" };
  const labels = { app: "late" };
  const container = { name: "main", image: "sim", command: ["run"], env: [{ name: "V", value: "1" }] };
  const template = { metadata: { labels }, spec: { runtimeClassName: "process", containers: [container] } };
  const spec = { replicas: 2, selector: { matchLabels: labels }, template };
  const metadata = { name: "late", namespace: "default" };
  put(leaver, ref, { apiVersion: "apps/v1", kind: "Deployment", metadata, spec });
  world.run(world.now + 2_000);
  const edited = { ...container, env: [{ name: "V", value: "2" }] };
  put(second, ref, {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata,
    spec: {
      ...spec,
      replicas: 3,
      template: { ...template, spec: { ...template.spec, containers: [edited] } },
    },
  });
  world.run(world.now + 3_000);
  assert.ok(second.pods.size > 0);
  cut(world, [first, third], [second, leaver], false);
  world.run(world.now + 60_000);
  for (const machine of [first, second, third]) {
    assert.equal(machine.node?.view.object(ref)?.exists, true, "what the second wrote stands");
    assert.equal(machine.pods.size, 0, machine.name);
  }
});

/** Two regions of two sites; the first node, of another region, admits a newcomer to the last site. */
function admittedFromAfar() {
  const layout = evenLayout(8, 4, 2).map((site) => ({ ...site, later: 1 }));
  const world = new World(5, layout, config, new Trace(), { detail: "site", enrollers: true });
  for (const machine of world.machines) machine.startAgent();
  world.run(90_000);
  const [first] = world.machines as [Machine];
  const newcomer = world.spares.find(({ identity }) => identity.site === "site-3");
  assert.ok(newcomer);
  const record = admission(world, first, newcomer);
  enrolAt(world, first, record);
  world.run(world.now + 1_000);
  newcomer.disk.preload(introductionBy(world, first, record));
  world.spares.splice(world.spares.indexOf(newcomer), 1);
  world.machines.push(newcomer);
  const rolls: string[] = [];
  world.observers.push({
    noted: ({ name }, { reason, message }) => {
      if (reason === "VotersChanged" && message.includes("site-3")) rolls.push(`${name}: ${message}`);
    },
  });
  const mates = world.machines.filter(
    ({ identity }) => identity.site === "site-3" && identity !== newcomer.identity,
  );
  return { world, newcomer, mates, rolls };
}

test("a newcomer admitted from another region writes no first list of voters while it does not reach its site for 60 s", () => {
  const { world, newcomer, mates, rolls } = admittedFromAfar();
  cut(world, [newcomer], mates, true);
  newcomer.startAgent();
  world.run(world.now + 60_000);
  assert.equal(rolls.length, 0, rolls.join("; "));
  cut(world, [newcomer], mates, false);
  world.run(world.now + 60_000);
  for (const roll of rolls) assert.match(roll, /site-3-1/, "the list that there was goes on");
  const last = rolls.findLast((roll) => roll.startsWith(`${newcomer.name}: `)) ?? "";
  for (const { name } of [newcomer, ...mates]) assert.ok(last.includes(name), last);
});

test("of what its enroller told it of another region, a newcomer keeps who is who, and nothing else", () => {
  const { world, newcomer } = admittedFromAfar();
  newcomer.startAgent();
  world.run(world.now + 5_000);
  const foreign = newcomer.disk.frames().flatMap((bytes) => {
    const record = openStored(bytes, world.crypto);
    return record.ok && !keeps(newcomer.identity, record.value.scope) ? [record.value.key] : [];
  });
  assert.ok(foreign.length > 0);
  assert.deepEqual(
    foreign.filter((key) => !/^(roster\/member\/|node\/[0-9a-f]+\/status$)/.test(key)),
    [],
  );
});

for (const heard of [false, true]) {
  test(`whom a revoked enroller revokes afterwards, unheard of its own end, stays, ${heard ? "also where it heard of its own" : "where it did not hear of its own"}`, () => {
    const world = fleet(5, 2);
    const [enroller, victim, third, fourth, fifth] = world.machines as [
      Machine,
      Machine,
      Machine,
      Machine,
      Machine,
    ];
    runAgents(world, victim);
    const island = [enroller, victim];
    cut(world, island, [third, fourth, fifth], true);
    if (!heard) cut(world, [enroller], [victim], true);
    world.run(world.now + 5_000);
    enrolAt(world, third, revocation(world, third, enroller.identity.id));
    world.run(world.now + 1_000);
    world.depart(enroller, "revoked");
    enrolAt(world, enroller, revocation(world, enroller, victim.identity.id));
    world.run(world.now + 2_000);
    assert.equal(victim.node?.view.memberBody(victim.identity.id) === undefined, heard);
    cut(world, island, [third, fourth, fifth], false);
    cut(world, [enroller], [victim], false);
    world.run(world.now + 60_000);
    const members = world.machines.map(({ name }) => name).sort();
    for (const machine of world.machines) {
      assert.deepEqual(namesAt(machine), members, machine.name);
      assert.equal(machine.pods.size, 1, machine.name);
    }
    assert.equal(hashes(world.machines), 1);
  });
}
