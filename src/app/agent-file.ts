import { existsSync, rmSync } from "node:fs";
import { parseJson } from "../core/kernel/json.ts";
import { fields, integer, text, type Shaped } from "../core/kernel/shape.ts";
import { readText, writeDurably } from "../shells/identity-file/durable-files.ts";
import { layoutOf } from "../shells/identity-file/layout.ts";

const agentFile = fields({
  pid: integer(1, 2 ** 31),
  port: integer(1, 65_535),
  /** `host:port` on which this machine itself reaches the agent. */
  local: text(300),
  startedAt: integer(0, Number.MAX_SAFE_INTEGER),
});

/** Where the running agent of a data folder listens: `agent.json`, for programs on the same machine. */
export type AgentFile = Shaped<typeof agentFile>;

export function writeAgentFile(directory: string, agent: AgentFile): void {
  writeDurably(layoutOf(directory).agent, `${JSON.stringify(agent)}\n`);
}

export function removeAgentFile(directory: string): void {
  rmSync(layoutOf(directory).agent, { force: true });
}

/** The agent that runs on this folder; undefined when none does (a killed one leaves its file). */
export function findAgent(directory: string): AgentFile | undefined {
  const path = layoutOf(directory).agent;
  if (!existsSync(path)) return undefined;
  const agent = agentFile(parseJson(Buffer.from(readText(path))));
  return agent !== undefined && isAlive(agent.pid) ? agent : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
