import assert from "node:assert/strict";
import { test } from "node:test";
import { createSimCrypto } from "../../sim/sim-crypto.ts";
import { hex } from "../kernel/bytes.ts";
import type { Signer } from "../kernel/crypto.ts";
import type { JsonObject } from "../kernel/json.ts";
import type { MemberBody } from "../records/bodies.ts";
import {
  goneKey,
  intentKey,
  memberKey,
  meshFloorsKey,
  podKey,
  regionSummaryKey,
  siteSummaryKey,
  statusKey,
} from "../records/keys.ts";
import { nodeIdOf, type NodeId, type RecordKind } from "../records/record.ts";
import type { Detail, Scope } from "../records/scope.ts";
import { sealRecord } from "../records/seal.ts";
import { refusalOf, type TrustView } from "./authorise.ts";

const crypto = createSimCrypto(7);

type Who = { readonly id: NodeId; readonly signer: Signer; readonly body: MemberBody };

function member(name: string, site: string, region: string, detail?: Detail): Who {
  const signer = crypto.signer(name);
  const body: MemberBody = {
    name,
    site,
    region,
    signKey: hex(signer.publicKey),
    tlsKey: "0".repeat(64),
    grants: ["enrol", "write"],
    labels: {},
    joinedAt: 0,
    ...(detail === undefined ? {} : { detail }),
  };
  return { id: nodeIdOf(signer.publicKey, crypto), signer, body };
}

const root = member("root", "-", "-");
const oslo = member("oslo-1", "oslo", "north");
const bern = member("bern-1", "bern", "south");
const newcomer = member("lima-1", "lima", "south");
const bonn = member("bonn-1", "bonn", "eu.de");

function view(detail: Detail, gone: { readonly [id: NodeId]: number } = {}): TrustView {
  const members = new Map([oslo, bern, bonn].map(({ id, body }) => [id, body] as const));
  return {
    root: { id: root.id, publicKey: root.signer.publicKey },
    member: (id) => members.get(id),
    detail,
    goneSince: (id) => gone[id],
  };
}

const summary = {
  nodes: 1,
  ready: 1,
  tiers: [],
  workloads: [],
  workloadsLeftOut: 0,
  agents: {},
  gateways: [],
  acks: [],
} as const;
const siteBody = { ...summary, region: "north", island: 1 };
const regionBody = { ...summary, sites: 1 };

type Draft = { readonly key: string; readonly kind: RecordKind; readonly body: unknown };

function judge(detail: Detail, by: Who, { key, kind, body }: Draft, scope: Scope): string {
  const draft = { scope, key, kind, version: 1, body: body as JsonObject };
  const refusal = refusalOf(sealRecord(draft, by.id, by.signer, crypto), view(detail), crypto);
  if (refusal === undefined) return "accepted";
  return refusal.type === "forbidden" ? refusal.why : refusal.type;
}

const scopes: readonly Scope[] = ["mesh", "region:north", "region:south", "site:oslo", "site:bern"];
/** The scopes in which the record is taken. */
const taken = (detail: Detail, by: Who, draft: Draft): readonly Scope[] =>
  scopes.filter((scope) => judge(detail, by, draft, scope) === "accepted");

const status: Draft = { key: statusKey(oslo.id), kind: "fact", body: {} };
const pod: Draft = { key: podKey(oslo.id, "u"), kind: "fact", body: {} };
const intent: Draft = {
  key: intentKey({ group: "apps", kind: "Deployment", namespace: "d", name: "x" }, "apply:k"),
  kind: "intent",
  body: {},
};
const gone: Draft = { key: goneKey(bern.id), kind: "roster", body: { how: "revoked", reason: "" } };

test("facts are taken in one scope alone, which follows from the author's place and the mesh's detail", () => {
  for (const fact of [status, pod]) {
    assert.deepEqual(taken("mesh", oslo, fact), ["mesh"]);
    assert.deepEqual(taken("region", oslo, fact), ["region:north"]);
    assert.deepEqual(taken("site", oslo, fact), ["site:oslo"]);
  }
});

test("intents and ends of memberships are for everybody, whatever the detail", () => {
  for (const detail of ["mesh", "region", "site"] as const)
    for (const draft of [intent, gone]) assert.deepEqual(taken(detail, oslo, draft), ["mesh"]);
});

test("a member record is taken in the scope of the place that it names, from an enroller anywhere", () => {
  const admission: Draft = { key: memberKey(bern.id), kind: "roster", body: bern.body };
  assert.deepEqual(taken("mesh", oslo, admission), ["mesh"]);
  assert.deepEqual(taken("region", oslo, admission), ["region:south"]);
  assert.deepEqual(taken("site", oslo, admission), ["site:bern"]);
});

