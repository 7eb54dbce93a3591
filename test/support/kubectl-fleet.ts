import assert from "node:assert/strict";
import { after, before } from "node:test";
import { createFleet, type Fleet } from "../../src/cli/demo/fleet.ts";
import type { Ran } from "./command.ts";
import { kubectl } from "./kubectl.ts";

export type KubectlFleet = {
  /** Throws before the tests have begun. */
  readonly fleet: () => Fleet;
  /** Runs kubectl against one of the nodes, with the manifest as its input. */
  readonly at: (node: string, args: readonly string[], manifest?: object) => Promise<Ran>;
  /** `kubectl apply` of the manifest, against one of the nodes. */
  readonly apply: (node: string, manifest: object, ...flags: readonly string[]) => Promise<Ran>;
};

/** Real agents of the site `lab`, named `lab-1` and on, that run as long as the tests of the file that asks. */
export function kubectlFleet(nodes: number): KubectlFleet {
  let started: Fleet | undefined;
  before(async () => {
    started = await createFleet([{ site: "lab", region: "north", nodes }], { progress: () => {} });
  });
  after(async () => {
    await started?.stop();
  });
  const fleet = (): Fleet => {
    assert.ok(started !== undefined, "the agents run during tests only");
    return started;
  };
  const at: KubectlFleet["at"] = (node, args, manifest) => {
    const { kubeconfig, directory, node: nodeNamed } = fleet();
    const server = `https://${nodeNamed(node).advertised}`;
    const input = manifest === undefined ? "" : JSON.stringify(manifest);
    return kubectl({ kubeconfig, server, home: directory }, args, input);
  };
  const apply: KubectlFleet["apply"] = (node, manifest, ...flags) =>
    at(node, ["apply", "-f", "-", ...flags], manifest);
  return { fleet, at, apply };
}
