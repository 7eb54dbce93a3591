import assert from "node:assert/strict";
import { test } from "node:test";
import type { Labels } from "../kernel/labels.ts";
import { matches, parseSelector, selectorOf, selectorOfLabels } from "./selector.ts";
import { parseSiteSelector } from "./site-selector.ts";

function selects(text: string, labels: Labels): boolean {
  const parsed = parseSelector(text);
  assert.ok(parsed.ok, text);
  return matches(parsed.value, labels);
}

test("a selector text matches as kubectl -l does", () => {
  const labels = { app: "web", tier: "front", "example.com/x": "1", empty: "" };
  for (const text of [
    "",
    "app=web",
    "app==web, tier!=back",
    "app in (api, web),!debug",
    "missing!=x",
    "missing notin (a)",
    "tier",
    "example.com/x=1",
    "empty=",
  ]) {
    assert.ok(selects(text, labels), text);
  }
  for (const text of [
    "app=api",
    "app in (api)",
    "!app",
    "missing",
    "missing=x",
    "tier notin (front)",
    "app=web,tier=back",
  ]) {
    assert.ok(!selects(text, labels), text);
  }
});

test("a selector that cannot be read says which part", () => {
  for (const text of ["a=b=c", "a in x", "a in (x", "a>1", "=b", "a,,b", "-a", "a=b,", "a in (x),)"]) {
    const parsed = parseSelector(text);
    assert.ok(!parsed.ok, text);
    assert.match(parsed.error, /cannot read/);
  }
  assert.equal(parseSelector("a".repeat(5000)).ok, false);
});

test("labels are the object's own, not its prototype's", () => {
  assert.ok(!selects("constructor", {}));
  assert.ok(selects("!toString", {}));
});

test("matchLabels and matchExpressions must all hold", () => {
  const selector = selectorOf({
    matchLabels: { app: "web" },
    matchExpressions: [
      { key: "tier", operator: "In", values: ["front", "edge"] },
      { key: "old", operator: "DoesNotExist" },
    ],
  });
  assert.ok(selector !== undefined);
  assert.ok(matches(selector, { app: "web", tier: "edge" }));
  assert.ok(!matches(selector, { app: "web", tier: "edge", old: "" }));
  assert.ok(!matches(selector, { app: "web", tier: "back" }));
  assert.equal(selectorOf({ matchExpressions: [{ key: "a", operator: "Near" }] }), undefined);
  assert.ok(matches(selectorOfLabels({ a: "1" }), { a: "1", b: "2" }));
});

test("a selector of sites allows values of name and region, and narrows when one is named twice", () => {
  assert.deepEqual(parseSiteSelector("region=eu,name in (a,b),name in (b,c)"), {
    ok: true,
    value: { region: ["eu"], name: ["b"] },
  });
  const regions = (text: string): unknown => {
    const parsed = parseSiteSelector(text);
    return parsed.ok ? parsed.value["region"] : parsed.error;
  };
  assert.deepEqual(regions("region=eu,region in (eu.de,us)"), ["eu.de"]);
  assert.deepEqual(regions("region in (eu.de.south,us),region in (eu.de,us.west)"), [
    "eu.de.south",
    "us.west",
  ]);
  assert.deepEqual(regions("region=eu,region=eu2"), []);
  for (const text of ["zone=a", "name!=a", "name", "!region"])
    assert.equal(parseSiteSelector(text).ok, false, text);
});
