import { spawn, type ChildProcess } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Detail } from "../../core/records/scope.ts";
import { layoutOf } from "../../shells/identity-file/layout.ts";
import { isRunning, startTicksOf, type ProcessId } from "../../shells/runtime-process/processes.ts";
import { connect, type Client } from "../client.ts";
import { createWires, type Wires } from "./wires.ts";

/** Real agents on this machine, one process each, joined by real invites: for the demo, tests and benches. */

export type FleetNode = {
  readonly name: string;
  readonly site: string;
  readonly region: string;
  readonly data: string;
  /** Loopback address of this "machine". */
  readonly address: string;
  readonly advertised: string;
  process: ChildProcess | undefined;
  id: ProcessId | undefined;
};

export type Fleet = {
  readonly directory: string;
  readonly nodes: readonly FleetNode[];
  readonly wires: Wires;
  readonly kubeconfig: string;
  readonly node: (name: string) => FleetNode;
  /** The API of one node, with the administrator's credentials. */
  readonly client: (node: FleetNode) => Promise<Client>;
  readonly start: (node: FleetNode) => Promise<void>;
  /** SIGKILL for the agent and everything it runs: the machine is gone. */
  readonly killMachine: (node: FleetNode) => void;
  /** SIGKILL for the agent alone. */
  readonly killAgent: (node: FleetNode) => void;
  readonly stop: () => Promise<void>;
};

export type FleetLayout = readonly {
  readonly site: string;
  readonly region: string;
  readonly nodes: number;
}[];

/** The command line, as a file that runs. */
export const program = fileURLToPath(new URL("../../../bin/starlight.mjs", import.meta.url));
const prefix = "starlight-demo-";

/** Settings for a network without latency, so that a tour does not take all day. */
export const quickSettings: NodeJS.ProcessEnv = {
  STARLIGHT_PING_EVERY_MS: "500",
  STARLIGHT_SILENT_AFTER_MS: "2000",
  STARLIGHT_REDIAL_MAX_MS: "1500",
  STARLIGHT_COMPARE_EVERY_MS: "2000",
  STARLIGHT_QUIET_PERIOD_MS: "3000",
  STARLIGHT_CLAIM_DELAY_MS: "200",
};

