import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { createNetFleet, type NetFleet, type NetNode } from "./support/net-fleet.ts";
import { whyNoNamespaces } from "./support/netns.ts";
import { eventually } from "./support/poll.ts";

/** Real agents, one of which starts with a clock that is eight years ahead (Debian package `libfaketime`). */

const [faketime] = globSync("/usr/lib/*/faketime/libfaketime.so.1");
const noClock = faketime === undefined ? "there is no libfaketime: apt-get install libfaketime" : undefined;

suite("a clock that is eight years ahead", { skip: whyNoNamespaces() ?? noClock ?? false }, () => {
  let fleet: NetFleet;
  let wrong: NetNode;
  let right: NetNode;
  let away: NetNode;

  before(async () => {
    fleet = await createNetFleet("slclk", { a: 2, b: 1, c: 1 });
    [right, wrong, away] = [fleet.node("a-1"), fleet.node("a-2"), fleet.node("c-1")];
    await eventually("all are linked", () => fleet.starlight(right, ["doctor"]) !== "");
  });
  after(() => fleet.remove());

  const configMap = (name: string, data: object): string =>
    JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default" }, data });
  const apply = (node: NetNode, name: string, data: object, ...more: readonly string[]): string =>
    fleet.starlight(node, [...more, "apply", "-f", "-"], configMap(name, data));
  const namesAt = (node: NetNode, ...more: readonly string[]): readonly string[] => {
    const { items } = JSON.parse(fleet.starlight(node, [...more, "get", "configmaps", "-o", "json"])) as {
      readonly items: readonly { readonly metadata: { readonly name: string } }[];
    };
    return items
      .map(({ metadata }) => metadata.name)
      .filter((name) => name !== "kube-root-ca.crt")
      .sort();
  };
  const logOf = (node: NetNode): string => readFileSync(join(node.data, "agent.log"), "utf8");

  test("it is put right by the peers, nobody is taken for gone, and what is written then is everywhere", async () => {
    // Good for ten years, so also by a clock that is eight years ahead.
    const long = join(right.data, "long.kubeconfig");
    fleet.starlight(right, ["--data", right.data, "kubeconfig", "--days", "3650", "--out", long]);
    apply(wrong, "brief", { by: "wrong" });
    apply(right, "stays", { by: "right" });
    await eventually("all know both", () =>
      fleet.nodes.every((node) => namesAt(node).join() === "brief,stays"),
    );
    fleet.topology.cutSite("c");
    fleet.starlight(right, ["delete", "configmap", "brief"]);
    await eventually("its author has heard", () => namesAt(wrong).join() === "stays");
    fleet.killAgent(wrong);
    await fleet.start(wrong, { LD_PRELOAD: faketime, FAKETIME: "+3000d", FAKETIME_DONT_FAKE_MONOTONIC: "1" });
    await eventually("the clock is put right", () => logOf(wrong).includes("ClockCorrected"));
    assert.throws(
      () => apply(wrong, "after", { by: "wrong" }),
      /the client certificate is not valid by this machine's clock, which says 2\d{3}-\S+Z: set the clock/,
    );
    apply(wrong, "after", { by: "wrong" }, "--kubeconfig", long);
    await eventually("its word is there", () => namesAt(right).join() === "after,stays");
    await eventually("and at the next site", () => namesAt(fleet.node("b-1")).join() === "after,stays");
    fleet.topology.healSite("c");
    await eventually(
      "who was away has it, and not what was deleted",
      () => namesAt(away).join() === "after,stays",
    );
    for (const node of fleet.nodes)
      assert.deepEqual(namesAt(node, "--kubeconfig", long), ["after", "stays"], node.name);
  });
});
