import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { leaseMutations } from "./mutants/leases.ts";
import { membershipMutations } from "./mutants/membership.ts";
import type { Mutation } from "./mutants/mutation.ts";
import { nodeMutations } from "./mutants/node.ts";
import { recordMutations } from "./mutants/records.ts";
import { regionMutations } from "./mutants/regions.ts";

/**
 * Breaks the code on purpose, one rule at a time, and sees whether the simulator or the tests named notice: a
 * check that lets a broken rule pass is worth nothing. `npm run mutate`; exits 1 when a mutation survives.
 */

const mutations: readonly Mutation[] = [
  ...leaseMutations,
  ...membershipMutations,
  ...nodeMutations,
  ...recordMutations,
  ...regionMutations,
  {
    name: "placement: what is taken over is claimed without a look at the room",
    file: "core/node/placing.ts",
    from: "else if (!state.planner.takes(taken, requests)) waiting",
    to: "else if (taken.length > 1e9) waiting",
    tests: ["sim/scarcity.test.ts"],
  },
  {
    name: "placement: nobody ends for a higher priority",
    file: "core/placement/preempt.ts",
    from: "if (!workload.preempts || !someLower(",
    to: "if (workload.preempts || !someLower(",
    tests: ["core/placement/scarcity.test.ts"],
  },
  {
    name: "placement: a smaller variant is never left",
    file: "core/placement/standing.ts",
    from: "return at.now + Math.max(0, wallOf(pod.claimedAt) + variantHold - at.wall);",
    to: "return at.now + Math.max(0, wallOf(pod.claimedAt) + 1e9 * variantHold - at.wall);",
    flags: ["--seeds", "10", "--nodes", "8", "--storm-s", "60", "--calm-s", "150"],
  },
  {
    name: "placement: copies stay with a node that has struck them off",
    file: "core/node/strikes.ts",
    from: "if (budget === 0 || spent <",
    to: "if (budget >= 0 || spent <",
  },
  {
    name: "jobs: what is done goes with the pod that did it",
    file: "core/node/job-ends.ts",
    from: "publishJob(turn, uid, { ...held, done, at: wall });",
    to: "publishJob(turn, uid, { ...held, at: wall });",
  },
  {
    name: "jobs: what is done of a job that has gone by one clock is forgotten",
    file: "core/node/feed-jobs.ts",
    from: "const uids = new Set(writtenJobs(state).map(({ uid }) => uid));",
    to: "const uids = new Set<string>();",
  },
  {
    name: "jobs: Forbid forbids nothing",
    file: "core/node/cron-jobs.ts",
    from: '!(policy === "Forbid" && active.length > 0)',
    to: '!(policy === "Forbid" && active.length > 1e9)',
    tests: ["sim/jobs.test.ts"],
  },
  {
    name: "memory: the pod of the highest priority goes first",
    file: "core/node/reclaim.ts",
    from: "left.priority - right.priority ||",
    to: "right.priority - left.priority ||",
  },
  {
    name: "durability: what is on its way to the disk counts as held",
    file: "core/node/held.ts",
    from: "progress.next.ticket <= stored",
    to: "progress.next.ticket <= stored + 1_000_000",
  },
  {
    name: "durability: what the disk refused counts as stored",
    file: "core/node/durable.ts",
    from: "if (unstored.size > 0 || storing.has(storingAgain)) return -1;",
    to: "if (unstored.size > 1e9 || storing.has(storingAgain)) return -1;",
  },
  {
    name: "merge: of two writes the older wins",
    file: "core/intents/state.ts",
    from: "return compareWrites(claim.write, other.write) > 0;",
    to: "return compareWrites(claim.write, other.write) < 0;",
  },
  {
    name: "merge: the larger author wins, whatever the time",
    file: "core/intents/life.ts",
    from: "if (left.version !== right.version) return left.version - right.version;",
    to: "",
  },
  {
    name: "merge: fields of one writer hide those of the others",
    file: "core/intents/state.ts",
    from: "claims.push(...claimsOf(kind.schema, entry, own));",
    to: "if (claims.length === 0) claims.push(...claimsOf(kind.schema, entry, own));",
  },
  {
    name: "authorisation: any member may write the facts of another",
    file: "core/trust/authorise.ts",
    from: "return parts.node === record.author ? undefined : forged(",
    to: "return parts.node.length > 0 ? undefined : forged(",
  },
  {
    name: "authorisation: any member may end a membership",
    file: "core/trust/authorise.ts",
    from: "if (record.author !== parts.node && !mayEnrol(record.author, trust)) {",
    to: "if (false as boolean) {",
  },
  {
    name: "authorisation: any member may enrol",
    file: "core/trust/authorise.ts",
    from: 'return author === trust.root.id || holds(author, "enrol", trust);',
    to: "return author.length > 0 || trust.root.id === author;",
  },
  {
    name: "authorisation: signatures are not checked",
    file: "core/trust/authorise.ts",
    from: "if (!sealHolds(record, publicKey, crypto))",
    to: "if (!sealHolds(record, publicKey, crypto) && record.frame.length === 0)",
  },
  {
    name: "placement: every node believes it is first in line",
    file: "core/placement/plan.ts",
    from: "after: rank * state.config.claimDelay,",
    to: "after: 0 * state.config.claimDelay,",
    tests: ["sim/busy-site.test.ts"],
  },
  {
    name: "roster: what came before the end of its author's membership was known stays",
    file: "core/node/admission.ts",
    from: "dropWhere(turn, (record) => record.author === author && endsWith(record, end));",
    to: "dropWhere(turn, (record) => record.author === author && endsWith(record, end + 1e15));",
  },
  {
    name: "roster: what is written after the end of a membership counts",
    file: "core/trust/authorise.ts",
    from: "return version > gone || (kind",
    to: "return (kind",
  },
  {
    name: "roster: whom a revoked enroller admitted stays",
    file: "core/node/admission.ts",
    from: "if (strangers.length > 0) dropWhere",
    to: "if (strangers.length > 1e9) dropWhere",
    tests: ["sim/unheard-ends.test.ts"],
  },
  {
    name: "roster: facts of who has gone are kept",
    file: "core/trust/authorise.ts",
    from: '(kind === "fact" && (!stands || body.length === 0))',
    to: '(kind === "fact" && !stands && body.length < 0)',
  },
  {
    name: "roster: who is out of reach is forgotten",
    file: "core/node/view.ts",
    from: "members: () => membersOf(index).flatMap(",
    to: 'members: () => membersOf(index).filter((id) => state.membership.evidence(id)?.verdict !== "dead").flatMap(',
    tests: ["sim/stopped-agents.test.ts"],
  },
  {
    name: "roster: who has left goes on with what it runs",
    file: "core/node/placing.ts",
    from: 'for (const uid of state.pods.keys()) stopPod(turn, uid, "left"',
    to: 'for (const uid of [...state.pods.keys()].slice(0, 0)) stopPod(turn, uid, "left"',
    tests: ["sim/comings.test.ts"],
  },
  {
    name: "eviction: a copy that is to go ends at once",
    file: "core/placement/plan.ts",
    from: 'if (isReplaced) stop(planning, pod, "evicted"',
    to: 'if (live.length > 0) stop(planning, pod, "evicted"',
    tests: ["core/placement/evict.test.ts"],
  },
  {
    name: "eviction: a copy that is to go stays",
    file: "core/node/evict.ts",
    from: "pod.body = { ...pod.body, yields: true };",
    to: "",
    tests: ["sim/pressure.test.ts"],
  },
  {
    name: "tombstones: those who have gone are waited for",
    file: "core/node/tombstones.ts",
    from: "if (id === state.identity.id || !isMember(state.index, id) || !keeps(body, log.scope)) continue;",
    to: "if (id === state.identity.id || !keeps(body, log.scope)) continue;",
  },
  {
    name: "tombstones: nobody is waited for",
    file: "core/node/tombstones.ts",
    from: "upTo = Math.min(upTo, ack?.head ?? 0);",
    to: "upTo = Math.min(upTo, Math.max(upTo, ack?.head ?? 0));",
    tests: ["sim/graves.test.ts"],
  },
  {
    name: "tombstones: a deletion is buried before all have heard of it",
    file: "core/node/graves.ts",
    from: "if (due.length === 0 || !knownToAll(turn, records)) continue;",
    to: "if (due.length === 0 || (!knownToAll(turn, records) && due.length > 1e9)) continue;",
    tests: ["sim/graves.test.ts"],
  },
  {
    name: "placement: surplus copies stay",
    file: "core/placement/plan.ts",
    from: "if (keep === undefined || losers.length === 0) continue;",
    to: "if (keep === undefined || losers.length >= 0) continue;",
  },
  {
    name: "placement: each copy thinks the other one is to stay",
    file: "core/placement/plan.ts",
    from: 'for (const pod of losers) stop(planning, pod, "surplus"',
    to: 'for (const pod of reachable) stop(planning, pod, "surplus"',
  },
  {
    name: "placement: a node out of reach is dead at once",
    file: "core/placement/filter.ts",
    from: "now - node.verdictSince >= patienceWith(node, policy)",
    to: "now - node.verdictSince >= 0 * patienceWith(node, policy)",
  },
  {
    name: "placement: old revisions end before the new one is ready",
    file: "core/placement/plan.ts",
    from: "  if (ready.length > 0) {\n    if (!ready.some",
    to: "  if (old.length > 0) {\n    if (ready.length > 0 && !ready.some",
  },
  {
    name: "clock: stamps seen from others do not move ours",
    file: "core/kernel/hybrid-clock.ts",
    from: "if (version > clock.last) clock.last = version;",
    to: "if (version < 0) clock.last = version;",
  },
  {
    name: "disk: a write is acknowledged before it is stored",
    file: "sim/disk.ts",
    from: "this.#underWay.push(transaction);",
    to: "this.#underWay.push(transaction);\n    if (!this.full) return done(undefined);",
  },
  {
    name: "agent: what runs after a restart is not adopted",
    file: "sim/machine.ts",
    from: "const adopted = [...this.pods.values()].map((pod) => reportOf(pod));",
    to: "const adopted: PodReport[] = [];",
  },
];

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({
  options: { seeds: { type: "string", default: "10" }, only: { type: "string", default: "" } },
});
const chosen = mutations.filter(({ name }) => name.includes(values.only));
const survivors: string[] = [];
const queue = [...chosen];
const sources = mkdtempSync(join(tmpdir(), "starlight-mutations-"));
// As they are now: whoever goes on working meanwhile changes nothing of what is tried.
cpSync(join(here, "../src"), sources, { recursive: true });
try {
  for (const mutation of mutations) mustFit(mutation);
  await mustPass([...new Set(chosen.flatMap(({ tests = [] }) => tests))]);
  await Promise.all([worker(), worker()]);
} finally {
  rmSync(sources, { recursive: true, force: true });
}
process.stdout.write(`${chosen.length - survivors.length} of ${chosen.length} mutations noticed\n`);
process.exitCode = survivors.length === 0 ? 0 : 1;

