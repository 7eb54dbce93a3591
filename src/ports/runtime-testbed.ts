import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duration } from "../core/kernel/time.ts";
import type { JsonObject } from "../core/kernel/json.ts";
import type { PodReport, PodStart, PodUid } from "../core/node/contract.ts";
import type { Runtime, RuntimeEvents } from "./runtime.ts";

/** What the acceptance suite of the runtime works with: a place, watched pods, small programs. */

/** A place that holds one runtime's pods; `open` may be called again after the runtime was detached. */
export type RuntimePlace = {
  /** With a restart backoff from `backoff.firstMs` up to `backoff.maxMs`. */
  readonly open: (events: RuntimeEvents) => Runtime;
  readonly remove: () => Promise<void>;
};

/** What a place must use as its backoff. */
export const backoff = { firstMs: 50, maxMs: 200 } as const;

/** A runtime under test, and all that it said. */
export type WatchedRuntime = {
  readonly runtime: Runtime;
  readonly adopted: readonly PodReport[];
  readonly reports: (uid: PodUid) => readonly PodReport[];
  /** The first report, of those already made too, that holds. Rejects with the last one after 20 s. */
  readonly until: (uid: PodUid, what: string, holds: (report: PodReport) => boolean) => Promise<PodReport>;
  readonly isGone: (uid: PodUid) => boolean;
  readonly stopped: (uid: PodUid, graceMs: number) => Promise<void>;
};

export type TestBed = {
  /** Opens the runtime and adopts; call it again after `detach`. */
  readonly open: () => Promise<WatchedRuntime>;
  /** A path of this test alone, known to programs as `$FLAG` and `$FLAG.*`. */
  readonly flag: string;
  /** A pod of one container that runs `command`. */
  readonly pod: (command: readonly string[], container?: JsonObject) => PodStart;
};

export const deadlineMs = 20_000;
/** Runs `body` with a place of its own, and stops every pod that it started. */
export async function withRuntime(
  makePlace: () => Promise<RuntimePlace>,
  body: (bed: TestBed) => Promise<void>,
): Promise<void> {
  const place = await makePlace();
  const folder = mkdtempSync(join(tmpdir(), "starlight-flag-"));
  const flag = join(folder, "flag");
  const uids: PodUid[] = ["never-started"];
  let last: WatchedRuntime | undefined;
  try {
    await body({
      flag,
      open: async () => (last = await watched(place.open)),
      pod: (command, container = {}) => {
        const uid = randomUUID();
        uids.push(uid);
        return podOf(uid, command, container, { FLAG: flag });
      },
    });
  } finally {
    for (const uid of uids) await last?.stopped(uid, 0);
    await last?.runtime.detach();
    await place.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function watched(open: RuntimePlace["open"]): Promise<WatchedRuntime> {
  const reports: PodReport[] = [];
  const gone = new Set<PodUid>();
  const runtime = open({ report: (report) => reports.push(report), gone: (uid) => gone.add(uid) });
  const of = (uid: PodUid): readonly PodReport[] => reports.filter((report) => report.uid === uid);
  return {
    runtime,
    adopted: await runtime.adopt(),
    reports: of,
    until: async (uid, what, holds) => {
      await eventually(
        what,
        () => Promise.resolve(of(uid).some(holds)),
        () => JSON.stringify(of(uid).at(-1)),
      );
      const found = of(uid).find(holds);
      assert.ok(found);
      return found;
    },
    isGone: (uid) => gone.has(uid),
    stopped: async (uid, graceMs) => {
      gone.delete(uid);
      runtime.stop(uid, graceMs as Duration);
      await eventually(`${uid} to be gone`, () => Promise.resolve(gone.has(uid)));
    },
  };
}

/** Looks again and again until it is so; fails with what was awaited after 20 s. */
export async function eventually(
  what: string,
  isSo: () => Promise<boolean>,
  detail: () => string = () => "",
): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!(await isSo())) {
    assert.ok(performance.now() < deadline, `waited ${deadlineMs} ms for ${what}; last: ${detail()}`);
    await sleep(10);
  }
}

/** What the log holds now, as text. */
export async function logOf(
  runtime: Runtime,
  uid: PodUid,
  options: { readonly container?: string; readonly tailLines?: number; readonly follow?: boolean } = {},
): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const bytes of runtime.logs(uid, { follow: false, ...options }) ?? []) chunks.push(bytes);
  return Buffer.concat(chunks).toString();
}

/** Whether a process lives; one that ended and was not yet waited for does not. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3) !== "Z";
  } catch {
    return false;
  }
}

export const isRunning = ({ phase, containers }: PodReport): boolean =>
  phase === "Running" && containers.every(({ state }) => state === "running");

export const pidOf = ({ containers }: PodReport): number => containers[0]?.pid ?? Number.NaN;

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export function podOf(
  uid: PodUid,
  command: readonly string[],
  container: JsonObject,
  env: { readonly [variable: string]: string },
): PodStart {
  return {
    uid,
    namespace: "default",
    name: `pod-${uid}`,
    labels: {},
    spec: { containers: [{ name: "main", image: "none", command, ...container }] },
    files: {},
    env: { main: env },
  };
}

export const waitForFlag = 'while [ ! -e "$FLAG" ]; do sleep 0.02; done';
export const ticking = "while :; do echo tick; sleep 0.05; done";

/** Starts a child and its child, and writes their process ids (`$$$$` is the shell's `$$`) to `$FLAG.1` and `$FLAG.2`. */
export const family = `(
  sh -c 'echo $$$$ > "$FLAG.2.new"; mv "$FLAG.2.new" "$FLAG.2"; sleep 1000' &
  sh -c 'echo $$$$ > "$FLAG.1.new"; mv "$FLAG.1.new" "$FLAG.1"; sleep 1000'
) & while [ ! -e "$FLAG.1" ] || [ ! -e "$FLAG.2" ]; do sleep 0.02; done`;

export async function familyOf(flag: string): Promise<readonly number[]> {
  const files = [`${flag}.1`, `${flag}.2`];
  await eventually("child and grandchild", () => Promise.resolve(files.every((file) => existsSync(file))));
  const pids = files.map((file) => Number(readFileSync(file, "utf8")));
  assert.ok(pids.every(Number.isSafeInteger), pids.join(" "));
  return pids;
}

/** Answers HTTP on `$PORT_WEB`, 200 with the flag and 503 without; `$PORT_DOOR` is open with the flag only. */
export const servers = `
const { existsSync } = require("node:fs");
const open = () => existsSync(process.env.FLAG);
require("node:http")
  .createServer((request, response) => {
    response.writeHead(request.url === "/health" && open() ? 200 : 503).end();
  })
  .listen(Number(process.env.PORT_WEB), "127.0.0.1", () => console.log("listening"));
const door = require("node:net").createServer((socket) => socket.destroy());
setInterval(() => {
  if (open() && !door.listening) door.listen(Number(process.env.PORT_DOOR), "127.0.0.1");
  if (!open() && door.listening) door.close();
}, 20);`;
