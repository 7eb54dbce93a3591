import assert from "node:assert/strict";
import { test } from "node:test";
import { distanceTo } from "./proxy.ts";

test("of places in nested regions the one that shares more regions with us is nearer, whatever stands deeper", () => {
  const here = { site: "ulm", region: "eu.de.south" };
  const to = (region: string, site = "other"): number => distanceTo(here, { site, region });
  assert.equal(to("eu.de.south", "ulm"), 0);
  assert.equal(to("eu.de.south"), 1);
  assert.equal(to("eu.de.south.city"), 1);
  assert.equal(to("eu.de"), 2);
  assert.equal(to("eu.de.southern"), 2);
  assert.equal(to("eu.fr"), 3);
  assert.equal(to("us"), 4);
  assert.equal(distanceTo(here, undefined), 4);
});
