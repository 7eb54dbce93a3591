import { createPrivateKey } from "node:crypto";
import type { MembershipFrame } from "../../src/core/membership/frames.ts";
import { hex, utf8 } from "../../src/core/kernel/bytes.ts";
import { jsonBytes, type Json } from "../../src/core/kernel/json.ts";
import { goneKey, intentKey, memberKey, statusKey } from "../../src/core/records/keys.ts";
import { nodeIdOf, type MeshRecord } from "../../src/core/records/record.ts";
import { parcelOf, type Author, type Line } from "../../src/core/records/testbed.ts";
import type { LogAt, SyncFrame } from "../../src/core/sync/frames.ts";
import { createSketch, encodeSymbols } from "../../src/core/sync/sketch.ts";
import { nodeCrypto, signerFromPem } from "../../src/shells/crypto-node/node-crypto.ts";

/** One of everything that crosses a wire or lies on a disk; the same bytes on every run. */

/** The node whose 32 secret bytes are all this number. */
export function authorOf(number: number): Author {
  const key = Buffer.concat([
    Buffer.from("302e020100300506032b657004220420", "hex"),
    Buffer.alloc(32, number),
  ]);
  const pem = createPrivateKey({ key, format: "der", type: "pkcs8" }).export({
    format: "pem",
    type: "pkcs8",
  });
  const signer = signerFromPem(String(pem));
  return { id: nodeIdOf(signer.publicKey, nodeCrypto), signer };
}

export const root = authorOf(1);
export const member = authorOf(2);

const member2Body: Json = {
  name: "oslo-1",
  site: "oslo",
  region: "north",
  signKey: hex(member.signer.publicKey),
  tlsKey: "ab".repeat(32),
  grants: ["write"],
  labels: { disk: "ssd" },
  joinedAt: 1_700_000_000_000,
  fieldOfALaterVersion: { of: ["any", "shape"], é: 1.5 },
};
const status: Json = {
  addresses: ["192.0.2.7:7440", "[2001:db8::7]:7440"],
  capacity: { cpuMilli: 4000, memoryBytes: 8_589_934_592, pods: 110 },
  allocatable: { cpuMilli: 3500, memoryBytes: 8_000_000_000, pods: 110 },
  tier: 2,
  os: "linux",
  architecture: "arm64",
  kernel: "6.12.0",
  agentVersion: "0.1.0",
  bootId: "b00t",
  agentStartedAt: 1_700_000_000_000,
  runtimes: ["process"],
  batteryPercent: 80,
};
const ref = { group: "apps", kind: "Deployment", namespace: "shop", name: "web" };
export const intent: Json = {
  class: "user",
  writes: [{ version: 9, seen: { [root.id]: 7 }, actor: "alice" }],
  fields: { "spec.replicas": ["=", 0, 3], "metadata.labels.a": ["release", 0] },
  reasonOfALaterVersion: "because",
};

const none: Uint8Array = new Uint8Array(0);
const line = (key: string, version: number, body: Json | undefined, extension = none): Line => ({
  key,
  version,
  body: body === undefined ? none : jsonBytes(body),
  extension,
});

/** Records as authors sign them: alone, together, with an extension, as tombstones, with unknown fields. */
export function sampleRecords(): MeshRecord[] {
  const later = utf8("what a later version added");
  return [
    ...parcelOf(
      root,
      { scope: "mesh", kind: "roster" },
      [line(memberKey(member.id), 100, member2Body, later)],
      0,
      nodeCrypto,
    ),
    ...parcelOf(
      member,
      { scope: "mesh", kind: "intent" },
      ["kubectl", "gitops", "é/%"].map((name, at) =>
        line(intentKey(ref, `apply:${name}`), 5_000_000 + at, intent),
      ),
      400,
      nodeCrypto,
    ),
    ...parcelOf(
      member,
      { scope: "site:oslo", kind: "fact" },
      [
        line(statusKey(member.id), 6_000_000_000_000, status, later),
        line(`node/${member.id}/pod/u1`, 6_000_000_000_001, undefined),
      ],
      0,
      nodeCrypto,
    ),
    ...parcelOf(
      member,
      { scope: "mesh", kind: "roster" },
      [line(goneKey(member.id), 2 ** 53 - 1, { how: "left", reason: "" })],
      0,
      nodeCrypto,
    ),
  ];
}

export const membershipFrames: readonly MembershipFrame[] = [
  { type: "ping", number: 300, wall: 1_795_000_000_000, next: 1_920 },
  { type: "pong", number: 2 ** 53 - 1, wall: 0 },
  { type: "use" },
  { type: "beat", next: 15_000 },
  { type: "probe", number: 7, peer: "00112233445566778899" },
  { type: "answer", number: 7, saw: "lost" },
  { type: "away", for: 10_000 },
  { type: "unneeded" },
];

export function syncFrames(): readonly SyncFrame[] {
  const hash = Uint8Array.from({ length: 16 }, (_, at) => 16 * at + 1);
  const logs: readonly LogAt[] = [
    { scope: "mesh", kind: "roster", author: root.id, at: 100 },
    { scope: "mesh", kind: "intent", author: member.id, at: 5_000_002 },
    { scope: "site:oslo", kind: "fact", author: member.id, at: 6_000_000_000_001 },
  ];
  const records = sampleRecords();
  const sketch = createSketch();
  for (let item = 1; item <= 40; item++) sketch.insert((item * 0x9e3779b1) >>> 0, (item * 0x85ebca6b) >>> 0);
  const symbols = encodeSymbols(sketch.snapshot(), 0, 24);
  const [first] = logs;
  return [
    {
      type: "compare",

      scopes: [
        { scope: "mesh", hash },
        { scope: "region:north", hash },
      ],
    },
    {
      type: "heads",

      scopes: [
        { scope: "mesh", hash, state: "heads", logs },
        { scope: "region:north", hash, state: "equal", logs: [] },
        { scope: "site:oslo", hash, state: "sketch", logs: [] },
      ],
    },
    { type: "offer", logs },
    { type: "wants", graft: true, logs },
    {
      type: "records",
      mode: "push",
      // Not the whole of one parcel: hashes stand for what is missing.
      records: records.filter((_, at) => at !== 2),
      covers:
        first === undefined ? [] : [{ scope: "mesh", kind: "roster", author: root.id, from: 0, to: 100 }],
    },
    { type: "have", logs },
    { type: "prune" },
    { type: "heads-want", scope: "region:north" },
    { type: "symbols-want", scope: "mesh", from: 64, count: 128 },
    { type: "symbols", scope: "mesh", from: 0, bytes: symbols },
    { type: "items-want", scope: "mesh", items: new Uint8Array(16).fill(9) },
  ];
}
