import { wallOf } from "../core/kernel/hybrid-clock.ts";
import { isObject, type Json, type JsonObject } from "../core/kernel/json.ts";
import type { MergedObject } from "../core/intents/contract.ts";
import { kindOf } from "../core/intents/kinds/index.ts";
import { matches, selectorOfLabels } from "../core/intents/selector.ts";
import { withDefaults } from "../core/intents/validate.ts";
import type { NodeView, PodView } from "../core/node/contract.ts";
import { jobRevision, revisionOf } from "../core/node/workloads.ts";
import { budgetStatus } from "./disruption.ts";
import { cronJobStatus, jobOwner, jobParts } from "./present-job.ts";
import { daemonSetStatus, deploymentStatus, statefulSetStatus } from "./present-workload.ts";
import { nodeNames, withNodeNames } from "./slot-names.ts";
import { child, condition, strings, text, timeOf } from "./values.ts";

/** Kubernetes objects made from the view: what people wrote, with a status of what is seen from here. */

export function presentObject(object: MergedObject, view: NodeView): JsonObject {
  const kind = kindOf(object.ref.group, object.ref.kind);
  const value = kind === undefined ? object.value : withDefaults(kind, object.value);
  const metadata = isObject(value["metadata"]) ? value["metadata"] : {};
  return {
    ...value,
    metadata: {
      ...metadata,
      uid: object.uid,
      creationTimestamp: timeOf(object.createdAt),
      generation: 1,
      managedFields: object.managedFields,
      ...(object.ref.kind === "Job" ? jobOwner(object, view) : {}),
    },
    ...statusOfObject(object, value, view),
  };
}

function statusOfObject(object: MergedObject, value: JsonObject, view: NodeView): JsonObject {
  switch (object.ref.kind) {
    case "Deployment":
      return { status: deploymentStatus(object, view) };
    case "StatefulSet":
      return { status: statefulSetStatus(object, view) };
    case "DaemonSet":
      return { status: daemonSetStatus(object, view) };
    case "Job":
      return jobParts(object, child(value, "spec"), view);
    case "CronJob":
      return { status: cronJobStatus(object, view) };
    case "PodDisruptionBudget":
      return { status: budgetStatus(object, view) };
    case "Namespace":
      return { spec: { finalizers: ["kubernetes"] }, status: { phase: "Active" } };
    case "Service":
      return { status: { loadBalancer: {} } };
    default:
      return {};
  }
}

function templateOf(owner: MergedObject | undefined): JsonObject {
  const kind = owner === undefined ? undefined : kindOf(owner.ref.group, owner.ref.kind);
  if (owner === undefined || kind === undefined) return {};
  return child(child(withDefaults(kind, owner.value), "spec"), "template");
}

type Newest = { readonly template: JsonObject; readonly revision: string };
/** A merged object is replaced when it changes, and every watch shows all pods of it again and again. */
const newestByOwner = new WeakMap<MergedObject, Newest>();

function newestOf(owner: MergedObject | undefined): Newest {
  const known = owner === undefined ? undefined : newestByOwner.get(owner);
  if (known !== undefined) return known;
  const template = templateOf(owner);
  const newest = { template, revision: revisionOf(template) };
  if (owner !== undefined) newestByOwner.set(owner, newest);
  return newest;
}

/** A pod: its node's word, and Unknown where the node is out of view. */
export function presentPod(pod: PodView, view: NodeView): JsonObject {
  const { body, current } = pod;
  const owner = view.object(body.workload);
  const newest = newestOf(owner);
  // Only the newest template is known here: an older pod is shown without what it may have had.
  const template = body.revision === jobRevision || newest.revision === body.revision ? newest.template : {};
  const node = view.member(pod.node);
  const ready = current ? (body.ready ? "True" : "False") : "Unknown";
  const started = body.containers.map(({ startedAt }) => startedAt ?? 0).reduce((a, b) => Math.max(a, b), 0);
  const age = Math.round(pod.age / 1000);
  const slot = withNodeNames(body.slot, nodeNames(view));
  const unseen = `the node is ${node?.evidence.verdict ?? "unknown"} from here; this is what it said ${age} s ago`;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: body.name,
      namespace: body.namespace,
      uid: pod.uid,
      creationTimestamp: timeOf(wallOf(body.claimedAt)),
      labels: { ...body.labels, "pod-template-hash": body.revision },
      annotations: {
        "starlight.dev/slot": slot,
        "starlight.dev/fact-age": `${age}s`,
        ...(body.fence === undefined ? {} : { "starlight.dev/fencing-token": String(body.fence) }),
      },
      ownerReferences: [
        {
          apiVersion: `${body.workload.group}/v1`,
          kind: body.workload.kind,
          name: body.workload.name,
          uid: owner?.uid ?? "",
          controller: true,
          blockOwnerDeletion: false,
        },
      ],
      ...(body.phase === "Terminating"
        ? { deletionTimestamp: timeOf(Date.now()), deletionGracePeriodSeconds: 30 }
        : {}),
    },
    spec: {
      ...child(template, "spec"),
      nodeName: node?.member.name ?? pod.node,
      containers: containersOf(template, body.containers),
    },
    status: {
      phase: body.phase === "Terminating" ? "Running" : body.phase,
      ...(current ? {} : { reason: "NodeUnreachable", message: unseen }),
      ...(current && body.reason !== undefined ? { reason: body.reason } : {}),
      ...(current && body.message !== undefined ? { message: body.message } : {}),
      hostIP: body.address,
      podIP: body.address,
      podIPs: [{ ip: body.address }],
      hostIPs: [{ ip: body.address }],
      ...(started === 0 ? {} : { startTime: timeOf(started) }),
      qosClass: "Burstable",
      conditions: [
        condition("PodScheduled", "True", "Claimed", `slot ${slot}`, wallOf(body.claimedAt)),
        condition("Initialized", "True", "Initialized", "", wallOf(body.claimedAt)),
        condition(
          "ContainersReady",
          ready,
          current ? "Probe" : "NodeUnreachable",
          current ? "" : unseen,
          started,
        ),
        condition("Ready", ready, current ? "Probe" : "NodeUnreachable", current ? "" : unseen, started),
      ],
      containerStatuses: body.containers.map((container) => ({
        name: container.name,
        image: container.image,
        imageID: "",
        ready: container.ready && current,
        started: container.state === "running",
        restartCount: container.restarts,
        containerID: container.pid === undefined ? "" : `process://${container.pid}`,
        state: containerState(container),
        ...(container.exitCode === undefined
          ? {}
          : {
              lastState: {
                terminated: {
                  exitCode: container.exitCode,
                  reason: container.exitCode === 0 ? "Completed" : "Error",
                },
              },
            }),
      })),
    },
  };
}