/** A mutation of code that has moved on would end a long run, or prove nothing. */
function mustFit({ name, file, from, tests = [] }: Mutation): void {
  const places = readFileSync(join(sources, file), "utf8").split(from).length - 1;
  if (places !== 1) throw new Error(`${name}: ${places} places in ${file} read: ${from}`);
  const missing = tests.find((test) => !existsSync(join(sources, test)));
  if (missing !== undefined) throw new Error(`${name}: there is no ${missing}`);
}

/** Tests that fail anyway notice nothing. */
async function mustPass(tests: readonly string[]): Promise<void> {
  if (tests.length === 0) return;
  const failure = await withSources((folder) =>
    complaintOf(["--test", "--test-reporter=tap"], tests, folder),
  );
  if (failure !== undefined) throw new Error(`without any mutation: ${failure}`);
}

async function worker(): Promise<void> {
  for (let mutation = queue.shift(); mutation !== undefined; mutation = queue.shift()) {
    const verdict = await trial(mutation);
    if (verdict === undefined) survivors.push(mutation.name);
    process.stdout.write(`${verdict === undefined ? "SURVIVED" : "noticed "}  ${mutation.name}\n`);
    if (verdict !== undefined) process.stdout.write(`            ${verdict}\n`);
  }
}

/** The first violation that the mutated code shows; undefined when it shows none. */
async function trial({ file, from, to, tests, flags = [] }: Mutation): Promise<string | undefined> {
  return withSources((folder) => {
    const target = join(folder, file);
    writeFileSync(
      target,
      readFileSync(target, "utf8").replace(from, () => to),
    );
    if (tests !== undefined) return complaintOf(["--test", "--test-reporter=tap"], tests, folder);
    const usual = ["--seeds", values.seeds, "--nodes", "8", "--storm-s", "60", "--calm-s", "60"];
    // Of a flag that is given twice the last one counts.
    return complaintOf([], ["sim/main.ts"], folder, [...usual, ...flags, "--until-failed"]);
  });
}

/** A copy of the sources that may be changed. */
async function withSources<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "starlight-mutation-"));
  try {
    cpSync(sources, join(folder, "src"), { recursive: true });
    symlinkSync(join(here, "../node_modules"), join(folder, "node_modules"));
    writeFileSync(join(folder, "package.json"), '{"type":"module"}');
    return await use(join(folder, "src"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The first violation of a seed, or the first test that fails; undefined when all is well. */
async function complaintOf(
  flags: readonly string[],
  files: readonly string[],
  folder: string,
  args: readonly string[] = [],
): Promise<string | undefined> {
  const paths = files.map((file) => join(folder, file));
  try {
    const all = ["--disable-warning=ExperimentalWarning", ...flags, ...paths, ...args];
    await promisify(execFile)(process.execPath, all, { maxBuffer: 2 ** 28 });
    return undefined;
  } catch (error) {
    const { stdout, message } = error as Error & { stdout?: string };
    if (stdout === undefined) throw error;
    const lines = stdout.split("\n");
    const first = lines.find((line) => line.startsWith("seed ") || line.trim().startsWith("not ok"));
    return first ?? message.split("\n").at(-2) ?? message;
  }
}
