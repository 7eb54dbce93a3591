import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonBytes, parseJson, type Json } from "../core/kernel/json.ts";
import { statusBody } from "../core/records/bodies.ts";
import type { NetworkClass } from "../shells/machine/contract.ts";
import { createMachine } from "../shells/machine/create-machine.ts";
import { machineNamed } from "../shells/machine/testbed.ts";
import { createMeasure, uplinkOf } from "./measure.ts";

const about = {
  listen: { host: "0.0.0.0", port: 7443 },
  runtime: "process",
  agentVersion: "1",
  agentStartedAt: 1,
};

test("the status of a measured machine fits its own bounds, and less than 3 kB", () => {
  const { host, remove } = machineNamed("gpu-box");
  const machine = createMachine({ host, folder: "/", overrides: [], tier: undefined });
  const settings = { advertise: ["10.0.0.5"], uplink: "auto" } as const;
  const status = createMeasure({ ...about, settings: { ...settings, advertise: [...settings.advertise] } })(
    machine.look(),
  );
  remove();
  const bytes = jsonBytes(status as unknown as Json);
  assert.ok(bytes.length < 3_000, `${bytes.length} bytes`);
  assert.deepEqual(statusBody(parseJson(bytes)), status);
  assert.deepEqual(status.addresses, ["10.0.0.5:7443"]);
  assert.deepEqual(status.allocatable.extended, { "nvidia.com/gpu": 2 });
  assert.equal(status.capacity.storageBytes, 64e9);
  assert.equal(status.allocatable.storageBytes, 57.6e9);
  assert.equal(status.diskFreePercent, 30);
  assert.equal(status.uplink, "wan");
});

test("a disk that fills byte by byte changes the status 3 times from 31 to 4 % free", () => {
  const { host, remove } = machineNamed("gpu-box");
  let freeBytes = 310;
  const space = (): { totalBytes: number; freeBytes: number } => ({ totalBytes: 1_000, freeBytes });
  const machine = createMachine({ host: { ...host, space }, folder: "/", overrides: [], tier: undefined });
  const measure = createMeasure({ ...about, settings: { advertise: ["a"], uplink: "lan" } });
  const told = new Set<string>();
  for (; freeBytes > 40; freeBytes--) told.add(JSON.stringify(measure(machine.look())));
  remove();
  assert.equal(told.size, 1 + 3);
});

test("the uplink follows the network: satellite and cellular stay, other metered ways count as cellular", () => {
  const uplink = (kind: NetworkClass, metered: boolean): string =>
    uplinkOf({ network: { value: { class: kind, metered }, from: "" } });
  assert.deepEqual(
    (["ethernet", "wifi", "cellular", "satellite", "unknown"] as const).map((kind) => uplink(kind, false)),
    ["wan", "wan", "cellular", "satellite", "wan"],
  );
  assert.equal(uplink("wifi", true), "cellular");
});
