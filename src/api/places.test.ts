import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { JsonObject } from "../core/kernel/json.ts";
import { createApiBed, type ApiBed } from "./testbed.ts";

let bed: ApiBed;
before(async () => {
  bed = await createApiBed("oslo-1", { region: "eu.no.south" });
});
after(() => bed.close());

const get = async (path: string, accept?: string) =>
  (await bed.call("GET", path, undefined, accept === undefined ? {} : { accept })).body;

test("a site in eu.no.south is counted in three regions, each within the one before", async () => {
  const { items } = (await get("/apis/starlight.dev/v1/regions")) as { items: readonly JsonObject[] };
  const rows = items.map(({ metadata, spec, status }) => {
    const { sites, nodes, nodesInView, source } = status as JsonObject;
    return [
      (metadata as JsonObject)["name"],
      (spec as JsonObject)["within"],
      sites,
      nodes,
      nodesInView,
      source,
    ];
  });
  assert.deepEqual(rows, [
    ["eu", undefined, 1, 1, 1, "parts"],
    ["eu.no", "eu", 1, 1, 1, "parts"],
    ["eu.no.south", "eu.no", 1, 1, 1, "parts"],
  ]);
});

test("one region and one site are read by their names, and what is not there is not found", async () => {
  const region = await get("/apis/starlight.dev/v1/regions/eu.no");
  assert.deepEqual(region["spec"], { within: "eu" });
  const site = await get("/apis/starlight.dev/v1/sites/here");
  assert.deepEqual(site["spec"], { region: "eu.no.south" });
  assert.equal((await get("/apis/starlight.dev/v1/regions/us"))["code"], 404);
});

test("a table of regions says how many sites and nodes each has, and what they have room for", async () => {
  const accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
  const { columnDefinitions, rows } = (await get("/apis/starlight.dev/v1/regions", accept)) as {
    columnDefinitions: readonly { readonly name: string }[];
    rows: readonly { readonly cells: readonly unknown[] }[];
  };
  assert.deepEqual(
    columnDefinitions.map(({ name }) => name),
    [
      "Name",
      "Sites",
      "Nodes",
      "Ready",
      "Unreachable",
      "CPU",
      "Memory",
      "Workloads",
      "Seen",
      "Source",
      "Oldest",
    ],
  );
  assert.deepEqual(
    rows.map(({ cells }) => cells.slice(0, 4)),
    [
      ["eu", 1, 1, 1],
      ["eu.no", 1, 1, 1],
      ["eu.no.south", 1, 1, 1],
    ],
  );
});
