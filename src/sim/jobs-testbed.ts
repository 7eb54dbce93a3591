import assert from "node:assert/strict";
import type { JsonObject } from "../core/kernel/json.ts";
import type { Detail } from "../core/records/scope.ts";
import type { JobStanding } from "../core/node/job-standing.ts";
import type { Machine } from "./machine.ts";
import { simConfig } from "./run-seed.ts";
import type { SimPod } from "./sim-pod.ts";
import { Trace } from "./trace.ts";
import { World, type Layout } from "./world.ts";

/** A fleet that runs Jobs and CronJobs whose pods end when the test says so. */

const oneSite: Layout = [{ site: "oslo", region: "north", nodes: 3 }];

export type Running = { readonly machine: Machine; readonly pod: SimPod };

export function fleet(layout: Layout = oneSite, skews: readonly number[] = [], detail: Detail = "mesh") {
  const world = new World(11, layout, simConfig, new Trace(), { detail });
  const starts: string[] = [];
  const stops: string[] = [];
  world.observers.push({
    podStarted: (_machine, { start }) => starts.push(start.name),
    podStopping: (_machine, { start, phase }) => {
      if (phase === "Running") stops.push(start.name);
    },
  });
  for (const [at, machine] of world.machines.entries()) {
    machine.skew = skews[at] ?? 0;
    machine.startAgent();
  }
  world.run(5_000);
  const [first] = world.machines;
  assert.ok(first !== undefined);
  let requests = 0;
  const running = (): readonly Running[] =>
    world.machines.flatMap((machine) =>
      [...machine.pods.values()].flatMap((pod) => (pod.phase === "Running" ? [{ machine, pod }] : [])),
    );
  return {
    world,
    first,
    starts,
    stops,
    running,
    write: (value: JsonObject, at = first): void => {
      const [group = "", version] = String(value["apiVersion"]).split("/");
      const { name } = value["metadata"] as { readonly name: string };
      const kind = String(value["kind"]);
      const ref = { group: version === undefined ? "" : group, kind, namespace: "default", name };
      const change = { type: "update", ref, value, manager: "m", class: "user", mode: "upsert" } as const;
      at.deliver({ type: "write", request: ++requests, changes: [change], actor: "me", dryRun: false });
    },
    end: ({ machine, pod }: Running, exitCode = 0): void => {
      pod.phase = exitCode === 0 ? "Succeeded" : "Failed";
      pod.ready = false;
      const about = { name: "main", image: "sim", state: "terminated", ready: false, restarts: 0 } as const;
      const containers = [{ ...about, exitCode, ports: [] }];
      const { uid } = pod.start;
      const report = { uid, phase: pod.phase, ready: false, address: "10.0.0.1", containers } as const;
      machine.deliver({ type: "pod-report", report });
    },
    standing: (name: string): JobStanding | undefined => {
      const view = first.node?.view;
      const job = view?.object({ group: "batch", kind: "Job", namespace: "default", name });
      return job?.exists === true ? view?.job(job) : undefined;
    },
  };
}

export const podTemplate: JsonObject = {
  metadata: { labels: { app: "work" } },
  spec: {
    runtimeClassName: "process",
    restartPolicy: "Never",
    containers: [{ name: "main", image: "sim", command: ["run"] }],
  },
};

export const job = (spec: JsonObject = {}, annotations: JsonObject = {}): JsonObject => ({
  apiVersion: "batch/v1",
  kind: "Job",
  metadata: { name: "work", namespace: "default", annotations },
  spec: { template: podTemplate, ...spec },
});

export const cronJob = (concurrencyPolicy: string, spec: JsonObject = {}): JsonObject => ({
  apiVersion: "batch/v1",
  kind: "CronJob",
  metadata: { name: "tick", namespace: "default" },
  spec: {
    schedule: "* * * * *",
    concurrencyPolicy,
    jobTemplate: { spec: { template: podTemplate } },
    ...spec,
  },
});
