import assert from "node:assert/strict";
import { test } from "node:test";
import { assert as hold, constantFrom, ipV4, ipV6, nat, oneof, property, uniqueArray } from "fast-check";
import { raceOrder } from "./address-order.ts";

test("families take turns, beginning with that of the first address", () => {
  const addresses = ["10.0.0.1:7443", "10.0.0.2:7443", "10.0.0.3:7443", "[2001:db8::1]:7443"];
  assert.deepEqual(raceOrder(addresses, undefined), [
    "10.0.0.1:7443",
    "[2001:db8::1]:7443",
    "10.0.0.2:7443",
    "10.0.0.3:7443",
  ]);
});

test("the address that won the last time starts first, and the other family is second", () => {
  const addresses = ["10.0.0.1:7443", "10.0.0.2:7443", "[2001:db8::1]:7443", "node.example:7443"];
  assert.deepEqual(raceOrder(addresses, "10.0.0.2:7443"), [
    "10.0.0.2:7443",
    "[2001:db8::1]:7443",
    "10.0.0.1:7443",
    "node.example:7443",
  ]);
});

test("an address that is no longer told is not tried because it won once", () => {
  assert.deepEqual(raceOrder(["10.0.0.1:7443"], "10.0.0.9:7443"), ["10.0.0.1:7443"]);
  assert.deepEqual(raceOrder([], "10.0.0.9:7443"), []);
});

test("whatever the list and the last winner, each address is tried exactly once", () => {
  const address = oneof(
    ipV4().map((host) => `${host}:1`),
    ipV6().map((host) => `[${host}]:1`),
    constantFrom("a.example:1", "b.example:1"),
  );
  hold(
    property(uniqueArray(address, { maxLength: 16 }), nat(20), (addresses, at) => {
      assert.deepEqual([...raceOrder(addresses, addresses[at])].sort(), [...addresses].sort());
    }),
  );
});