function containerState(container: PodView["body"]["containers"][number]): JsonObject {
  if (container.state === "running") return { running: { startedAt: timeOf(container.startedAt ?? 0) } };
  if (container.state === "waiting") {
    return {
      waiting: {
        reason: container.reason ?? "ContainerCreating",
        ...(container.message === undefined ? {} : { message: container.message }),
      },
    };
  }
  return { terminated: { exitCode: container.exitCode ?? 0, reason: container.reason ?? "Completed" } };
}

/** The template's containers with the ports they really have. */
function containersOf(template: JsonObject, running: PodView["body"]["containers"]): Json[] {
  const specs = child(template, "spec")["containers"];
  const known = Array.isArray(specs) ? (specs as readonly JsonObject[]) : [];
  if (running.length === 0) return [...known];
  return running.map((container) => ({
    ...known.find(({ name }) => name === container.name),
    name: container.name,
    image: container.image,
    ports: container.ports.map(({ name, port, hostPort }) => ({
      ...(name === undefined ? {} : { name }),
      containerPort: port,
      hostPort,
      protocol: "TCP",
    })),
  }));
}

/** The ready pods behind a Service, where they answer. */
export function endpointsOf(
  service: MergedObject,
  view: NodeView,
  portOf: (pod: PodView, port: JsonObject) => number | undefined,
): { pod: PodView; ports: { name: string; port: number }[] }[] {
  const spec = child(service.value, "spec");
  const selector = strings(child(spec, "selector"));
  if (Object.keys(selector).length === 0) return [];
  const ports = Array.isArray(spec["ports"]) ? (spec["ports"] as readonly JsonObject[]) : [];
  const found: { pod: PodView; ports: { name: string; port: number }[] }[] = [];
  for (const pod of view.pods()) {
    const { body } = pod;
    if (body.namespace !== service.ref.namespace || !pod.current || !body.ready) continue;
    if (!matches(selectorOfLabels(selector), body.labels)) continue;
    const open = ports.flatMap((port) => {
      const number = portOf(pod, port);
      return number === undefined ? [] : [{ name: text(port["name"]), port: number }];
    });
    if (open.length > 0) found.push({ pod, ports: open });
  }
  return found;
}

/** The host port behind a Service's port on a pod. */
export function servicePort(pod: PodView, port: JsonObject): number | undefined {
  const target = port["targetPort"] ?? port["port"];
  for (const container of pod.body.containers) {
    for (const open of container.ports)
      if (open.name === target || open.port === target) return open.hostPort;
  }
  return undefined;
}

export function presentSlice(service: MergedObject, view: NodeView): JsonObject {
  const endpoints = endpointsOf(service, view, servicePort);
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: service.ref.name,
      namespace: service.ref.namespace,
      uid: service.uid,
      creationTimestamp: timeOf(service.createdAt),
      labels: { "kubernetes.io/service-name": service.ref.name },
    },
    addressType: "IPv4",
    // With the process runtime ports differ from pod to pod; each endpoint's own are in its topology.
    ports: endpoints[0]?.ports.map(({ name, port }) => ({ name, port, protocol: "TCP" })) ?? [],
    endpoints: endpoints.map(({ pod, ports }) => ({
      addresses: [pod.body.address],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: view.member(pod.node)?.member.name ?? pod.node,
      zone: view.member(pod.node)?.member.site ?? "",
      deprecatedTopology: Object.fromEntries(
        ports.map(({ name, port }) => [`port.starlight.dev/${name || "default"}`, String(port)]),
      ),
      targetRef: { kind: "Pod", namespace: pod.body.namespace, name: pod.body.name, uid: pod.uid },
    })),
  };
}
