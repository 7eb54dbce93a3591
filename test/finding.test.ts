import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { program, quickSettings } from "../src/cli/demo/fleet.ts";
import { createNetFleet, type NetFleet, type NetNode } from "./support/net-fleet.ts";
import { whyNoNamespaces } from "./support/netns.ts";
import { eventually } from "./support/poll.ts";

/** Real agents and real multicast: machines that got other addresses while they were off. */

const skip = whyNoNamespaces() ?? false;

suite("finding on a local network", { skip }, () => {
  let fleet: NetFleet;
  const nodes = (): readonly NetNode[] => fleet.nodes;

  before(async () => {
    fleet = await createNetFleet("slfind", { a: 2 });
    for (const node of nodes()) fleet.killAgent(node);
    // DHCP: .11 and .12 become .21 and .22.
    for (const { host } of nodes()) {
      fleet.topology.run(host, "ip", ["addr", "del", `${host.address}/24`, "dev", "eth0"]);
      fleet.topology.run(host, "ip", ["addr", "add", `${moved(host.address)}/24`, "dev", "eth0"]);
      fleet.topology.run(host, "ip", ["route", "add", "default", "via", "10.77.1.1"]);
    }
  });
  after(() => fleet.remove());

  const moved = (address: string): string => address.replace(/\.1(\d)$/, ".2$1");

  /** They go on telling their old addresses. */
  const start = (node: NetNode, discovery: "mdns" | "off"): void => {
    const log = openSync(join(node.data, "agent.log"), "a");
    const address = moved(node.host.address);
    const flags = ["--listen", `${address}:7070`, "--advertise", `${node.host.address}:7070`];
    node.agent = fleet.topology.spawn(
      node.host,
      process.execPath,
      [program, "--data", node.data, "agent", ...flags, "--discovery", discovery],
      { env: { ...process.env, ...quickSettings }, stdio: ["ignore", log, log] },
    );
    closeSync(log);
  };
  const verdicts = (node: NetNode): readonly string[] => {
    const here = { ...node, host: { ...node.host, address: moved(node.host.address) } };
    const status = JSON.parse(fleet.starlight(here, ["status", "-o", "json"])) as {
      readonly nodes: readonly { readonly name: string; readonly verdict: string }[];
    };
    return status.nodes.map(({ name, verdict }) => `${name} ${verdict}`);
  };

  test("without discovery, two nodes whose addresses are stale do not meet", async () => {
    for (const node of nodes()) start(node, "off");
    const [a1] = nodes();
    assert.ok(a1 !== undefined);
    await eventually("a-1 answers", () => verdicts(a1).length === 2);
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    assert.ok(verdicts(a1).includes("a-2 unreachable"), verdicts(a1).join());
    for (const node of nodes()) fleet.killAgent(node);
  });

  test("with mDNS they find each other, and the link is authenticated as ever", async () => {
    for (const node of nodes()) start(node, "mdns");
    for (const node of nodes()) {
      await eventually(`${node.name} sees both`, () => {
        const seen = verdicts(node);
        if (!seen.every((entry) => entry.endsWith("alive")))
          throw new Error(`${seen.join()}\n${readFileSync(join(node.data, "agent.log"), "utf8")}`);
        return true;
      });
    }
  });

  test("a newcomer without an address lists the mesh, and joins it with an invite whose addresses are stale", () => {
    const [a1, a2] = nodes();
    assert.ok(a1 !== undefined && a2 !== undefined);
    const at = (args: readonly string[]): string =>
      fleet.topology.run(a2.host, process.execPath, [program, "--data", `${a2.data}-new`, ...args]);
    const listed = at(["join", "--discover"]);
    for (const { host } of nodes()) assert.match(listed, new RegExp(`${moved(host.address)}:7070`));
    const here = { ...a1, host: { ...a1.host, address: moved(a1.host.address) } };
    const { invite } = JSON.parse(fleet.starlight(here, ["invite", "--site", "a", "-o", "json"])) as {
      readonly invite: string;
    };
    assert.throws(() => at(["join", invite, "--name", "late", "--check"]), { status: 24 });
    assert.match(
      at(["join", invite, "--name", "late", "--discover"]),
      /joined mesh net in site a \(region north\) as late/,
    );
  });
});
