import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Detail } from "../core/records/scope.ts";
import { initMesh } from "../shells/identity-file/init-mesh.ts";
import { startAgent, type AgentOptions, type AgentParts, type RunningAgent } from "./agent.ts";

/** What the tests of this folder share: data folders, agents without workloads, agents as processes. */

/** A runtime that runs nothing and an API that says who asks: for tests of what surrounds them. */
export const bareParts: AgentParts = {
  runtime: () => ({
    name: "none",
    adopt: () => Promise.resolve([]),
    start: () => {},
    stop: () => {},
    arm: () => {},
    logs: () => undefined,
    memoryUse: () => new Map(),
    detach: () => Promise.resolve(),
  }),
  api: () => (_request, response, client) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify(client));
  },
};

export type MeshOptions = { readonly region?: string; readonly detail?: Detail };

export type TestBed = {
  readonly folder: (name: string) => string;
  readonly mesh: (
    name: string,
    options?: MeshOptions & { readonly now?: number; readonly mesh?: string },
  ) => Promise<string>;
  readonly agent: (directory: string, options?: Partial<AgentOptions>) => Promise<RunningAgent>;
  /** Runs `run-agent.ts` in a process of its own. */
  readonly process: (directory: string, env?: { readonly [name: string]: string }) => AgentProcess;
  readonly close: () => Promise<void>;
};

export type AgentProcess = {
  readonly child: ChildProcess;
  /** Resolves with standard error so far once a line matches; rejects when the process ends first. */
  readonly said: (pattern: RegExp) => Promise<string>;
  readonly exit: Promise<{
    readonly code: number | null;
    readonly signal: string | null;
    readonly stderr: string;
  }>;
};

export function createTestBed(): TestBed {
  const root = mkdtempSync(join(tmpdir(), "starlight-app-"));
  const agents: RunningAgent[] = [];
  const children: ChildProcess[] = [];
  return {
    folder: (name) => join(root, name),
    mesh: async (name, { now = Date.now(), mesh = "test", region = "eu", detail } = {}) => {
      const directory = join(root, name);
      const addresses = ["127.0.0.1:7443"];
      await initMesh({
        directory,
        meshName: mesh,
        nodeName: name,
        site: "here",
        region,
        detail,
        addresses,
        now,
      });
      return directory;
    },
    agent: async (directory, options = {}) => {
      const flags = { listen: "127.0.0.1:0", ...options.flags };
      const agent = await startAgent({ parts: bareParts, writeLog: () => {}, ...options, directory, flags });
      agents.push(agent);
      return agent;
    },
    process: (directory, env = {}) => {
      const program = fileURLToPath(new URL("testbed-agent.ts", import.meta.url));
      const child = spawn(process.execPath, [program, directory], {
        env: { ...process.env, STARLIGHT_LISTEN: "127.0.0.1:0", ...env },
        stdio: ["ignore", "ignore", "pipe"],
      });
      children.push(child);
      return watched(child);
    },
    close: async () => {
      for (const agent of agents) await agent.stop();
      for (const child of children) child.kill("SIGKILL");
      rmSync(root, { recursive: true, force: true });
    },
  };
}

function watched(child: ChildProcess): AgentProcess {
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  return {
    child,
    said: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (pattern.test(stderr)) resolve(stderr);
        };
        look();
        child.stderr?.on("data", look);
        child.once("close", () => reject(new Error(`it ended before it said ${String(pattern)}: ${stderr}`)));
      }),
    exit: new Promise((resolve) => {
      child.once("close", (code, signal) => resolve({ code, signal, stderr }));
    }),
  };
}
