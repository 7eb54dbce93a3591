import type { Mutation } from "./mutation.ts";

/** Who is there, by which way, and what is held of those who are not. */
export const membershipMutations: readonly Mutation[] = [
  {
    name: "away: who says that it restarts is lost like any other",
    file: "core/membership/judge.ts",
    from: "const linked = peer.links.size > 0 || now < peer.awayUntil;",
    to: "const linked = peer.links.size > 0;",
    tests: ["sim/stopped-agents.test.ts"],
  },
  {
    name: "away: who says that it restarts is waited for without end",
    file: "core/membership/restarts.ts",
    from: "peer.awayUntil = now + Math.min(duration, awayMax);",
    to: "peer.awayUntil = now + 1_000 * duration;",
    tests: ["sim/stopped-agents.test.ts"],
  },
  {
    name: "away: a restart of a day is believed",
    file: "core/membership/restarts.ts",
    from: "peer.awayUntil = now + Math.min(duration, awayMax);",
    to: "peer.awayUntil = now + duration;",
    tests: ["core/membership/restarts.test.ts"],
  },
  {
    name: "verdicts: one witness of several is believed",
    file: "core/membership/verdicts.ts",
    from: "const witnessesMin = 2;",
    to: "const witnessesMin = 1;",
    tests: ["core/membership/verdicts.test.ts"],
  },
  {
    name: "verdicts: silence is death",
    file: "core/membership/verdicts.ts",
    from: 'verdicts.set(id, dead ? "dead" : "unreachable");',
    to: 'verdicts.set(id, dead || mates.length > 1 ? "dead" : "unreachable");',
  },
  {
    name: "verdicts: what a lost peer said of others counts when it comes back",
    file: "core/membership/judge.ts",
    from: "state.reports.delete(id);\n      lost = true;",
    to: "lost = true;",
    tests: ["core/membership/one-machine.test.ts"],
  },
  {
    name: "verdicts: an end that was seen before a restart still kills",
    file: "core/membership/judge.ts",
    from: "forgetEnd(peer);\n",
    to: "",
    tests: ["core/membership/one-machine.test.ts"],
  },
  {
    name: "health: a node that stood still blames the others",
    file: "core/membership/health.ts",
    from: "noticeLag(state, by, now);",
    to: "",
    tests: ["core/membership/one-machine.test.ts", "sim/busy-site.test.ts"],
  },
  {
    name: "paths: the end of a relayed link proves the peer's death",
    file: "core/membership/paths.ts",
    from: 'return end === "closed" && isRelayed(state, link) ? "silent" : end;',
    to: "return isRelayed(state, link) ? end : end;",
    tests: ["core/membership/paths.test.ts"],
  },
  {
    name: "paths: a relayed link is told to others as one of our own",
    file: "core/membership/paths.ts",
    from: "active === undefined ? now < awayUntil : !isRelayed(state, active),",
    to: "active === undefined ? now < awayUntil : true,",
    tests: ["core/membership/paths.test.ts"],
  },
  {
    name: "paths: who ends every link at once is dialled as before",
    file: "core/membership/paths.ts",
    from: "Math.max(redialAt, pausedUntil);",
    to: "Math.max(redialAt, 0 * pausedUntil);",
    tests: ["core/membership/protocol.test.ts"],
  },
  {
    name: "paths: a request waits on a dead way until its time is up",
    file: "shells/transport-http2/forward.ts",
    from: "setInterval(() => void session.answers(), lookEveryMs)",
    to: "setInterval(() => undefined, lookEveryMs)",
    tests: ["shells/transport-http2/dead-way.test.ts"],
  },
];
