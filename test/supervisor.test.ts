import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { exitCodes } from "../src/app/exit-codes.ts";
import { program } from "../src/cli/demo/fleet.ts";
import { eventually } from "./support/poll.ts";

/** `starlight agent --supervise`: the real agent below the real shell script, killed and stopped. */

const folder = mkdtempSync(join(tmpdir(), "starlight-supervisor-"));
const data = join(folder, "node");

before(() => {
  const init = ["--data", data, "init", "--site", "lab", "--name", "lab-1", "--advertise", "127.0.0.1:7443"];
  assert.equal(spawnSync(process.execPath, [program, ...init]).status, 0);
});
after(() => rmSync(folder, { recursive: true, force: true }));

test("an agent that is killed, and one that stands still for 6 looks, is started again", () =>
  supervised(async (supervisor) => {
    const first = await agentPid();
    assert.equal(parentOf(first), supervisor.pid);
    process.kill(first, "SIGKILL");
    const second = await agentPid(first);
    process.kill(second, "SIGSTOP");
    const third = await agentPid(second);
    assert.equal(isAlive(second), false);
    supervisor.kill("SIGTERM");
    assert.equal(await codeOf(supervisor), 0);
    assert.equal(isAlive(third), false);
  }));

test("an agent whose supervisor was killed ends by itself", () =>
  supervised(async (supervisor) => {
    const agent = await agentPid();
    supervisor.kill("SIGKILL");
    await eventually("the agent's end", () => Promise.resolve(!isAlive(agent)));
  }));

test("what only people can repair ends the supervisor with the agent's code", async () => {
  const empty = join(folder, "empty");
  const args = [program, "--data", empty, "agent", "--supervise"];
  const supervisor = spawn(process.execPath, args, { stdio: "ignore" });
  assert.equal(await codeOf(supervisor), exitCodes.notInitialised);
});

async function supervised(body: (supervisor: ChildProcess) => Promise<void>): Promise<void> {
  const args = [program, "--data", data, "agent", "--supervise", "--listen", "127.0.0.1:0"];
  const env = { ...process.env, STARLIGHT_LOOK_SECONDS: "0.5" };
  const supervisor = spawn(process.execPath, args, { stdio: "ignore", env });
  try {
    await body(supervisor);
  } finally {
    supervisor.kill("SIGTERM");
  }
}

/** The process id of the agent that runs, once it is another than the one before. */
async function agentPid(before?: number): Promise<number> {
  let pid = 0;
  await eventually("an agent", () => {
    try {
      pid = (JSON.parse(readFileSync(join(data, "agent.json"), "utf8")) as { readonly pid: number }).pid;
    } catch {
      return Promise.resolve(false);
    }
    return Promise.resolve(pid !== before && isAlive(pid));
  });
  return pid;
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

const parentOf = (pid: number): number =>
  Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);

const codeOf = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => child.once("exit", (code) => resolve(code)));
