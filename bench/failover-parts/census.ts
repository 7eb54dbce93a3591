import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { layoutOf } from "../../src/shells/identity-file/layout.ts";
import { isRunning, type ProcessId } from "../../src/shells/runtime-process/processes.ts";

/**
 * Counts the copies of each app that run on all machines: by their processes, so also on a machine that is cut
 * off and that no API can see. One line of JSON for each change.
 *
 *     node census.ts NAME=DATA...
 */
export type Counted = {
  readonly type: "copies";
  readonly app: string;
  readonly nodes: readonly string[];
  readonly at: number;
};

type PodFile = {
  readonly start: { readonly labels: { readonly app?: string } };
  readonly containers: { readonly [name: string]: { readonly process?: ProcessId } };
};

const everyMs = 50;
const folders = process.argv.slice(2).map((argument) => {
  const [name = "", ...data] = argument.split("=");
  return { name, pods: layoutOf(data.join("=")).pods };
});
/** Of pods that have started: what does not change any more. */
const known = new Map<string, { readonly app: string; readonly process: ProcessId }>();
const told = new Map<string, string>();

function count(): void {
  const running = new Map<string, string[]>();
  for (const app of told.keys()) running.set(app, []);
  for (const { name, pods } of folders) {
    for (const uid of existsSync(pods) ? readdirSync(pods) : []) {
      const pod = known.get(uid) ?? started(join(pods, uid, "pod.json"));
      if (pod === undefined) continue;
      known.set(uid, pod);
      if (isRunning(pod.process)) running.set(pod.app, [...(running.get(pod.app) ?? []), name]);
    }
  }
  for (const [app, nodes] of running) {
    if (told.get(app) === nodes.join()) continue;
    told.set(app, nodes.join());
    const line: Counted = { type: "copies", app, nodes, at: Date.now() };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
}

function started(path: string): { readonly app: string; readonly process: ProcessId } | undefined {
  try {
    const { start, containers } = JSON.parse(readFileSync(path, "utf8")) as PodFile;
    const [container] = Object.values(containers);
    const { app } = start.labels;
    return app === undefined || container?.process === undefined
      ? undefined
      : { app, process: container.process };
  } catch {
    return undefined;
  }
}

setInterval(count, everyMs);
