import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { podProcesses, quickSettings } from "../../src/cli/demo/fleet.ts";
import { createNetFleet, type NetFleet, type NetNode } from "./net-fleet.ts";

/**
 * Three agents on real networks and one exclusive workload that writes down when it runs, all on one machine
 * with one clock: what is checked is its own word, not what the nodes believe.
 */
export type ExclusiveRig = {
  readonly fleet: NetFleet;
  /** By token, oldest first: who ran, from its first line to its last. */
  readonly runs: () => readonly Run[];
  /** The node whose workload wrote within the last 300 ms; undefined when none did. */
  readonly holder: () => NetNode | undefined;
  /** Every overlap and every token that does not grow, in words. */
  readonly violations: () => readonly string[];
  /** Ids of a node's guard, also when it is stopped. */
  readonly guards: (node: NetNode) => readonly number[];
  readonly remove: () => void;
};

export type Run = {
  readonly token: number;
  readonly node: string;
  readonly from: number;
  readonly to: number;
};

export const leaseForMs = 8_000;

export async function createExclusiveRig(prefix: string): Promise<ExclusiveRig> {
  const settings = {
    ...quickSettings,
    STARLIGHT_LEASE_FOR_MS: String(leaseForMs),
    STARLIGHT_LOST_AFTER_MS: "1000",
  };
  const folder = mkdtempSync(join(tmpdir(), "starlight-exclusive-"));
  const fleet = await createNetFleet(prefix, { alfa: 3 }, settings).catch((error: unknown) => {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  });
  const [first] = fleet.nodes;
  if (first !== undefined) fleet.starlight(first, ["apply", "-f", "-"], manifestOf(folder));

  const runs = (): Run[] =>
    readdirSync(folder)
      .flatMap((file) => {
        const [token = "", node = ""] = file.split("@");
        const lines = readFileSync(join(folder, file), "utf8").split("\n").filter(Boolean).map(Number);
        const [from] = lines;
        const to = lines.at(-1);
        return from === undefined || to === undefined ? [] : [{ token: Number(token), node, from, to }];
      })
      .sort((left, right) => left.token - right.token);

  const holder = (): NetNode | undefined => {
    const last = runs().at(-1);
    return last === undefined || last.to < uptime() - 0.3 ? undefined : fleet.node(last.node);
  };

  return {
    fleet,
    runs,
    holder,
    violations: () => {
      const found: string[] = [];
      for (const [at, run] of runs().entries()) {
        const before = runs()[at - 1];
        if (before === undefined || before.to < run.from) continue;
        found.push(
          `${before.node} under ${before.token} wrote at ${before.to}, ${run.node} under ${run.token} from ${run.from}`,
        );
      }
      return found;
    },
    guards: ({ data }) =>
      readdirSync("/proc").flatMap((name) => {
        try {
          const line = readFileSync(`/proc/${name}/cmdline`, "utf8");
          return line.includes("guard-main") && guardFolder(name).startsWith(data) ? [Number(name)] : [];
        } catch {
          return [];
        }
      }),
    remove: () => {
      for (const { data } of fleet.nodes) for (const { pid } of podProcesses(data)) signal(-pid, "SIGCONT");
      fleet.remove();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const uptime = (): number => Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
const guardFolder = (pid: string): string => readlinkSync(`/proc/${pid}/cwd`);

export function signal(pid: number | undefined, name: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(pid, name);
  } catch {
    // It had ended.
  }
}

/** Writes the machine's time since boot to a file of its token and node, 20 times a second. */
function manifestOf(folder: string): string {
  const script = `while read -r up _ < /proc/uptime; do echo "$up" >> "${folder}/$STARLIGHT_FENCING_TOKEN@$NODE"; sleep 0.05; done`;
  return JSON.stringify({
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: { name: "ledger" },
    spec: {
      replicas: 1,
      serviceName: "ledger",
      selector: { matchLabels: { app: "ledger" } },
      template: {
        metadata: { labels: { app: "ledger" } },
        spec: {
          runtimeClassName: "process",
          terminationGracePeriodSeconds: 1,
          containers: [
            {
              name: "main",
              image: "host",
              command: ["/bin/sh", "-c", script],
              env: [{ name: "NODE", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } }],
            },
          ],
        },
      },
    },
  });
}
