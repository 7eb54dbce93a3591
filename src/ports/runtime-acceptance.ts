import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import type { Duration } from "../core/kernel/time.ts";
import type { JsonObject } from "../core/kernel/json.ts";
import type { PodReport } from "../core/node/contract.ts";
import {
  type RuntimePlace,
  type TestBed,
  deadlineMs,
  withRuntime,
  eventually,
  logOf,
  isAlive,
  isRunning,
  pidOf,
  sleep,
  waitForFlag,
  ticking,
  family,
  familyOf,
  servers,
} from "./runtime-testbed.ts";

/** What every runtime that runs programs of this host must do. */
export function runtimeAcceptance(name: string, makePlace: () => Promise<RuntimePlace>): void {
  const check = (what: string, body: (bed: TestBed) => Promise<void>): void =>
    void test(`${name}: ${what}`, () => withRuntime(makePlace, body));

  check("a program gets its arguments and its environment, and runs", async ({ open, pod }) => {
    const { runtime, until } = await open();
    const start = pod(["/bin/sh", "-c", 'echo "$0 $1 $COLOUR"; exec sleep 1000', "first", "second"]);
    runtime.start({ ...start, env: { main: { ...start.env["main"], COLOUR: "green" } } });
    const report = await until(start.uid, "running", isRunning);
    assert.equal(report.ready, true);
    assert.equal(report.containers[0]?.name, "main");
    assert.ok(isAlive(pidOf(report)));
    await eventually("its line", async () => (await logOf(runtime, start.uid)) === "first second green\n");
  });

  check("output and errors are kept in one log, whole or its last 2 lines", async ({ open, pod }) => {
    const { runtime } = await open();
    const start = pod(["/bin/sh", "-c", "echo 1; echo 2 >&2; echo 3; echo 4 >&2; exec sleep 1000"]);
    runtime.start(start);
    await eventually("4 lines", async () => (await logOf(runtime, start.uid)) === "1\n2\n3\n4\n");
    assert.equal(await logOf(runtime, start.uid, { tailLines: 2 }), "3\n4\n");
    assert.equal(await logOf(runtime, start.uid, { tailLines: 9 }), "1\n2\n3\n4\n");
    assert.equal(await logOf(runtime, start.uid, { tailLines: 0 }), "");
    assert.equal(await logOf(runtime, start.uid, { container: "main" }), "1\n2\n3\n4\n");
    assert.equal(runtime.logs(start.uid, { container: "other", follow: false }), undefined);
    assert.equal(runtime.logs("nobody", { follow: false }), undefined);
  });

  check(
    "64 MiB that a child of the program holds count as the pod's memory; a stopped pod has none",
    async ({ open, pod }) => {
      const { runtime, until, stopped } = await open();
      const holder = "const held = Buffer.alloc(64 * 2 ** 20, 1); setInterval(() => held, 1000)";
      const holding = pod(["/bin/sh", "-c", 'node -e "$HOLDER" & wait']);
      const small = pod(["/bin/sh", "-c", "exec sleep 1000"]);
      runtime.start({ ...holding, env: { main: { ...holding.env["main"], HOLDER: holder } } });
      runtime.start(small);
      await until(small.uid, "running", isRunning);
      const used = (uid: string): number => runtime.memoryUse().get(uid) ?? 0;
      await eventually("its memory", () => Promise.resolve(used(holding.uid) >= 64 * 2 ** 20));
      assert.ok(used(small.uid) > 0 && used(small.uid) < 32 * 2 ** 20, String(used(small.uid)));
      await stopped(holding.uid, 0);
      assert.equal(runtime.memoryUse().has(holding.uid), false);
    },
  );

  check("a followed log goes on with what comes later, until it is aborted", async ({ open, pod, flag }) => {
    const { runtime, until } = await open();
    const start = pod(["/bin/sh", "-c", `echo early; ${waitForFlag}; echo late; exec sleep 1000`]);
    runtime.start(start);
    await until(start.uid, "running", isRunning);
    const stop = new AbortController();
    let text = "";
    for await (const bytes of runtime.logs(start.uid, { follow: true, signal: stop.signal }) ?? []) {
      text += new TextDecoder().decode(bytes);
      if (text === "early\n") writeFileSync(flag, "");
      if (text === "early\nlate\n") stop.abort();
    }
    assert.equal(text, "early\nlate\n");
  });

  check("a followed log ends when its pod is gone", async ({ open, pod }) => {
    const { runtime, until, stopped } = await open();
    const start = pod(["/bin/sh", "-c", "echo only; exec sleep 1000"]);
    runtime.start(start);
    await until(start.uid, "running", isRunning);
    await eventually("its line", async () => (await logOf(runtime, start.uid)) === "only\n");
    const followed = logOf(runtime, start.uid, { follow: true });
    await stopped(start.uid, 5_000);
    assert.equal(await followed, "only\n");
  });

  check("an exit is reported with its code, and the program starts again", async ({ open, pod, flag }) => {
    const { runtime, until } = await open();
    const start = pod(["/bin/sh", "-c", `${waitForFlag}; rm "$FLAG"; exit 3`]);
    runtime.start(start);
    const first = await until(start.uid, "running", isRunning);
    writeFileSync(flag, "");
    const ended = await until(
      start.uid,
      "an exit",
      ({ containers }) => containers[0]?.exitCode !== undefined,
    );
    assert.equal(ended.containers[0]?.exitCode, 3);
    assert.equal(ended.containers[0]?.state, "waiting");
    assert.equal(ended.containers[0]?.restarts, 1);
    assert.equal(ended.ready, false);
    assert.equal(ended.reason, "CrashLoopBackOff");
    const second = await until(start.uid, "a restart", (it) => isRunning(it) && pidOf(it) !== pidOf(first));
    assert.equal(second.containers[0]?.restarts, 1);
    assert.equal(second.ready, true);
  });

  check("6 crashes in a row are followed by waits of 50, 100 and then 200 ms", async ({ open, pod }) => {
    const { runtime, until, reports } = await open();
    const start = pod(["/bin/sh", "-c", "exit 0"]);
    runtime.start(start);
    await until(start.uid, "6 restarts", (it) => it.containers[0]?.restarts === 6 && isRunning(it));
    const waits = [1, 2, 3, 4, 5, 6].map((restarts) => {
      const of = reports(start.uid).filter(({ containers }) => containers[0]?.restarts === restarts);
      const ended = of.find(({ containers }) => containers[0]?.state === "waiting")?.containers[0];
      const again = of.find(isRunning)?.containers[0];
      return (again?.startedAt ?? Number.NaN) - (ended?.finishedAt ?? Number.NaN);
    });
    const least = [50, 100, 200, 200, 200, 200];
    // Timers count from the start of the turn they were set in; without a cap the last wait would be 1,600.
    for (const [at, wait] of waits.entries()) assert.ok(wait >= (least[at] ?? 0) - 20, waits.join(" "));
    assert.ok((waits[5] ?? Number.NaN) < 1_500, waits.join(" "));
  });

  const probes: { readonly [type: string]: JsonObject } = {
    http: { httpGet: { path: "/health", port: "web" } },
    tcp: { tcpSocket: { port: "door" } },
    exec: { exec: { command: ["/bin/sh", "-c", 'test -e "$FLAG"'] } },
  };
  for (const [type, probe] of Object.entries(probes)) {
    check(`a pod is ready while its ${type} readiness probe passes, and only then`, async (bed) => {
      const { runtime, until, reports } = await bed.open();
      const start = bed.pod([process.execPath, "-e", servers], {
        ports: [
          { name: "web", containerPort: 80 },
          { name: "door", containerPort: 81 },
        ],
        readinessProbe: { ...probe, periodSeconds: 1, failureThreshold: 1 },
      });
      runtime.start(start);
      await until(start.uid, "running", isRunning);
      await eventually("both ports", async () => (await logOf(runtime, start.uid)).includes("listening"));
      assert.ok(reports(start.uid).every(({ ready }) => !ready));
      writeFileSync(bed.flag, "");
      await until(start.uid, "ready", ({ ready }) => ready);
      const before = reports(start.uid).length;
      rmSync(bed.flag);
      await until(start.uid, "unready", (it) => reports(start.uid).indexOf(it) >= before && !it.ready);
      assert.equal(reports(start.uid).at(-1)?.containers[0]?.restarts, 0);
    });
  }

  check("a pod whose liveness probe fails is killed and starts again, and says why", async (bed) => {
    const { runtime, until } = await bed.open();
    const start = bed.pod(
      ["/bin/sh", "-c", 'trap "" TERM; rm -f "$FLAG"; echo up; while :; do sleep 0.05; done'],
      {
        livenessProbe: {
          exec: { command: ["/bin/sh", "-c", 'test ! -e "$FLAG"'] },
          periodSeconds: 1,
          failureThreshold: 1,
        },
      },
    );
    runtime.start(start);
    const first = await until(start.uid, "running", isRunning);
    await eventually("its trap", async () => (await logOf(runtime, start.uid)) === "up\n");
    writeFileSync(bed.flag, "");
    const ended = await until(start.uid, "killed", ({ containers }) => (containers[0]?.restarts ?? 0) > 0);
    assert.match(ended.message ?? "", /liveness probe/);
    assert.equal(ended.containers[0]?.exitCode, 137);
    const second = await until(start.uid, "a restart", (it) => isRunning(it) && pidOf(it) !== pidOf(first));
    assert.ok(!isAlive(pidOf(first)));
    assert.ok(isAlive(pidOf(second)));
  });

  check("a startup probe holds readiness and liveness back until it passes", async (bed) => {
    const { runtime, until, reports } = await bed.open();
    const start = bed.pod(["/bin/sh", "-c", "exec sleep 1000"], {
      startupProbe: { exec: { command: ["/bin/sh", "-c", 'test -e "$FLAG"'] }, failureThreshold: 1_000 },
      livenessProbe: { exec: { command: ["/bin/sh", "-c", 'test -e "$FLAG"'] }, failureThreshold: 1 },
    });
    runtime.start(start);
    await until(start.uid, "running", isRunning);
    await sleep(300);
    assert.ok(reports(start.uid).every(({ ready }) => !ready));
    writeFileSync(bed.flag, "");
    const ready = await until(start.uid, "ready", (it) => it.ready);
    assert.equal(ready.containers[0]?.restarts, 0);
  });

  check("stop asks with SIGTERM, and a program that ends is gone long before its grace", async (bed) => {
    const { runtime, until, stopped } = await bed.open();
    const program = `trap 'echo bye > "$FLAG"; exit 0' TERM; echo up; while :; do sleep 0.02; done`;
    const start = bed.pod(["/bin/sh", "-c", program]);
    runtime.start(start);
    const report = await until(start.uid, "running", isRunning);
    await eventually("its trap", async () => (await logOf(runtime, start.uid)) === "up\n");
    const asked = performance.now();
    await stopped(start.uid, 60_000);
    assert.ok(performance.now() - asked < deadlineMs);
    assert.equal(readFileSync(bed.flag, "utf8"), "bye\n");
    assert.ok(!isAlive(pidOf(report)));
    assert.equal(runtime.logs(start.uid, { follow: false }), undefined);
  });

  check("stop kills what ignores SIGTERM after 300 ms, children and grandchildren too", async (bed) => {
    const { runtime, stopped } = await bed.open();
    const start = bed.pod(["/bin/sh", "-c", `trap "" TERM; ${family}; wait`]);
    runtime.start(start);
    const pids = await familyOf(bed.flag);
    const asked = performance.now();
    await stopped(start.uid, 300);
    assert.ok(performance.now() - asked >= 295);
    assert.deepEqual(pids.filter(isAlive), []);
  });

  check("a grandchild that ignores SIGTERM dies though its parent ended at once", async (bed) => {
    const { runtime, stopped } = await bed.open();
    const stubborn = family.replaceAll("sleep 1000", 'trap "" TERM; while :; do sleep 1; done');
    const start = bed.pod(["/bin/sh", "-c", `trap 'exit 0' TERM; ${stubborn}; while :; do sleep 0.02; done`]);
    runtime.start(start);
    const pids = await familyOf(bed.flag);
    await stopped(start.uid, 300);
    assert.deepEqual(pids.filter(isAlive), []);
  });

  check("what an ended program left behind is gone when it starts again", async (bed) => {
    const { runtime, until } = await bed.open();
    const once = 'if [ -e "$FLAG.1" ]; then exec sleep 1000; fi';
    const start = bed.pod(["/bin/sh", "-c", `${once}; ${family}; exit 1`]);
    runtime.start(start);
    const pids = await familyOf(bed.flag);
    await until(start.uid, "a restart", (it) => isRunning(it) && it.containers[0]?.restarts === 1);
    assert.deepEqual(pids.filter(isAlive), []);
  });

  check("start and stop are idempotent, and stop of an unknown pod says gone", async ({ open, pod }) => {
    const { runtime, until, reports, isGone, stopped } = await open();
    const start = pod(["/bin/sh", "-c", "echo up; exec sleep 1000"]);
    runtime.start(start);
    runtime.start(start);
    const first = await until(start.uid, "running", isRunning);
    runtime.start(start);
    await eventually("its line", async () => (await logOf(runtime, start.uid)) === "up\n");
    await sleep(100);
    assert.equal(await logOf(runtime, start.uid), "up\n");
    assert.deepEqual([...new Set(reports(start.uid).map(pidOf))], [pidOf(first)]);
    runtime.stop(start.uid, 5_000 as Duration);
    await stopped(start.uid, 5_000);
    await stopped("never-started", 0);
    assert.ok(isGone("never-started"));
  });

  check("a pod stopped in the same turn as it was started leaves nothing", async ({ open, pod, flag }) => {
    const { runtime, stopped } = await open();
    const start = pod(["/bin/sh", "-c", 'echo $$$$ > "$FLAG"; exec sleep 1000']);
    runtime.start(start);
    await stopped(start.uid, 0);
    if (existsSync(flag)) assert.ok(!isAlive(Number(readFileSync(flag, "utf8"))));
    assert.equal(runtime.logs(start.uid, { follow: false }), undefined);
  });

  check("the next runtime adopts a running pod: same process, restarts, log, and probes", async (bed) => {
    const first = await bed.open();
    const start = bed.pod(["/bin/sh", "-c", `[ -e "$FLAG.1" ] || { : > "$FLAG.1"; exit 1; }; ${ticking}`], {
      readinessProbe: { exec: { command: ["/bin/sh", "-c", 'test -e "$FLAG"'] }, periodSeconds: 1 },
    });
    writeFileSync(bed.flag, "");
    first.runtime.start(start);
    const restarted = ({ ready, containers }: PodReport): boolean => ready && containers[0]?.restarts === 1;
    const before = await first.until(start.uid, "a restart", restarted);
    await first.runtime.detach();
    assert.ok(isAlive(pidOf(before)));
    const said = first.reports(start.uid).length;

    const second = await bed.open();
    assert.deepEqual(
      second.adopted.map((it) => [it.uid, pidOf(it), it.containers[0]?.restarts, it.phase]),
      [[start.uid, pidOf(before), 1, "Running"]],
    );
    await second.until(start.uid, "ready again", ({ ready }) => ready);
    const log = await logOf(second.runtime, start.uid);
    await eventually("more log", async () => (await logOf(second.runtime, start.uid)).length > log.length);
    await second.stopped(start.uid, 5_000);
    assert.ok(!isAlive(pidOf(before)));
    assert.equal(first.reports(start.uid).length, said);
  });

  check("an adopted program's exit is reported with its code, and it starts again", async (bed) => {
    const first = await bed.open();
    const start = bed.pod(["/bin/sh", "-c", `${waitForFlag}; rm "$FLAG"; exit 7`]);
    first.runtime.start(start);
    const before = await first.until(start.uid, "running", isRunning);
    await first.runtime.detach();
    const second = await bed.open();
    writeFileSync(bed.flag, "");
    const ended = await second.until(start.uid, "an exit", (it) => it.containers[0]?.exitCode !== undefined);
    assert.equal(ended.containers[0]?.exitCode, 7);
    const again = await second.until(start.uid, "a restart", isRunning);
    assert.notEqual(pidOf(again), pidOf(before));
    assert.equal(again.containers[0]?.restarts, 1);
  });

  check("a pod that died while no runtime looked is not adopted, nor is its name taken", async (bed) => {
    const first = await bed.open();
    const start = bed.pod(["/bin/sh", "-c", "exec sleep 1000"]);
    first.runtime.start(start);
    const before = await first.until(start.uid, "running", isRunning);
    await first.runtime.detach();
    process.kill(-pidOf(before), "SIGKILL");
    await eventually("its end", () => Promise.resolve(!isAlive(pidOf(before))));
    const second = await bed.open();
    assert.deepEqual(second.adopted, []);
    second.runtime.start(start);
    const again = await second.until(start.uid, "running", isRunning);
    assert.equal(again.containers[0]?.restarts, 0);
  });

  check("a command that is not there fails the pod and is named", async ({ open, pod }) => {
    const { runtime, until, stopped } = await open();
    const start = pod(["/no/such/program", "--now"]);
    runtime.start(start);
    const report = await until(start.uid, "failed", ({ phase }) => phase === "Failed");
    assert.equal(report.ready, false);
    assert.equal(report.reason, "StartError");
    assert.match(report.message ?? "", /"\/no\/such\/program" not found/);
    await stopped(start.uid, 0);
  });
}
