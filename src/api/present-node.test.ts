import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout as passed } from "node:timers/promises";
import { at, createApiBed } from "./testbed.ts";

const from = Date.now();
const bed = await createApiBed("conditions");
const until = Date.now();
after(() => bed.close());

test("asked 3 s later, a node is Ready and has room on its disk since its agent started, as before", async () => {
  const changed = async (): Promise<readonly (readonly [string, number])[]> => {
    const { body } = await bed.call("GET", "/api/v1/nodes/conditions");
    const conditions = at(body, "status.conditions") as readonly { [field: string]: string }[];
    return conditions
      .filter(({ type }) => type === "Ready" || type === "DiskPressure")
      .map(({ type = "", lastTransitionTime = "" }) => [type, Date.parse(lastTransitionTime)]);
  };
  await passed(3_000);
  const told = await changed();
  assert.deepEqual(
    told.map(([type]) => type),
    ["Ready", "DiskPressure"],
  );
  // Times are told in whole seconds.
  for (const [type, time] of told)
    assert.ok(time >= from - 1_000 && time <= until, `${type}: ${time - from} ms after the start`);
});
