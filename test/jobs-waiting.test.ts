import assert from "node:assert/strict";
import { test } from "node:test";
import { presentObject } from "../src/api/present.ts";
import { findResource } from "../src/api/resources.ts";
import { tableOf } from "../src/api/tables.ts";
import { at } from "../src/api/testbed.ts";
import { why } from "../src/api/why.ts";
import type { JsonObject } from "../src/core/kernel/json.ts";
import { fleet, job, podTemplate } from "../src/sim/jobs-testbed.ts";
import { apiOf } from "./support/sim-api.ts";

/** What the API says of Jobs of which nothing runs, and of those that each site runs. */

const ref = { group: "batch", kind: "Job", namespace: "default", name: "work" } as const;

function seenBy({ first, write }: ReturnType<typeof fleet>, value: JsonObject, run: () => void) {
  write(value);
  run();
  const view = first.node?.view;
  const object = view?.object(ref);
  assert.ok(view !== undefined && object !== undefined);
  const deps = apiOf(first);
  const shown = presentObject(object, view);
  const resource = findResource("batch", "v1", "jobs");
  const events = findResource("", "v1", "events")?.list(deps) ?? [];
  assert.ok(resource !== undefined);
  const { rows } = tableOf(resource, [shown], "1", "None", "v1") as unknown as {
    readonly rows: readonly { readonly cells: readonly unknown[] }[];
  };
  const told = why(deps, new URLSearchParams({ kind: "Job", name: "work" }));
  return { shown, cells: rows[0]?.cells ?? [], events, message: told["message"], object };
}

test("a Job that fits on none of 3 nodes says so with what each lacks: in its conditions, in an event that kubectl describe finds, and in why", () => {
  const big = at(podTemplate, "spec.containers.0") as JsonObject;
  const containers = [{ ...big, resources: { requests: { "example.org/camera": 2 } } }];
  const template = { ...podTemplate, spec: { ...(podTemplate["spec"] as JsonObject), containers } };
  const all = fleet();
  const { shown, cells, events, message, object } = seenBy(all, job({ template }), () =>
    all.world.run(all.world.now + 20_000),
  );
  const expected =
    "no pod runs for mesh/0: no node has room (oslo-1, oslo-2, oslo-3: example.org/camera: wants 2, 0 are free)";
  const [condition] = at(shown, "status.conditions") as readonly JsonObject[];
  assert.deepEqual(
    [condition?.["type"], condition?.["reason"], condition?.["message"]],
    ["Degraded", "NoRoom", expected],
  );
  assert.equal(message, expected);
  assert.deepEqual(cells.slice(0, 3), ["work", "Waiting", "0/1"]);
  const [event] = events;
  assert.deepEqual(
    [event?.["type"], event?.["reason"], event?.["message"]],
    ["Warning", "FailedScheduling", expected],
  );
  assert.deepEqual(at(event, "involvedObject"), {
    apiVersion: "batch/v1",
    kind: "Job",
    name: "work",
    namespace: "default",
    uid: object.uid,
  });
});

test("a Job for sites that there are none of says that no site matches, and a suspended one that it is suspended", () => {
  const annotations = { "starlight.dev/placement": "perSite", "starlight.dev/sites": "name=mars" };
  const none = fleet();
  const nowhere = seenBy(none, job({}, annotations), () => none.world.run(none.world.now + 20_000));
  assert.equal(nowhere.message, "no site in view matches name=mars");
  assert.equal(at(nowhere.shown, "status.conditions.0.reason"), "NoSite");
  assert.equal(nowhere.events.length, 1);
  const held = fleet();
  const suspended = seenBy(held, job({ suspend: true }), () => held.world.run(held.world.now + 20_000));
  assert.equal(suspended.message, "it is suspended: nothing runs until spec.suspend is false");
  assert.deepEqual(suspended.events, []);
});

test("a Job of 2 completions in each of 2 sites has 4 of 4 completions once all are done, and neither condition nor event of waiting", () => {
  const all = fleet([
    { site: "oslo", region: "north", nodes: 2 },
    { site: "bern", region: "south", nodes: 1 },
  ]);
  const annotations = { "starlight.dev/placement": "perSite" };
  const { cells } = seenBy(all, job({ completions: 2, parallelism: 2 }, annotations), () =>
    all.world.run(all.world.now + 20_000),
  );
  assert.deepEqual(cells.slice(0, 3), ["work", "Running", "0/4"]);
  for (const pod of all.running()) all.end(pod);
  const ended = seenBy(all, job({ completions: 2, parallelism: 2 }, annotations), () =>
    all.world.run(all.world.now + 20_000),
  );
  assert.deepEqual(ended.cells.slice(0, 3), ["work", "Complete", "4/4"]);
  assert.equal(ended.message, "it has ended: Complete, CompletionsReached");
  assert.deepEqual(ended.events, []);
});
