import type { Mutation } from "./mutation.ts";

/** Leases alone; what a broken one does takes many storms to come about. */
const leaseStorms = ["--leases", "--seeds", "150", "--storm-s", "180", "--calm-s", "120"];

/** Who may hold what, and when the list of voters may change. */
export const leaseMutations: readonly Mutation[] = [
  {
    name: "leases: half of the voters are enough",
    file: "core/leases/state.ts",
    from: "Math.floor(roll.voters.length / 2) + 1",
    to: "Math.max(1, Math.floor(roll.voters.length / 2))",
    flags: leaseStorms,
  },
  {
    name: "leases: voters promise for less than a lease",
    file: "sim/lease-storm.ts",
    from: "promiseFor = 10_450",
    to: "promiseFor = 6_000",
    flags: leaseStorms,
  },
  {
    name: "leases: a restarted voter forgets how long its promises stand",
    file: "core/leases/create-leases.ts",
    from: "const until = now + state.config.promiseFor;",
    to: "const until = now;",
    flags: leaseStorms,
  },
  {
    name: "leases: a voter that lost its disk votes on",
    file: "core/leases/state.ts",
    from: "left.id === right.id && left.memory === right.memory",
    to: "left.id === right.id && left.memory !== right.id",
    flags: leaseStorms,
  },
  {
    name: "leases: a promise to another does not count",
    file: "core/leases/voter.ts",
    from: "!ours && env.now < held.until",
    to: "!ours && env.now < held.until - 1e9",
    flags: leaseStorms,
  },
  {
    name: "leases: a roll is changed at once when most voters stand by nothing from before",
    file: "core/leases/holder.ts",
    from: "attempt.clear.size === roll.voters.length",
    to: "2 * attempt.clear.size > roll.voters.length",
    tests: ["core/leases/roll-changes.test.ts"],
  },
  {
    name: "leases: a promise made anew under a later roll forgets the earlier one",
    file: "core/leases/voter.ts",
    from: "stands ? held.number : (book.roll?.number ?? 0)",
    to: "book.roll?.number ?? 0",
    tests: ["core/leases/roll-changes.test.ts"],
  },
  {
    name: "leases: what was promised before the roll does not keep the next one back",
    file: "core/leases/voter.ts",
    from: "number < roll.number && now < until",
    to: "number < 0 && now < until",
    flags: leaseStorms,
  },
  {
    name: "leases: a late answer gives back what has ended",
    file: "core/leases/create-leases.ts",
    from: "      lapseOfTime(turn);\n",
    to: "",
    tests: ["core/leases/roll-changes.test.ts"],
  },
  {
    name: "leases: a site is founded anew while the last holder may still run",
    file: "core/leases/rolls.ts",
    from: "ended === 0 ? 0 : config.promiseFor",
    to: "ended === 0 ? 0 : 0 * config.promiseFor",
    flags: leaseStorms,
  },
  {
    name: "leases: who was heard to go by the roll is forgotten with a restart",
    file: "core/leases/create-leases.ts",
    from: "for (const id of row.confirmed) book.confirmed.add(id);",
    to: "",
    tests: ["core/leases/foundings.test.ts"],
  },
  {
    name: "leases: of two foundings both stand",
    file: "core/leases/rolls.ts",
    from: "if (known !== undefined && isForeign) endAllOf",
    to: "if (known === undefined && !isForeign) endAllOf",
    flags: leaseStorms,
  },
  {
    name: "leases: who has heard of a roll does not stamp above it",
    file: "sim/lease-node.ts",
    from: "this.observe(stampOf(roll));",
    to: "void stampOf(roll);",
    flags: leaseStorms,
  },
  {
    name: "leases: a roll of those who have gone stands for ever",
    file: "core/leases/rolls.ts",
    from: "!roll.voters.some(({ id }) => members.has(id))",
    to: "members.size < 0",
    flags: leaseStorms,
  },
  {
    name: "leases: an exclusive slot is claimed without one",
    file: "core/node/placing.ts",
    from: "else if (!needsLease || lease !== undefined) {",
    to: "else if (due <= env.now) {",
  },
  {
    name: "leases: who has gone votes on",
    file: "core/node/electorates.ts",
    from: "const members = membersOf(index);",
    to: "const members = [...index.memberById.keys()].sort();",
  },
  {
    name: "leases: who does not vote by a roll says that it goes by it, too",
    file: "core/leases/rolls.ts",
    from: "if (roll === undefined || !votesIn(turn.state, roll)) return;",
    to: "if (roll === undefined || !turn.state.memoryStored) return;",
    tests: ["core/leases/roll-changes.test.ts"],
  },
  {
    name: "leases: each voter that goes by a roll is written down alone",
    file: "core/leases/rolls.ts",
    from: "const noteAfter = 1_000;",
    to: "const noteAfter = 5;",
    tests: ["core/leases/roll-changes.test.ts"],
  },
];
