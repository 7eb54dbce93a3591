import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runtimeAcceptance } from "../../ports/runtime-acceptance.ts";
import {
  backoff,
  eventually,
  isRunning,
  logOf,
  pidOf,
  withRuntime,
  type RuntimePlace,
} from "../../ports/runtime-testbed.ts";
import { createProcessRuntime, type ProcessRuntimeOptions } from "./create-process-runtime.ts";

const mebibyte = 1024 * 1024;

for (const cgroups of ["off", "auto"] as const) {
  runtimeAcceptance(`process runtime, control groups ${cgroups}`, () => Promise.resolve(makePlace(cgroups)));
}

test("a log of 24 MiB is cut: the file and the one before hold its end, at most 10 MiB go on growing", () =>
  inPlace(async ({ open, pod, directory }) => {
    const { runtime, until } = await open();
    const line = `${"x".repeat(63)}\n`;
    const burst = `yes ${line.trim()} | head -c ${12 * mebibyte}`;
    const start = pod(["/bin/sh", "-c", `${burst}; sleep 1; ${burst}; sleep 1; echo end; exec sleep 1000`]);
    runtime.start(start);
    await until(start.uid, "running", isRunning);
    await eventually("the end", async () => (await logOf(runtime, start.uid)).endsWith("end\n"));
    const logs = join(directory, start.uid, "logs");
    assert.deepEqual(readdirSync(logs).sort(), ["main.log", "main.log.1"]);
    assert.ok(statSync(join(logs, "main.log")).size < 10 * mebibyte);
    assert.ok(statSync(join(logs, "main.log.1")).size <= 14 * mebibyte);
    assert.equal(statSync(join(logs, "main.log")).mode & 0o077, 0);
  }));

test("a program that ends while the agent is busy for 400 ms is restarted once", () =>
  inPlace(async ({ open, pod }) => {
    const { runtime, until, reports } = await open();
    const start = pod(["/bin/sh", "-c", "exec sleep 1000"]);
    runtime.start(start);
    const first = await until(start.uid, "running", isRunning);
    // In an immediate, so that the runtime's timer comes before the news of the child's end.
    await new Promise((resolve) => setImmediate(resolve));
    process.kill(-pidOf(first), "SIGKILL");
    spawnSync("sleep", ["0.4"]);
    await until(start.uid, "a restart", (it) => isRunning(it) && pidOf(it) !== pidOf(first));
    await new Promise((resolve) => setTimeout(resolve, 2 * backoff.maxMs));
    assert.equal(reports(start.uid).at(-1)?.containers[0]?.restarts, 1);
    assert.equal(new Set(reports(start.uid).filter(isRunning).map(pidOf)).size, 2);
  }));

test("the agent's own environment does not reach a program, but PATH", () =>
  inPlace(async ({ open, pod, directory }) => {
    process.env["STARLIGHT_TEST_SECRET"] = "hidden";
    const { runtime } = await open();
    const ports = [{ name: "web-ui", containerPort: 80 }];
    const start = pod(["/bin/sh", "-c", "env; echo end; exec sleep 1000"], { ports });
    runtime.start(start);
    await eventually("the end", async () => (await logOf(runtime, start.uid)).endsWith("end\n"));
    delete process.env["STARLIGHT_TEST_SECRET"];
    const log = await logOf(runtime, start.uid);
    assert.doesNotMatch(log, /STARLIGHT_TEST_SECRET/);
    assert.match(log, new RegExp(`^HOME=${join(directory, start.uid, "root")}$`, "m"));
    assert.match(log, new RegExp(`^HOSTNAME=${start.name}$`, "m"));
    assert.equal(/^PORT=(\d+)$/m.exec(log)?.[1], /^PORT_WEB_UI=(\d+)$/m.exec(log)?.[1]);
  }));

test("$(NAME) in a command and in a value is replaced, $$ is a dollar, unknown names stay", () =>
  inPlace(async ({ open, pod }) => {
    const { runtime } = await open();
    const script = 'echo "$0 $GREETING"; exec sleep 1000';
    const start = pod(["/bin/sh", "-c", script, "$(WHO) $(NOBODY) $$(WHO)"]);
    runtime.start({ ...start, env: { main: { WHO: "moon", GREETING: "good night $(WHO)" } } });
    await eventually("its line", async () => (await logOf(runtime, start.uid)) !== "");
    assert.equal(await logOf(runtime, start.uid), "moon $(NOBODY) $(WHO) good night moon\n");
  }));

test("files of a volume are at its mount path below the pod's root, and no name leaves the root", () =>
  inPlace(async ({ open, pod, directory }) => {
    const { runtime } = await open();
    const start = pod(["/bin/sh", "-c", "cat ./etc/app/motd; exec sleep 1000"], {
      volumeMounts: [{ name: "texts", mountPath: "/../etc/app" }],
    });
    runtime.start({
      ...start,
      spec: { ...start.spec, volumes: [{ name: "texts", configMap: { name: "texts" } }] },
      files: { texts: { motd: "hello\n", "../../../escaped": "no" } },
    });
    await eventually("its line", async () => (await logOf(runtime, start.uid)) !== "");
    assert.equal(await logOf(runtime, start.uid), "hello\n");
    assert.equal(existsSync(join(directory, "..", "escaped")), false);
    assert.equal(existsSync(join(directory, "escaped")), false);
    assert.equal(readFileSync(join(directory, start.uid, "volumes", "texts", "escaped"), "utf8"), "no");
  }));

test("a pod that could not start leaves no folder", () =>
  inPlace(async ({ open, pod, directory }) => {
    const { runtime, until } = await open();
    const start = pod(["no-such-program"]);
    runtime.start(start);
    await until(start.uid, "failed", ({ phase }) => phase === "Failed");
    assert.deepEqual(readdirSync(directory), []);
  }));

type Bed = Parameters<Parameters<typeof withRuntime>[1]>[0] & { readonly directory: string };

async function inPlace(body: (bed: Bed) => Promise<void>): Promise<void> {
  const place = makePlace("auto");
  await withRuntime(
    () => Promise.resolve(place),
    (bed) => body({ ...bed, directory: place.directory }),
  );
}

function makePlace(
  cgroups: NonNullable<ProcessRuntimeOptions["cgroups"]>,
): RuntimePlace & { readonly directory: string } {
  const parent = mkdtempSync(join(tmpdir(), "starlight-runtime-"));
  const directory = join(parent, "pods");
  return {
    directory,
    open: (events) =>
      createProcessRuntime({
        directory,
        address: "127.0.0.1",
        events,
        log: () => {},
        cgroups,
        timing: { backoffFirstMs: backoff.firstMs, backoffMaxMs: backoff.maxMs },
      }),
    remove: () => Promise.resolve(rmSync(parent, { recursive: true, force: true })),
  };
}
