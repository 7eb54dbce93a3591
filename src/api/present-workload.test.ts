import assert from "node:assert/strict";
import { after, test } from "node:test";
import { at, createApiBed, deployment } from "./testbed.ts";

const bed = await createApiBed("within", { region: "eu.de.south" });
after(() => bed.close());
const deployments = "/apis/apps/v1/namespaces/default/deployments";

test("the status of a Deployment counts 2 copies in a site whose region is, or stands in, the selected one", async () => {
  const said = async (name: string, sites: string): Promise<string> => {
    const annotations = { "starlight.dev/placement": "perSite", "starlight.dev/sites": sites };
    const object = deployment(name, 2);
    const sent = { ...object, metadata: { name, annotations } };
    const { status, text } = await bed.call("POST", deployments, sent);
    assert.equal(status, 201, text);
    const { body } = await bed.call("GET", `${deployments}/${name}`);
    return String(at(body, "status.conditions.0.message"));
  };
  assert.match(await said("outer", "region=eu"), /^0 of 2 copies are ready/);
  assert.match(await said("listed", "region in (us,eu.de)"), /^0 of 2 copies are ready/);
  assert.match(await said("own", "region=eu.de.south"), /^0 of 2 copies are ready/);
  assert.match(
    await said("inner", "region=eu.de.south.city"),
    /^no site in view matches region=eu\.de\.south\.city$/,
  );
  assert.match(await said("longer", "region=e"), /^no site in view matches region=e$/);
});

test("a Deployment for a region without sites has 0 of 2 copies, is not Available, and status, why and plan say why", async () => {
  const sentence = "no site in view matches region=asia";
  const annotations = { "starlight.dev/placement": "perSite", "starlight.dev/sites": "region=asia" };
  const sent = { ...deployment("nowhere", 2), metadata: { name: "nowhere", annotations } };
  const { status: planned, body: plan } = await bed.call("POST", "/starlight/v1/plan", { objects: [sent] });
  assert.equal(planned, 200);
  assert.deepEqual([at(plan, "views.0.slots"), at(plan, "notes.0")], [[], `deployment/nowhere: ${sentence}`]);
  assert.equal((await bed.call("POST", deployments, sent)).status, 201);
  const { body } = await bed.call("GET", `${deployments}/nowhere`);
  assert.deepEqual(
    ["readyReplicas", "availableReplicas", "updatedReplicas", "unavailableReplicas"].map((field) =>
      at(body, `status.${field}`),
    ),
    [0, 0, 0, 2],
  );
  const available = at(body, "status.conditions.0");
  assert.deepEqual(
    [at(available, "type"), at(available, "status"), at(available, "message")],
    ["Available", "False", sentence],
  );
  const { body: why } = await bed.call("GET", "/starlight/v1/why?kind=Deployment&name=nowhere");
  assert.deepEqual([why["slots"], why["message"]], [[], sentence]);
});
