import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { done } from "./support/command.ts";
import { kubectlFleet } from "./support/kubectl-fleet.ts";
import { scriptContainer } from "./support/manifests.ts";
import { eventually } from "./support/poll.ts";

/** Jobs on real agents, one of which is killed in between. */

const { fleet, at, apply } = kubectlFleet(3);

const template = (script: string, restartPolicy = "Never"): object => ({
  spec: {
    runtimeClassName: "process",
    restartPolicy,
    containers: [scriptContainer(script)],
  },
});

const job = (name: string, spec: object): object => ({
  apiVersion: "batch/v1",
  kind: "Job",
  metadata: { name, namespace: "default" },
  spec,
});

async function statusOf(name: string, node = "lab-1"): Promise<{ [field: string]: unknown }> {
  const out = done(await at(node, ["get", "job", name, "-o", "json"]));
  return (JSON.parse(out) as { status: { [field: string]: unknown } }).status;
}

test("a job of one pod succeeds, is Complete for every node, and keeps its log", async () => {
  done(await apply("lab-1", job("hello", { template: template("echo index $JOB_COMPLETION_INDEX") })));
  await eventually(
    "the neighbour knows it",
    async () => (await at("lab-2", ["get", "job", "hello"])).code === 0,
  );
  const waited = await at("lab-2", ["wait", "--for=condition=complete", "job/hello", "--timeout=20s"]);
  assert.match(done(waited), /condition met/);
  assert.match(done(await at("lab-3", ["logs", "job/hello"])), /index 0/);
  assert.match(done(await at("lab-3", ["get", "job", "hello", "--no-headers"])), /hello\s+Complete\s+1\/1/);
  assert.match(done(await at("lab-3", ["describe", "job", "hello"])), /1 Succeeded/);
});

test("kubectl describe and get say why nothing of a job runs that no node can take", async () => {
  const spec = { ...(template("true") as { spec: object }).spec, nodeSelector: { disk: "tape" } };
  done(await apply("lab-1", job("nowhere", { template: { spec } })));
  await eventually("it is known", async () =>
    /FailedScheduling\s.*no pod runs for mesh\/0: no node has room \(lab-1, lab-2, lab-3: .*disk/.test(
      done(await at("lab-2", ["describe", "job", "nowhere"])),
    ),
  );
  assert.match(
    done(await at("lab-2", ["get", "job", "nowhere", "--no-headers"])),
    /nowhere\s+Waiting\s+0\/1/,
  );
  done(await at("lab-1", ["delete", "job", "nowhere"]));
});

test("a job of 6 completions, 3 at once, completes although a machine dies with some of them", async () => {
  const log = join(fleet().directory, "ran");
  // Each pod says that it has begun and that it has ended.
  const script = `echo begin $JOB_COMPLETION_INDEX >> ${log}; sleep 2; echo end $JOB_COMPLETION_INDEX >> ${log}`;
  const manifest = job("six", { completions: 6, parallelism: 3, template: template(script) });
  done(await apply("lab-1", manifest));
  const linesOf = (): string[] => readFileSync(log, "utf8").split("\n").filter(Boolean);
  await eventually("three have begun", () => linesOf().length >= 3);
  const victim = await eventually("somebody but lab-1 runs one", async () => {
    const out = done(await at("lab-1", ["get", "pods", "-l", "job-name=six", "-o", "wide", "--no-headers"]));
    return fleet().nodes.find(({ name }) => name !== "lab-1" && out.includes(name));
  });
  fleet().killMachine(victim);
  await eventually("the job is complete", async () => (await statusOf("six"))["succeeded"] === 6, 40_000);
  const ended = linesOf().filter((line) => line.startsWith("end"));
  assert.deepEqual(
    [...new Set(ended)].sort(),
    [0, 1, 2, 3, 4, 5].map((index) => `end ${index}`),
  );
  assert.equal((await statusOf("six"))["completedIndexes"], "0-5");
  const before = linesOf().length;
  await fleet().start(victim);
  await eventually("the node is back", async () => (await statusOf("six", victim.name))["succeeded"] === 6);
  assert.equal(linesOf().length, before);
});

test("a job whose pods fail more often than backoffLimit allows is Failed", async () => {
  const manifest = job("wrong", { backoffLimit: 0, template: template("echo no; exit 3") });
  done(await apply("lab-1", manifest));
  done(await at("lab-2", ["wait", "--for=condition=failed", "job/wrong", "--timeout=20s"]));
  const { failed, conditions } = await statusOf("wrong");
  assert.equal(failed, 1);
  assert.match(JSON.stringify(conditions), /BackoffLimitExceeded/);
  assert.match(done(await at("lab-1", ["logs", "job/wrong"])), /no/);
});

test("a CronJob of every minute makes one job that all nodes name alike, and refuses a time zone by name", async () => {
  const cronJob = (spec: object): object => ({
    apiVersion: "batch/v1",
    kind: "CronJob",
    metadata: { name: "tick", namespace: "default" },
    spec: { schedule: "* * * * *", jobTemplate: { spec: { template: template("echo tick") } }, ...spec },
  });
  const refused = await apply("lab-1", cronJob({ timeZone: "Europe/Oslo" }));
  assert.match(refused.err, /timeZone/);
  done(await apply("lab-1", cronJob({})));
  const name = await eventually(
    "a run is complete",
    async () => {
      const out = done(await at("lab-2", ["get", "jobs", "--no-headers"]));
      return /(tick-\d+)\s+Complete/.exec(out)?.[1];
    },
    80_000,
  );
  assert.match(
    done(await at("lab-3", ["get", "job", name, "-o", "jsonpath={.metadata.ownerReferences[0].name}"])),
    /^tick$/,
  );
  assert.match(done(await at("lab-3", ["logs", `job/${name}`])), /^tick$/m);
  const status = await at("lab-1", ["get", "cronjob", "tick", "--no-headers"]);
  assert.match(done(status), /tick\s+\* \* \* \* \*\s+UTC\s+False\s+0\s+\d+s/);
  const kept = await at("lab-1", ["delete", "job", name]);
  assert.match(kept.err, /made by a CronJob/);
});