test("a site is spoken for in its region by its own nodes, and only where detail stays in the site", () => {
  const draft: Draft = { key: siteSummaryKey("oslo"), kind: "fact", body: siteBody };
  assert.deepEqual(taken("site", oslo, draft), ["region:north"]);
  assert.deepEqual(taken("region", oslo, draft), []);
  assert.deepEqual(taken("mesh", oslo, draft), []);
  assert.match(judge("site", bern, draft, "region:north"), /only a node that stands there/);
  const moved = { ...draft, body: { ...siteBody, region: "south" } };
  assert.match(judge("site", oslo, moved, "region:north"), /another region/);
});

test("a region is spoken for to everybody by its own nodes, and not where everybody knows all", () => {
  const draft: Draft = { key: regionSummaryKey("north"), kind: "fact", body: regionBody };
  assert.deepEqual(taken("site", oslo, draft), ["mesh"]);
  assert.deepEqual(taken("region", oslo, draft), ["mesh"]);
  assert.deepEqual(taken("mesh", oslo, draft), []);
  assert.match(judge("site", bern, draft, "mesh"), /only a node that stands there/);
});

test("each region around a node is spoken for by it, in the scope of the one around that, and no other region", () => {
  const around: readonly Scope[] = ["mesh", "region:eu", "region:eu.de", "site:bonn"];
  const takenOf = (region: string): readonly Scope[] => {
    const draft: Draft = { key: regionSummaryKey(region), kind: "fact", body: regionBody };
    return around.filter((scope) => judge("site", bonn, draft, scope) === "accepted");
  };
  assert.deepEqual(takenOf("eu"), ["mesh"]);
  assert.deepEqual(takenOf("eu.de"), ["region:eu"]);
  for (const other of ["eu.fr", "eu.de.south", "e", "us"]) assert.deepEqual(takenOf(other), [], other);
});

test("who left speaks for no place any more, whatever its summaries' stamps; and its own state ends, while its intents up to the end stand", () => {
  const record = (key: string, kind: RecordKind, body: unknown, scope: Scope) =>
    sealRecord({ scope, key, kind, version: 5, body: body as JsonObject }, oslo.id, oslo.signer, crypto);
  const summaryBefore = record(siteSummaryKey("oslo"), "fact", siteBody, "region:north");
  const statusBefore = record(statusKey(oslo.id), "fact", {}, "site:oslo");
  const trust = view("site", { [oslo.id]: 10 });
  assert.equal(refusalOf(summaryBefore, trust, crypto)?.type, "forbidden");
  assert.equal(refusalOf(statusBefore, trust, crypto)?.type, "forbidden");
  const intentBefore = record("intent/core/ConfigMap/default/a/m", "intent", {}, "mesh");
  assert.equal(refusalOf(intentBefore, trust, crypto), undefined);
});

test("a summary with 5 gateways, 65 workloads or 257 acknowledgements is refused", () => {
  const gateway = { id: oslo.id, name: "a", site: "oslo", addresses: [] };
  const workload = { name: "w", revision: "r", wanted: 1, ready: 1 };
  const ack = { author: oslo.id, head: 1 };
  const fits = (part: object): string =>
    judge(
      "site",
      oslo,
      { key: siteSummaryKey("oslo"), kind: "fact", body: { ...siteBody, ...part } },
      "region:north",
    );
  const some = <T>(count: number, item: T): T[] => Array.from({ length: count }, () => item);
  assert.equal(
    fits({ gateways: some(4, gateway), workloads: some(64, workload), acks: some(256, ack) }),
    "accepted",
  );
  assert.match(fits({ gateways: some(5, gateway) }), /not a valid summary/);
  assert.match(fits({ workloads: some(65, workload) }), /not a valid summary/);
  assert.match(fits({ acks: some(257, ack) }), /not a valid summary/);
});

test("floors of logs that everybody keeps are told to everybody, by their author, in a mesh of two levels", () => {
  const draft: Draft = { key: meshFloorsKey(oslo.id), kind: "fact", body: { logs: [] } };
  assert.deepEqual(taken("site", oslo, draft), ["mesh"]);
  assert.deepEqual(taken("mesh", oslo, draft), []);
  assert.match(judge("site", bern, draft, "mesh"), /own facts/);
});

test("what the root says of the detail binds: a member record of it that says otherwise is refused", () => {
  const admitted = (detail: Detail, said: Detail | undefined): string => {
    const { id, body } = member("lima-1", "lima", "south", said);
    const scope: Scope = detail === "mesh" ? "mesh" : "site:lima";
    return judge(detail, root, { key: memberKey(id), kind: "roster", body }, scope);
  };
  assert.equal(admitted("mesh", undefined), "accepted");
  assert.equal(admitted("mesh", "mesh"), "accepted");
  assert.equal(admitted("site", "site"), "accepted");
  assert.match(admitted("mesh", "site"), /detail travels as far as the site, not the mesh/);
  assert.match(admitted("site", undefined), /detail travels as far as the mesh, not the site/);
  const byEnroller: Draft = { key: memberKey(newcomer.id), kind: "roster", body: newcomer.body };
  assert.equal(judge("site", oslo, byEnroller, "site:lima"), "accepted");
});
