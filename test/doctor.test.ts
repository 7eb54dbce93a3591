import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { createNetFleet, type NetFleet, type NetNode } from "./support/net-fleet.ts";
import { whyNoNamespaces } from "./support/netns.ts";
import { eventually } from "./support/poll.ts";

/** The doctor on real networks whose cables are pulled. */

const skip = whyNoNamespaces() ?? false;

type Report = {
  readonly seenBy: string;
  readonly ways: readonly {
    readonly name: string;
    readonly failing: { readonly hop: string; readonly detail: string; readonly fix: string } | null;
  }[];
};

suite("starlight doctor", { skip }, () => {
  let fleet: NetFleet;
  let a1: NetNode;
  let b1: NetNode;

  before(async () => {
    fleet = await createNetFleet("sldoc", { a: 2, b: 1 });
    [a1, b1] = [fleet.node("a-1"), fleet.node("b-1")];
    await eventually("all are linked", () => examined([]).code === 0);
  });
  after(() => fleet.remove());

  /** What the command prints as JSON, also when it ends with a code of its own. */
  function examined(args: readonly string[]): Report & { readonly code: number } {
    try {
      return { ...(JSON.parse(fleet.starlight(a1, ["doctor", ...args, "-o", "json"])) as Report), code: 0 };
    } catch (error) {
      const { status, stdout } = error as { readonly status: number; readonly stdout: string };
      return { ...(JSON.parse(stdout) as Report), code: status };
    }
  }
  const hops = ({ ways }: Report): readonly string[] =>
    ways.map(({ name, failing }) => `${name} ${failing?.hop ?? "ok"}`);

  test("a whole mesh is well: exit code 0, from every node", () => {
    assert.deepEqual(hops(examined([])), ["a-2 ok", "b-1 ok"]);
    const fromB = examined(["--from", "b-1", "--to", "node/a-2"]);
    assert.deepEqual([fromB.seenBy, fromB.code, ...hops(fromB)], ["b-1", 0, "a-2 ok"]);
    assert.match(fleet.starlight(a1, ["doctor", "b-1"]), /nothing fails between a-1 and b-1/);
  });

  test("a site whose cable is out fails at tcp, a missing route at route; exit code 40", async () => {
    fleet.topology.cutSite("b");
    await eventually("the link is given up", () => examined(["b-1"]).code === 40);
    const cut = examined([]);
    assert.deepEqual(hops(cut), ["a-2 ok", "b-1 tcp"]);
    assert.notEqual(cut.ways[1]?.failing?.fix, "");
    fleet.topology.run(a1.host, "ip", ["route", "add", "unreachable", `${b1.host.address}/32`]);
    assert.deepEqual(hops(examined(["node/b-1"])), ["b-1 route"]);
    fleet.topology.run(a1.host, "ip", ["route", "del", "unreachable", `${b1.host.address}/32`]);
    fleet.topology.healSite("b");
    await eventually("the link is back", () => examined([]).code === 0);
  });

  test("topology prints every node in its site, and a link for each pair", async () => {
    // Each dials the healed site in its own time, and what the others said before the cut is seen until then.
    const told = (): readonly { readonly linked: boolean; readonly links: readonly string[] }[] =>
      JSON.parse(fleet.starlight(a1, ["topology", "-o", "json"])).nodes;
    await eventually("all links are back, as both ends say", () =>
      told().every(({ linked, links }) => linked && links.length === 2),
    );
    const graph = fleet.starlight(a1, ["topology", "-o", "dot"]);
    const pairs = ['"a-1" -- "a-2"', '"a-1" -- "b-1"', '"a-2" -- "b-1"'];
    assert.deepEqual(graph.match(/"[ab]-\d" -- "[ab]-\d"/g), pairs);
    const tree = fleet.starlight(a1, ["topology"]);
    assert.match(tree, /─ a\n[│ ]+├─ a-1  answers; 2 links.*\n[│ ]+└─ a-2  alive/);
    assert.doesNotMatch(fleet.starlight(a1, ["topology", "--matrix"]).split("\n\n")[0] ?? "", /!/);
  });

  test("an agent that is stopped fails at tcp, as nothing listens any more", async () => {
    fleet.killAgent(b1);
    await eventually("it is missed", () => examined(["b-1"]).code === 40);
    const [way] = examined(["b-1"]).ways;
    assert.match(way?.failing?.detail ?? "", /nothing listens on that port/);
  });
});
