import assert from "node:assert/strict";
import { test } from "node:test";
import { ownHosts, watchNetwork } from "./network-watch.ts";

test("addresses that came or went are told once, whatever their order", (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  let present = ["127.0.0.1", "10.0.0.5"];
  const told: string[] = [];
  const stop = watchNetwork(
    (hosts) => told.push([...hosts].join(" ")),
    () => new Set(present),
  );
  t.mock.timers.tick(2_000);
  present = ["10.0.0.5", "127.0.0.1"];
  t.mock.timers.tick(2_000);
  assert.deepEqual(told, []);
  present = ["10.0.0.9", "127.0.0.1"];
  t.mock.timers.tick(6_000);
  assert.deepEqual(told, ["10.0.0.9 127.0.0.1"]);
  stop();
  present = [];
  t.mock.timers.tick(6_000);
  assert.equal(told.length, 1);
});

test("this machine has its loopback address", () => {
  assert.ok(ownHosts().has("127.0.0.1"));
});
