import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChildProcess } from "node:child_process";
import { podProcesses, program, quickSettings } from "../../src/cli/demo/fleet.ts";
import { layoutOf } from "../../src/shells/identity-file/layout.ts";
import { createTopology, type NetHost, type Topology } from "./netns.ts";
import { eventually } from "./poll.ts";

/** Agents in network namespaces, driven as a user does it: with the command line, on the machine itself. */
export type NetNode = {
  readonly name: string;
  readonly site: string;
  host: NetHost;
  readonly data: string;
  agent: ChildProcess | undefined;
};

export type NetFleet = {
  readonly topology: Topology;
  readonly nodes: readonly NetNode[];
  readonly node: (name: string) => NetNode;
  /** Runs `starlight` on a node's machine against its own agent; returns what it printed. */
  readonly starlight: (node: NetNode, args: readonly string[], input?: string) => string;
  /** @param more Variables of this agent alone. */
  readonly start: (node: NetNode, more?: NodeJS.ProcessEnv) => Promise<void>;
  /** `kill -9` of the agent. */
  readonly killAgent: (node: NetNode) => void;
  /** `kill -9` of the agent and of all it runs: the machine lost power. */
  readonly powerOff: (node: NetNode) => void;
  readonly remove: () => void;
};

const port = 7070;
/** In a large fleet, every agent that runs wants its share of the processor when one more comes. */
const joinsAtOnce = (nodes: number): number => (nodes > 24 ? 2 : 4);
const joinTriesMax = 6;

export async function createNetFleet(
  prefix: string,
  sizes: { readonly [site: string]: number },
  settings: NodeJS.ProcessEnv = quickSettings,
  options: {
    /** What the network is to be before anybody starts. */
    readonly prepare?: (topology: Topology) => void;
    /** Listen on every address and tell those of the interfaces, instead of the one the host has now. */
    readonly everyAddress?: boolean;
  } = {},
): Promise<NetFleet> {
  const directory = mkdtempSync(join(tmpdir(), "starlight-net-"));
  const topology = createTopology(prefix, sizes);
  options.prepare?.(topology);
  const env = { ...process.env, ...settings };
  const nodes = Object.entries(topology.sites).flatMap(([site, hosts]) =>
    hosts.map((host, at): NetNode => {
      const name = `${site}-${at + 1}`;
      return { name, site, host, data: join(directory, name), agent: undefined };
    }),
  );
  for (const node of nodes) mkdirSync(node.data, { mode: 0o700 });
  const [first] = nodes;
  if (first === undefined) throw new RangeError("a fleet has at least one node");
  const { kubeconfig } = layoutOf(first.data);

  const run = (node: NetNode, args: readonly string[], input = ""): string =>
    topology.run(node.host, process.execPath, [program, "--data", node.data, ...args], { env, input });
  const starlight: NetFleet["starlight"] = (node, args, input) => {
    const server = ["--kubeconfig", kubeconfig, "--server", `${node.host.address}:${port}`];
    return run(node, [...server, ...args], input);
  };
  const start: NetFleet["start"] = async (node, more = {}) => {
    const log = openSync(join(node.data, "agent.log"), "a");
    rmSync(layoutOf(node.data).agent, { force: true });
    const everywhere = ["--listen", `0.0.0.0:${port}`];
    const here = ["--listen", `${node.host.address}:${port}`, "--advertise", `${node.host.address}:${port}`];
    const listen = options.everyAddress === true ? everywhere : here;
    const args = [program, "--data", node.data, "agent", ...listen];
    node.agent = topology.spawn(node.host, process.execPath, args, {
      env: { ...env, ...more },
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    await eventually(`${node.name} runs`, () => {
      if (node.agent?.exitCode !== null) throw new Error(readFileSync(join(node.data, "agent.log"), "utf8"));
      return readFileSync(layoutOf(node.data).agent, "utf8").includes(String(port));
    });
  };
  const killAgent = (node: NetNode): void => {
    if (node.agent?.pid !== undefined && node.agent.exitCode === null) node.agent.kill("SIGKILL");
    node.agent = undefined;
  };
  const powerOff = (node: NetNode): void => {
    killAgent(node);
    for (const { pid } of podProcesses(node.data)) {
      try {
        process.kill(-pid, "SIGKILL");
      } catch {
        // It had ended.
      }
    }
  };
  const fleet: NetFleet = {
    topology,
    nodes,
    node: (name) => {
      const found = nodes.find((node) => node.name === name);
      if (found === undefined) throw new RangeError(`no node ${name}`);
      return found;
    },
    starlight,
    start,
    killAgent,
    powerOff,
    remove: () => {
      for (const node of nodes) powerOff(node);
      topology.remove();
      rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  try {
    const advertise = (node: NetNode): string[] => ["--advertise", `${node.host.address}:${port}`];
    run(first, [
      "init",
      "--mesh",
      "net",
      "--name",
      first.name,
      "--site",
      first.site,
      "--region",
      "north",
      ...advertise(first),
    ]);
    await start(first);
    const inviteBySite = new Map<string, string>();
    const inviteFor = (site: string): string => {
      const uses = ["--uses", String(nodes.length)];
      const said = starlight(first, ["invite", "--site", site, "--region", "north", ...uses, "-o", "json"]);
      return (JSON.parse(said) as { invite: string }).invite;
    };
    for (let at = 1; at < nodes.length; at += joinsAtOnce(nodes.length)) {
      const batch = nodes.slice(at, at + joinsAtOnce(nodes.length)).map(async (node) => {
        const line = inviteBySite.get(node.site) ?? inviteFor(node.site);
        inviteBySite.set(node.site, line);
        const args = ["--data", node.data, "join", line, "--name", node.name, ...advertise(node)];
        for (let tries = 1; ; tries++) {
          const joining = topology.spawn(node.host, process.execPath, [program, ...args], {
            env,
            stdio: "ignore",
          });
          await once(joining, "exit");
          if (joining.exitCode === 0) break;
          // A machine that is busy with dozens of agents may be late once; asking again gets the same answer.
          if (tries === joinTriesMax) throw new Error(`${node.name} could not join: ${joining.exitCode}`);
          await new Promise((resolve) => setTimeout(resolve, tries * 500));
        }
        await start(node);
      });
      await Promise.all(batch);
    }
  } catch (error) {
    fleet.remove();
    throw error;
  }
  return fleet;
}
