import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../core/kernel/json.ts";
import { agentRef, cut, fleet, hashes, namesAt, note, noteRef, put, runAgents } from "./comings-testbed.ts";
import { admission, enrolAt, introductionBy, revocation } from "./enrolment.ts";
import type { Machine } from "./machine.ts";

/** What becomes of what somebody says, writes and admits who was revoked and has not heard of it. */

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

/** A site of which the last one is revoked: beyond a cut, it and the second do not hear of it. */
function siteOfFour() {
  const world = fleet(4, 1);
  const [first, second, third, leaver] = world.machines as [Machine, Machine, Machine, Machine];
  const revokeUnheard = (): void => {
    cut(world, [first, third], [second, leaver], true);
    world.run(world.now + 5_000);
    world.depart(leaver, "revoked");
    enrolAt(world, first, revocation(world, first, leaver.identity.id));
    world.run(world.now + 2_000);
  };
  const heal = (duration: number): void => {
    cut(world, [first, third], [second, leaver], false);
    world.run(world.now + duration);
  };
  return { world, first, second, third, leaver, revokeUnheard, heal };
}

test("what a revoked node made before its end runs on where it wrote of it since, unheard of its end", () => {
  const { world, first, second, third, leaver, revokeUnheard, heal } = siteOfFour();
  runAgents(world, leaver);
  assert.equal(second.pods.size, 1);
  revokeUnheard();
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
  heal(30_000);
  assert.deepEqual(stops, []);
  assert.equal(noteAt(second), undefined);
  assert.equal(hashes([first, second, third]), 1);
});

test("what a revoked node made after its end ends within 60 s of the heal, also where somebody scaled it", () => {
  const { world, first, second, third, leaver, revokeUnheard, heal } = siteOfFour();
  revokeUnheard();
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
  heal(60_000);
  for (const machine of [first, second, third]) {
    assert.equal(machine.node?.view.object(ref)?.exists, true, "what the second wrote stands");
    assert.equal(machine.pods.size, 0, machine.name);
  }
});

test("who leaves before it has met anybody tells its goodbye to whom it has heard of, and is no member anywhere within 60 s", () => {
  const world = fleet(4, 2, "site");
  const enroller = world.machines[0];
  const leaver = world.spares.find(({ identity }) => identity.site !== enroller?.identity.site);
  assert.ok(enroller && leaver);
  const others = world.machines.filter((machine) => machine !== enroller);
  cut(world, [enroller], others, true);
  const record = admission(world, enroller, leaver);
  enrolAt(world, enroller, record);
  world.run(world.now + 500);
  // It is told who else stands on its site, not where they are reached, and gives them time to come to it.
  const mates = others.filter(({ identity }) => identity.site === leaver.identity.site);
  const where = [
    `site/${leaver.identity.site}/`,
    `region/${leaver.identity.region}/`,
    ...mates.map(({ identity }) => `node/${identity.id}/status`),
  ];
  const told = introductionBy(world, enroller, record);
  leaver.disk.preload(told.filter(({ slot }) => !where.some((key) => slot.startsWith(key))));
  leaver.startAgent();
  world.run(world.now + 1_000);
  const knowing = (): readonly string[] =>
    world.machines
      .filter(({ node }) => node?.view.memberBody(leaver.identity.id) !== undefined)
      .map(({ name }) => name);
  assert.deepEqual(knowing(), [enroller.name]);
  assert.ok(namesAt(leaver).length > 1);
  leaver.deliver({ type: "leave", reason: "test" });
  world.run(world.now + 60_000);
  assert.deepEqual(knowing(), []);
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
