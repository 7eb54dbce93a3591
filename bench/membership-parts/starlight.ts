import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { layoutOf } from "../../src/shells/identity-file/layout.ts";
import { createNetFleet, type NetNode } from "../../test/support/net-fleet.ts";
import { settledAfterMs } from "../settled.ts";
import { comesTrue, createBeliefs, type Belief, type Cluster, type Member } from "./cluster.ts";

/** Starlight agents with their default settings, in one site; what they hold of each other is in their logs. */
export async function createStarlight(count: number): Promise<Cluster> {
  const fleet = await createNetFleet("slmem", { one: count }, {});
  const nodeOf = new Map<string, NetNode>(fleet.nodes.map((node) => [node.name, node]));
  const logs = fleet.nodes.map((node) => openLog(node));
  const beliefs = createBeliefs(() => {
    for (const { name, read } of logs) for (const line of read()) note(name, line);
  });
  const note = (observer: string, line: string): void => {
    const [, time = "", reason = "", subject = ""] = verdictLine.exec(line) ?? [];
    const belief = beliefOf[reason];
    if (belief !== undefined) beliefs.told(observer, subject, belief, Date.parse(time));
  };
  const members = fleet.nodes.map((node): Member => ({
    name: node.name,
    host: node.host,
    process: node.agent,
  }));
  const node = (member: Member): NetNode => nodeOf.get(member.name) as NetNode;
  const [first] = fleet.nodes;
  if (first === undefined) throw new RangeError("a cluster has at least one member");
  const cluster: Cluster = {
    topology: fleet.topology,
    members,
    settledAfterMs: settledAfterMs(count),
    beliefs,
    kill: (member) => {
      fleet.killAgent(node(member));
      member.process = undefined;
    },
    start: async (member) => {
      await fleet.start(node(member));
      member.process = node(member).agent;
    },
    update: (rounds) => {
      const child = fileURLToPath(new URL("spread-child.ts", import.meta.url));
      const addresses = fleet.nodes.map(({ host }) => `${host.address}:7070`);
      const told = fleet.topology.run(
        first.host,
        process.execPath,
        [child, first.data, layoutOf(first.data).kubeconfig, String(rounds), ...addresses],
        { timeoutMs: 60_000 + rounds * 10_000 },
      );
      return Promise.resolve(JSON.parse(told) as readonly number[]);
    },
    remove: () => {
      for (const log of logs) log.close();
      fleet.remove();
    },
  };
  await comesTrue(60_000, () => {
    beliefs.look();
    return beliefs.lost().length === 0 && logs.every(({ met }) => met.size >= count - 1);
  });
  return cluster;
}

const beliefOf: { readonly [reason: string]: Belief } = {
  NodeReachable: "alive",
  NodeUnreachable: "lost",
  NodeDead: "dead",
};
const verdictLine = /^(\S+) \w+ +(NodeReachable|NodeUnreachable|NodeDead): (\S+):/;

/** What was appended to an agent's log since the last look, by whole lines. */
function openLog({ name, data }: NetNode) {
  const file = openSync(join(data, "agent.log"), "r");
  const met = new Set<string>();
  let rest = "";
  const read = (): readonly string[] => {
    const lines: string[] = [];
    const buffer = Buffer.alloc(65_536);
    for (let length = readSync(file, buffer); length > 0; length = readSync(file, buffer)) {
      const parts = (rest + buffer.toString("utf8", 0, length)).split("\n");
      rest = parts.pop() ?? "";
      lines.push(...parts);
    }
    for (const line of lines) {
      const [, , reason, subject = ""] = verdictLine.exec(line) ?? [];
      if (reason === "NodeReachable") met.add(subject);
    }
    return lines;
  };
  return { name, met, read, close: () => closeSync(file) };
}
