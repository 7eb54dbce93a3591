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
  assert.match(await said("inner", "region=eu.de.south.city"), /^0 of 0 copies are ready/);
  assert.match(await said("longer", "region=e"), /^0 of 0 copies are ready/);
});
