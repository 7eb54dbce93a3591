import assert from "node:assert/strict";
import type { ApiDeps } from "../../src/api/contract.ts";
import type { Machine } from "../../src/sim/machine.ts";

/** What the API is given to answer from, on a machine that is simulated: all but what needs a real one. */
export function apiOf(machine: Machine | undefined): ApiDeps {
  assert.ok(machine?.node !== undefined);
  const deps: Partial<ApiDeps> = {
    view: machine.node.view,
    env: () => machine.env(),
    version: "1",
    bytesWritten: () => ({ today: 0, total: 0 }),
    notes: () => [],
  };
  return deps as ApiDeps;
}
