import type { Mutation } from "./mutation.ts";

/** How records spread, merge, and go. */
export const recordMutations: readonly Mutation[] = [
  {
    name: "sync: logs that do not help are listed for ever",
    file: "core/sync/compare.ts",
    from: "} else if (stuck) beginRepair(",
    to: "} else if (stuck && gives.length > 1e9) beginRepair(",
    tests: ["core/sync/sync.test.ts"],
  },
  {
    name: "sync: what was announced and does not come is not asked for",
    file: "core/sync/spread.ts",
    from: "expectNews(step, link, log);",
    to: "pushed(step, log);",
    tests: ["core/sync/late.test.ts"],
  },
  {
    name: "sync: news that are late are asked of all who told of them at once",
    file: "core/sync/late.ts",
    from: "held.askAt = env.now + (tellers.length > 0 ? pause : patienceMax);",
    to: "held.askAt = env.now + (tellers.length > 0 ? 0 * pause : patienceMax);",
    tests: ["core/sync/late.test.ts"],
  },
  {
    name: "sync: however long news take, they are asked for after the same time",
    file: "core/sync/late.ts",
    from: "return longest * 0.5 ** ((now - longestAt) / halfAfter);",
    to: "return 0 * longest * now * longestAt;",
    tests: ["core/sync/late.test.ts"],
  },
  {
    name: "sync: nodes that differ are compared again at once, however often",
    file: "core/sync/state.ts",
    from: "env.now + confirmAfter * 4 ** peer.rounds",
    to: "env.now + confirmAfter * 1 ** peer.rounds",
    tests: ["core/sync/late.test.ts"],
  },
  {
    name: "budgets: a link that has run dry takes more",
    file: "core/sync/budget.ts",
    from: "return Math.max(0, room - (step.sent.get(link) ?? 0));",
    to: "return room < 0 ? 0 : Number.POSITIVE_INFINITY;",
  },
  {
    name: "merge: what a void write replaced does not stand again",
    file: "core/intents/next-body.ts",
    from: "if (isOverwritten(claim, state)) overwritten.push(field);",
    to: "",
    tests: ["core/intents/void.test.ts"],
  },
  {
    name: "merge: what was let go of stands again with a void write",
    file: "core/intents/next-body.ts",
    from: 'claim.op === "set" && later.every(({ op, write }) => op === "set" && write.author !== claim.write.author)',
    to: 'claim.op === "set" && later.every(({ write }) => write.author !== claim.write.author)',
    tests: ["core/intents/void.test.ts"],
  },
  {
    name: "merge: an edit takes away what its author was not shown",
    file: "core/intents/update.ts",
    from: "unseen.some(({ path: part }) => within(path, part))",
    to: "unseen.length > 1e9",
    tests: ["core/intents/void.test.ts"],
  },
  {
    name: "deletions: other places need not have heard of them",
    file: "core/node/known-elsewhere.ts",
    from: "return Math.min(Number.POSITIVE_INFINITY, ...heads);",
    to: "return heads.length < 0 ? 0 : Number.POSITIVE_INFINITY;",
    tests: ["sim/comings.test.ts"],
  },
  {
    name: "deletions: a stranger brings back what was deleted while it was away",
    file: "core/node/admission.ts",
    from: "if (held === undefined && isCollected(turn, record)) return;",
    to: "",
    tests: ["sim/strangers.test.ts"],
  },
  {
    name: "deletions: members that are away are not waited for",
    file: "core/node/known-elsewhere.ts",
    from: "acks.find((ack) => ack.author === author)?.head ?? 0;",
    to: "acks.find((ack) => ack.author === author)?.head ?? Number.POSITIVE_INFINITY;",
    tests: ["sim/comings.test.ts"],
  },
];
