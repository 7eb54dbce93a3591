import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { quickSettings } from "../src/cli/demo/fleet.ts";
import { deployment } from "./support/manifests.ts";
import { createNetFleet, type NetFleet, type NetNode } from "./support/net-fleet.ts";
import { whyNoNamespaces } from "./support/netns.ts";
import { eventually } from "./support/poll.ts";

/** Real agents of one site that are stopped, or get through in one direction only: nobody has died. */

const skip = whyNoNamespaces() ?? false;

type Why = {
  readonly verdict: string;
  readonly lostBySite: boolean;
  readonly observations: readonly { readonly by: string; readonly what: string; readonly ageMs: number }[];
};

const manifest = JSON.stringify(deployment("shop", "exec sleep 100000", 3));

suite("verdicts among real agents", { skip }, () => {
  let fleet: NetFleet;
  let [a, b, c]: readonly NetNode[] = [];

  before(async () => {
    fleet = await createNetFleet(
      "sldet",
      { alfa: 3 },
      { ...quickSettings, STARLIGHT_LOST_AFTER_MS: "30000" },
    );
    [a, b, c] = fleet.nodes;
    await eventually("all see all", () => pairs().every(([by, of]) => why(by, of).verdict === "alive"));
  });
  after(() => {
    fleet?.remove();
  });

  const why = (by: NetNode, of: NetNode): Why =>
    JSON.parse(fleet.starlight(by, ["why", `node/${of.name}`, "-o", "json"])) as Why;
  const pairs = (): (readonly [NetNode, NetNode])[] =>
    fleet.nodes.flatMap((by) => fleet.nodes.filter((of) => of !== by).map((of) => [by, of] as const));
  const logOf = ({ data }: NetNode): string => readFileSync(join(data, "agent.log"), "utf8");
  const verdictsLogged = (reason: string): string[] =>
    fleet.nodes.flatMap((node) =>
      logOf(node)
        .split("\n")
        .filter((line) => line.includes(` ${reason}: `)),
    );
  const containers = (): string[] => {
    const text = fleet.starlight(a as NetNode, ["get", "pods", "-o", "json"]);
    const { items } = JSON.parse(text) as {
      items: { status: { containerStatuses?: { containerID: string; ready: boolean }[] } }[];
    };
    return items
      .flatMap(({ status }) => status.containerStatuses ?? [])
      .filter(({ ready }) => ready)
      .map(({ containerID }) => containerID)
      .sort();
  };

  test("an agent under SIGSTOP for 10 s is unreachable, not dead; it finds out itself, and its own programs are those that stay", async () => {
    const [first, other, stopped] = [a, b, c] as [NetNode, NetNode, NetNode];
    fleet.starlight(first, ["apply", "-f", "-"], manifest);
    await eventually("three copies run", () => containers().length === 3);
    const before = containers();
    stopped.agent?.kill("SIGSTOP");
    const resumed = new Promise((resolve) => setTimeout(resolve, 10_000));
    await eventually("the others have lost it", () =>
      [first, other].every((by) => why(by, stopped).verdict === "unreachable"),
    );
    const told = why(first, stopped);
    assert.equal(told.lostBySite, true);
    assert.ok(
      told.observations.some(({ by }) => by === other.name),
      JSON.stringify(told),
    );
    await resumed;
    stopped.agent?.kill("SIGCONT");
    await eventually("all see all again", () => pairs().every(([by, of]) => why(by, of).verdict === "alive"));
    await eventually("it knows that it stood still", () =>
      why(stopped, stopped).observations.some(({ what }) => what.startsWith("this process stood still for")),
    );
    assert.deepEqual(verdictsLogged("NodeDead"), []);
    // Its site has lost it, so its copies were started elsewhere; the surplus ends after the quiet period.
    await eventually("the first three run, and no other", () => containers().join() === before.join());
  });

  test("nothing passes from one to another for 15 s, a third sees both: nobody is unreachable or dead", async () => {
    const [from, to, third] = [a, b, c] as [NetNode, NetNode, NetNode];
    const before = verdictsLogged("NodeUnreachable").length;
    const neighbour = (...change: readonly string[]): string =>
      fleet.topology.run(from.host, "ip", ["neigh", ...change, to.host.address, "dev", "eth0"]);
    // The bridge has nobody with that address: the frames go nowhere, and nobody says so.
    fleet.topology.run(from.host, "ip", [
      "neigh",
      "replace",
      to.host.address,
      "lladdr",
      "02:00:00:00:00:99",
      "dev",
      "eth0",
      "nud",
      "permanent",
    ]);
    const until = performance.now() + 15_000;
    await eventually("the third is named as the one who has a link", () =>
      why(from, to).observations.some(({ by, what }) => by === third.name && what.startsWith("says it has")),
    );
    while (performance.now() < until) {
      for (const [by, of] of pairs()) assert.equal(why(by, of).verdict, "alive", `${by.name} of ${of.name}`);
    }
    assert.equal(verdictsLogged("NodeUnreachable").length, before);
    assert.deepEqual(verdictsLogged("NodeDead"), []);
    neighbour("del");
    await eventually("they are linked again", () => linked(from, to), 30_000);
  });

  const linked = (by: NetNode, of: NetNode): boolean => {
    const { nodes } = JSON.parse(fleet.starlight(by, ["status", "-o", "json"])) as {
      nodes: { name: string; roundTripMs: number | null }[];
    };
    return nodes.some(({ name, roundTripMs }) => name === of.name && roundTripMs !== null);
  };
});
