import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, afterEach, describe, test } from "node:test";
import type { PodReport, PodStart } from "../../core/node/contract.ts";
import type { Runtime } from "../../ports/runtime.ts";
import { createProcessRuntime } from "../runtime-process/create-process-runtime.ts";
import { createBootClock } from "./boot-clock.ts";

const clock = createBootClock();

test("the clock since boot agrees with /proc/uptime and never goes back", () => {
  let last = 0;
  for (let round = 0; round < 2_000; round++) {
    const now = clock.now();
    assert.ok(now >= last);
    last = now;
  }
  const uptimeMs = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1_000;
  assert.ok(Math.abs(uptimeMs - clock.now()) < 1_000);
});

describe("an exclusive pod under the guard", () => {
  let folder = "";
  let runtime: Runtime;
  const reports = new Map<string, PodReport>();

  const make = (): Runtime =>
    createProcessRuntime({
      directory: join(folder, "pods"),
      address: "127.0.0.1",
      cgroups: "off",
      events: { report: (report) => reports.set(report.uid, report), gone: (uid) => reports.delete(uid) },
      log: () => {},
      timing: { backoffFirstMs: 100 },
    });

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "starlight-guard-"));
    runtime = make();
    await runtime.adopt();
  });

  afterEach(async () => {
    for (const uid of reports.keys()) runtime.stop(uid, 0);
    await until(() => reports.size === 0);
    await runtime.detach();
    for (const pid of guards(folder)) process.kill(pid, "SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });

  const start = (uid: string, command: readonly string[], heldFor: number, token = 7): PodStart => {
    const pod = podOf(uid, command, clock.now() + heldFor, token);
    runtime.start(pod);
    return pod;
  };
  const pidOf = (uid: string): number | undefined => reports.get(uid)?.containers[0]?.pid;

  test("is ended when its time is over, whatever signals it ignores, and is not started again", async () => {
    const marks = join(folder, "marks");
    start("stubborn", ["sh", "-c", `echo 1 >> ${marks}; trap '' TERM; while :; do sleep 0.05; done`], 1_500);
    await until(() => pidOf("stubborn") !== undefined);
    const pid = pidOf("stubborn") ?? 0;
    await until(() => !isAlive(pid));
    // The runtime tries to start it again, the guard says no before the program runs, and the pod is given up.
    await until(() => !reports.has("stubborn"));
    assert.equal(existsSync(join(folder, "pods", "stubborn")), false);
    assert.equal(readFileSync(marks, "utf8"), "1\n");
  });

  test("runs on while it is armed, and its file says until when", async () => {
    const pod = start("steady", ["sleep", "1000"], 1_200);
    await until(() => pidOf("steady") !== undefined);
    const pid = pidOf("steady") ?? 0;
    for (let round = 0; round < 8; round++) {
      runtime.arm("steady", clock.now() + 1_200);
      await sleep(300);
    }
    assert.ok(isAlive(pid));
    const said = JSON.parse(readFileSync(join(folder, "pods", "steady", "fence.json"), "utf8")) as object;
    assert.deepEqual({ ...said, heldUntilUptimeMs: 0 }, { name: "db", token: 7, heldUntilUptimeMs: 0 });
    assert.ok((said as { heldUntilUptimeMs: number }).heldUntilUptimeMs > (pod.fence?.until ?? 0));
    await until(() => !isAlive(pid));
  });

  test("is adopted with its guard by the next agent, and a killed guard is replaced", async () => {
    start("heir", ["sleep", "1000"], 60_000);
    await until(() => pidOf("heir") !== undefined);
    const pid = pidOf("heir") ?? 0;
    await runtime.detach();
    runtime = make();
    assert.equal((await runtime.adopt()).length, 1);
    const [guard] = guards(folder);
    assert.ok(guard !== undefined);
    process.kill(guard, "SIGKILL");
    await until(() => guards(folder).some((other) => other !== guard));
    assert.ok(isAlive(pid));
  });

  describe("with the guard stopped too", () => {
    const store = { token: 0, writes: [] as number[], refused: [] as number[] };
    const server = createServer((request, response) => {
      const token = Number(request.headers["x-fencing-token"]);
      const taken = token >= store.token;
      if (taken) store.token = token;
      (taken ? store.writes : store.refused).push(token);
      response.writeHead(taken ? 200 : 409).end();
    });
    before(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)));
    after(() => new Promise((resolve) => server.close(resolve)));

    test("it runs beyond its time, and only a store that checks tokens is safe from it", async () => {
      const address = server.address();
      const port = typeof address === "object" ? address?.port : 0;
      const write = `setInterval(() => fetch("http://127.0.0.1:${port}", { method: "POST", headers: { "x-fencing-token": process.env.STARLIGHT_FENCING_TOKEN } }).catch(() => {}), 50)`;
      start("old", [process.execPath, "-e", write], 3_000, 7);
      await until(() => store.writes.includes(7));
      const [guard] = guards(folder);
      assert.ok(guard !== undefined);
      process.kill(guard, "SIGSTOP");
      const pid = pidOf("old") ?? 0;
      await sleep(3_500);
      assert.ok(isAlive(pid), "nothing ends it");
      // The next owner, as on another node with a guard of its own.
      await fetch(`http://127.0.0.1:${port}`, { method: "POST", headers: { "x-fencing-token": "8" } });
      const before = store.writes.length;
      await until(() => store.refused.length >= 5);
      assert.deepEqual(new Set(store.refused), new Set([7]));
      assert.equal(store.writes.length, before);
      process.kill(guard, "SIGCONT");
      await until(() => !isAlive(pid));
    });
  });
});

function podOf(uid: string, command: readonly string[], heldUntil: number, token: number): PodStart {
  return {
    uid,
    namespace: "default",
    name: "db-0",
    spec: { containers: [{ name: "main", image: "x", command: [...command] }] },
    labels: {},
    files: {},
    env: { main: { STARLIGHT_FENCING_TOKEN: String(token) } },
    fence: { name: "db", token, until: heldUntil },
  };
}

/** The guards whose folder is below this one. */
function guards(folder: string): number[] {
  return readdirSync("/proc").flatMap((name) => {
    try {
      const line = readFileSync(`/proc/${name}/cmdline`, "utf8");
      const cwd = line.includes("guard-main") ? readlinkSync(`/proc/${name}/cwd`) : "";
      return cwd.startsWith(folder) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 1_500; tries++) {
    if (holds()) return;
    await sleep(20);
  }
  assert.fail(`never: ${holds.toString()}`);
}
