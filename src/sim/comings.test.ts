import assert from "node:assert/strict";
import { test } from "node:test";
import type { WriteReply } from "../core/node/contract.ts";
import { keeps } from "../core/records/scope.ts";
import { openStored } from "../core/records/seal.ts";
import { config, cut, fleet, hashes, namesAt, note, noteRef, put, runAgents } from "./comings-testbed.ts";
import { admission, enrolAt, introductionBy, revocation } from "./enrolment.ts";
import type { Machine } from "./machine.ts";
import { evenLayout } from "./run-seed.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

/** What becomes of members that come and go; for those who were revoked and have not heard of it, see unheard-ends.test.ts. */

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

for (const place of ["site", "region"] as const)
  test(`a newcomer admitted from another region writes no first list of voters while it does not reach its ${place} for 60 s`, () => {
    const { world, newcomer, mates, rolls } = admittedFromAfar();
    const outOfReach = world.machines.filter(
      (machine) => machine !== newcomer && machine.identity[place] === newcomer.identity[place],
    );
    cut(world, [newcomer], outOfReach, true);
    newcomer.startAgent();
    world.run(world.now + 60_000);
    assert.equal(rolls.length, 0, rolls.join("; "));
    cut(world, [newcomer], outOfReach, false);
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
