import assert from "node:assert/strict";
import { test } from "node:test";
import { isOnRunningInterface } from "./own-interface.ts";

const interfaces = { eth0: [{ address: "10.0.0.7" }, { address: "fe80::1" }] };

test("an address is on a running interface when one of those listed bears it, in whatever form a socket tells it", () => {
  assert.equal(isOnRunningInterface("10.0.0.7", interfaces), true);
  assert.equal(isOnRunningInterface("::ffff:10.0.0.7", interfaces), true);
  assert.equal(isOnRunningInterface("fe80::1%eth0", interfaces), true);
  assert.equal(isOnRunningInterface("10.0.0.70", interfaces), false);
  assert.equal(isOnRunningInterface("10.0.0.7", {}), false);
});

test("127.0.0.1 of this machine is on a running interface", () => {
  assert.equal(isOnRunningInterface("127.0.0.1"), true);
});
