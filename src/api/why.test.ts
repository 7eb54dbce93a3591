import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Json, JsonObject } from "../core/kernel/json.ts";
import { at, createApiBed, running, type ApiBed } from "./testbed.ts";

/** Placement explained and foreseen, and places explained; more of both in access.test.ts. */

let bed: ApiBed;
before(async () => {
  bed = await createApiBed("access", { region: "eu.no" });
});
after(() => bed.close());

const deployments = "/apis/apps/v1/namespaces/default/deployments";
const call: ApiBed["call"] = (...args) => bed.call(...args);

/** A job that this node's runtime can run. */
function job(name: string, more: JsonObject = {}): JsonObject {
  const template = at(running(name, 1), "spec.template") as JsonObject;
  const spec = { ...(template["spec"] as JsonObject), restartPolicy: "Never" };
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name },
    spec: { template: { ...template, spec }, ...more },
  };
}

test("why and why-not tell of a Job; why of a site and its region; of what has no pods, what why takes", async () => {
  const created = await call("POST", "/apis/batch/v1/namespaces/default/jobs", job("sum"));
  assert.equal(created.status, 201, created.text);
  const told = await call("GET", "/starlight/v1/why?kind=Job&name=sum");
  assert.equal(at(told.body, "slots.0.slot"), "mesh/0");
  const kept = await call("GET", "/starlight/v1/why-not?kind=Job&name=sum&node=access");
  assert.equal(at(kept.body, "slots.0.slot"), "mesh/0");
  const { site } = at((await call("GET", "/starlight/v1/status")).body, "speaking") as JsonObject;
  const place = await call("GET", `/starlight/v1/why?kind=Site&name=${String(site)}`);
  assert.deepEqual([at(place.body, "place.nodes"), at(place.body, "place.ready")], [1, 1]);
  const around = await call("GET", `/starlight/v1/why?kind=Region&name=eu`);
  assert.equal(at(around.body, "place.parts.0.name"), site);
  const absent = await call("GET", "/starlight/v1/why?kind=Site&name=absent");
  assert.equal(absent.status, 404);
  assert.match(absent.text, new RegExp(`nothing is known of site/absent; there are ${String(site)}`));
  const cron = await call("GET", "/starlight/v1/why?kind=CronJob&name=sum");
  assert.match(cron.text, /kind CronJob: it has no pods of its own; name one of its Jobs/);
  const map = await call("GET", "/starlight/v1/why?kind=ConfigMap&name=sum");
  assert.match(map.text, /kind ConfigMap: .*`why` also takes a Node, Site or Region/);
});

test("plan says where a set would run and what would wait, with a site gone too, and applies nothing", async () => {
  const objects = [running("planned", 2)];
  const slots = async (more: object): Promise<Json | undefined> => {
    const { body } = await call("POST", "/starlight/v1/plan", { objects, ...more });
    const views = body["views"] as readonly { as: string; slots: readonly Json[] }[];
    return views.map(({ as, slots }) => [
      as,
      ...slots
        .filter((slot) => at(slot, "workload.name") === "planned")
        .map((slot) => `${String(at(slot, "slot"))} ${String(at(slot, "outcome"))}`),
    ]);
  };
  assert.deepEqual(await slots({}), [["all", "mesh/0 starts", "mesh/1 starts"]]);
  const site = String(at((await call("GET", "/starlight/v1/status")).body, "speaking.site"));
  assert.deepEqual(await slots({ without: site }), [[`without ${site}`, "mesh/0 waits", "mesh/1 waits"]]);
  assert.deepEqual(await slots({ without: "region=eu" }), [
    ["without region eu", "mesh/0 waits", "mesh/1 waits"],
  ]);
  const absent = await call("POST", "/starlight/v1/plan", { objects, cutOff: "region=us" });
  assert.equal(absent.status, 400);
  assert.match(absent.text, /cutOff: no region in view is called .*us.*there are eu, eu\.no; give site=NAME/);
  assert.equal((await call("GET", `${deployments}/planned`)).status, 404);
});

test("plan of a Job has its pods that start at once; of a CronJob and of those that start later it says what it does not foresee", async () => {
  const plan = async (...objects: readonly JsonObject[]): Promise<readonly [unknown, unknown]> => {
    const { body, text } = await call("POST", "/starlight/v1/plan", { objects: [...objects] });
    assert.ok(Array.isArray(body["views"]), text);
    const slots = at(body, "views.0.slots") as readonly JsonObject[];
    const named = slots.filter((slot) => String(at(slot, "workload.kind")) === "Job");
    return [named.map((slot) => `${String(slot["slot"])} ${String(slot["outcome"])}`), body["notes"]];
  };
  assert.deepEqual(await plan(job("count")), [["mesh/0 starts"], []]);
  assert.deepEqual(await plan(job("count", { completions: 5, parallelism: 2 })), [
    ["mesh/0 starts", "mesh/1 starts"],
    ["job/count: 5 pods, 2 at a time; where those run that start later is not foreseen"],
  ]);
  assert.deepEqual(await plan(job("count", { suspend: true })), [
    [],
    ["job/count: wants no pod now, it is suspended"],
  ]);
  const cronJob = {
    apiVersion: "batch/v1",
    kind: "CronJob",
    metadata: { name: "nightly" },
    spec: { schedule: "0 3 * * *", jobTemplate: { spec: job("nightly")["spec"] as JsonObject } },
  };
  assert.deepEqual(await plan(cronJob), [
    [],
    ['cronjob/nightly: its Jobs are placed when they start, by "0 3 * * *"; not foreseen here'],
  ]);
});

test("plan of a site that is gone says that no node of it is in reach, and not that none has room", async () => {
  const { site } = at((await call("GET", "/starlight/v1/status")).body, "speaking") as { site: string };
  const annotations = { "starlight.dev/placement": "perSite", "starlight.dev/sites": `name=${site}` };
  const gone = { ...running("local", 1), metadata: { name: "local", annotations } };
  const { body } = await call("POST", "/starlight/v1/plan", { objects: [gone], without: `site=${site}` });
  assert.equal(at(body, "views.0.slots.0.why"), `no node of site ${site} is in reach`);
});