export async function createFleet(
  layout: FleetLayout,
  options: {
    readonly progress: (line: string) => void;
    readonly env?: NodeJS.ProcessEnv;
    readonly detail?: Detail;
  },
): Promise<Fleet> {
  const directory = mkdtempSync(join(tmpdir(), prefix));
  writeFileSync(join(directory, "owner"), ownerText());
  const wires = createWires();
  const env = { ...process.env, ...quickSettings, ...options.env };
  const nodes: FleetNode[] = [];
  for (const [siteAt, { site, region, nodes: count }] of layout.entries()) {
    for (let number = 1; number <= count; number++) {
      const name = `${site}-${number}`;
      const address = `127.1.${siteAt + 1}.${number}`;
      const advertised = await wires.add({ name, site, address });
      const data = join(directory, name);
      mkdirSync(data, { mode: 0o700 });
      nodes.push({ name, site, region, data, address, advertised, process: undefined, id: undefined });
    }
  }
  const [first, ...others] = nodes;
  if (first === undefined) throw new RangeError("a fleet has at least one node");
  const kubeconfig = layoutOf(first.data).kubeconfig;

  const start = async (node: FleetNode): Promise<void> => {
    const log = openSync(join(node.data, "agent.log"), "a");
    rmSync(layoutOf(node.data).agent, { force: true });
    const args = [
      "--listen",
      `${node.address}:0`,
      "--advertise",
      node.advertised,
      "--dial-from",
      node.address,
    ];
    const child = spawn(process.execPath, [program, "--data", node.data, "agent", ...args], {
      env,
      stdio: ["ignore", log, log],
      detached: true,
    });
    closeSync(log);
    child.unref();
    node.process = child;
    node.id =
      child.pid === undefined ? undefined : { pid: child.pid, startTicks: startTicksOf(child.pid) ?? "" };
    saveRun(directory, nodes);
    const { port } = await running(node);
    wires.plug(node.name, { host: node.address, port });
  };

  const client = async (node: FleetNode): Promise<Client> => {
    const { port } = await running(node);
    return connect({ data: first.data, kubeconfig, server: `${node.address}:${port}` });
  };

  const killAgent = (node: FleetNode): void => {
    if (node.id !== undefined && isRunning(node.id)) process.kill(node.id.pid, "SIGKILL");
    node.process = undefined;
  };

  options.progress(`${first.name} makes the mesh`);
  const advertise = (node: FleetNode): string[] => ["--advertise", node.advertised];
  await run([
    "--data",
    first.data,
    "init",
    "--mesh",
    "demo",
    "--name",
    first.name,
    "--site",
    first.site,
    "--region",
    first.region,
    "--detail",
    options.detail ?? "mesh",
    ...advertise(first),
  ]);
  await start(first);
  const server = await client(first);
  const join1 = async (node: FleetNode): Promise<void> => {
    const order = { site: node.site, region: node.region, ttlMs: 600_000, uses: 1 };
    const { text } = await server.call("POST", "/starlight/v1/invites", order);
    const { invite } = JSON.parse(text) as { invite: string };
    await run(["--data", node.data, "join", invite, "--name", node.name, ...advertise(node)]);
    await start(node);
    options.progress(`${node.name} joined site ${node.site} with an invite`);
  };
  for (const node of others) await join1(node);

  return {
    directory,
    nodes,
    wires,
    kubeconfig,
    node: (name) => {
      const found = nodes.find((node) => node.name === name);
      if (found === undefined) throw new RangeError(`no node ${name}`);
      return found;
    },
    client,
    start,
    killAgent,
    killMachine: (node) => {
      killAgent(node);
      killPods(node.data);
    },
    stop: async () => {
      for (const node of nodes) {
        killAgent(node);
        killPods(node.data);
      }
      wires.close();
      await new Promise((resolve) => setTimeout(resolve, 50));
      rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Cleans up after runs whose demo is gone: their agents, their workloads, their folders, nothing else. */
export function removeLeftovers(): number {
  let removed = 0;
  for (const name of readdirSync(tmpdir())) {
    const directory = join(tmpdir(), name);
    if (!name.startsWith(prefix) || !existsSync(join(directory, "owner"))) continue;
    const owner = processIdOf(readFileSync(join(directory, "owner"), "utf8"));
    if (owner !== undefined && isRunning(owner)) continue;
    for (const id of savedRun(directory)) if (isRunning(id)) process.kill(id.pid, "SIGKILL");
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (entry.isDirectory()) killPods(join(directory, entry.name));
    }
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    removed++;
  }
  return removed;
}

/** The pids of a node's workloads, from its own notes. */
export function podProcesses(data: string): ProcessId[] {
  const { pods } = layoutOf(data);
  if (!existsSync(pods)) return [];
  return readdirSync(pods).flatMap((uid) => {
    try {
      const file = JSON.parse(readFileSync(join(pods, uid, "pod.json"), "utf8")) as {
        containers: { [name: string]: { process?: ProcessId } };
      };
      return Object.values(file.containers).flatMap(({ process: id }) => id ?? []);
    } catch {
      return [];
    }
  });
}

function killPods(data: string): void {
  for (const id of podProcesses(data)) {
    if (!isRunning(id)) continue;
    try {
      process.kill(-id.pid, "SIGKILL");
    } catch {
      // It ended by itself.
    }
  }
}

async function running(node: FleetNode): Promise<{ port: number }> {
  const file = layoutOf(node.data).agent;
  for (let tries = 0; tries < 400; tries++) {
    try {
      return JSON.parse(readFileSync(file, "utf8")) as { port: number };
    } catch {
      if (node.process === undefined || node.process.exitCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
  const log = join(node.data, "agent.log");
  throw new Error(
    `${node.name} did not start:\n${existsSync(log) ? readFileSync(log, "utf8").slice(-2000) : ""}`,
  );
}

function run(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
    child.on("error", reject);
    child.on("exit", (code) =>
      code === 0 ? resolve(text) : reject(new Error(`starlight ${args.join(" ")} failed:\n${text}`)),
    );
  });
}

const ownerText = (): string =>
  JSON.stringify({ pid: process.pid, startTicks: startTicksOf(process.pid) ?? "" });

function processIdOf(text: string): ProcessId | undefined {
  try {
    return JSON.parse(text) as ProcessId;
  } catch {
    return undefined;
  }
}

function saveRun(directory: string, nodes: readonly FleetNode[]): void {
  writeFileSync(join(directory, "run.json"), JSON.stringify(nodes.flatMap(({ id }) => id ?? [])));
}

function savedRun(directory: string): ProcessId[] {
  try {
    return JSON.parse(readFileSync(join(directory, "run.json"), "utf8")) as ProcessId[];
  } catch {
    return [];
  }
}
