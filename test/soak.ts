import { parseArgs } from "node:util";
import { createExclusiveRig, signal } from "./support/exclusive-rig.ts";
import { whyNoNamespaces } from "./support/netns.ts";

/**
 * `npm run soak -- exclusive --minutes N`: three real agents and an exclusive workload, with a fault every few
 * seconds. Prints what it does; exits 1 when two instances wrote at one time.
 */
const { values, positionals } = parseArgs({
  options: { minutes: { type: "string", default: "5" } },
  allowPositionals: true,
});
const minutes = Number(values.minutes);
const refusal =
  positionals[0] !== "exclusive" || !(minutes > 0)
    ? "usage: npm run soak -- exclusive --minutes N"
    : whyNoNamespaces();
if (refusal !== undefined) {
  process.stderr.write(`${refusal}\n`);
  process.exit(2);
}
process.exitCode = await soak(minutes * 60_000);

async function soak(forMs: number): Promise<number> {
  const rig = await createExclusiveRig("slsoak");
  const { fleet, guards } = rig;
  const startedAt = performance.now();
  const say = (line: string): void => {
    process.stdout.write(`${((performance.now() - startedAt) / 1000).toFixed(1).padStart(7)} s  ${line}\n`);
  };
  const faults = [
    async (at: number): Promise<void> => {
      const node = fleet.nodes[at % fleet.nodes.length];
      if (node === undefined) return;
      say(`${node.name} is cut off`);
      fleet.topology.cutHost(node.host);
      await sleep(2_000 + Math.random() * 25_000);
      fleet.topology.healHost(node.host);
    },
    async (at: number): Promise<void> => {
      const node = rig.holder() ?? fleet.nodes[at % fleet.nodes.length];
      say(`the agent of ${node?.name ?? "?"} is stopped`);
      signal(node?.agent?.pid, "SIGSTOP");
      await sleep(1_000 + Math.random() * 25_000);
      signal(node?.agent?.pid, "SIGCONT");
    },
    async (at: number): Promise<void> => {
      const node = rig.holder() ?? fleet.nodes[at % fleet.nodes.length];
      if (node === undefined) return;
      say(`the agent of ${node.name} is killed`);
      fleet.killAgent(node);
      await sleep(Math.random() < 0.5 ? 0 : 20_000);
      await fleet.start(node);
    },
    async (at: number): Promise<void> => {
      const node = fleet.nodes[at % fleet.nodes.length];
      if (node === undefined) return;
      say(`the guard of ${node.name} is killed`);
      for (const pid of guards(node)) signal(pid, "SIGKILL");
      await sleep(1_000);
    },
    async (at: number): Promise<void> => {
      const node = fleet.nodes[at % fleet.nodes.length];
      if (node === undefined) return;
      say(`${node.name} loses power`);
      fleet.powerOff(node);
      await sleep(Math.random() * 15_000);
      await fleet.start(node);
    },
  ];
  try {
    await sleep(15_000);
    while (performance.now() - startedAt < forMs && rig.violations().length === 0) {
      await faults[Math.floor(Math.random() * faults.length)]?.(Math.floor(Math.random() * 1_000));
      await sleep(1_000 + Math.random() * 8_000);
    }
    for (const violation of rig.violations()) say(`VIOLATED: ${violation}`);
    say(`${rig.runs().length} holders, ${rig.violations().length} overlaps`);
    return rig.violations().length === 0 ? 0 : 1;
  } finally {
    rig.remove();
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
