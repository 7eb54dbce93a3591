import type { Json, JsonObject } from "../core/kernel/json.ts";
import type { MemberView, NodeView } from "../core/node/contract.ts";
import { reasonsOf } from "./evidence.ts";
import type { Resources } from "../core/records/bodies.ts";
import { memoryPressure, memoryPressureTaint } from "../core/records/health.ts";
import { healthConditions, type ConditionTimes } from "./health.ts";
import { child, condition, timeOf } from "./values.ts";

/** A member of the roster as a Kubernetes Node, with the verdict on it as its Ready condition. */
export function presentNode(member: MemberView, view: NodeView): JsonObject {
  const { status, evidence } = member;
  const object = view.object({ group: "", kind: "Node", namespace: "", name: member.member.name });
  const spec = object?.exists === true ? child(object.value, "spec") : {};
  const annotations = object?.exists === true ? child(child(object.value, "metadata"), "annotations") : {};
  const ready = evidence.verdict === "alive" ? "True" : evidence.verdict === "dead" ? "False" : "Unknown";
  const times = timesOf(member, view);
  const [why = ""] = reasonsOf(member, view);
  const age =
    member.factAge === undefined ? "never heard" : `newest fact ${Math.round(member.factAge / 1000)} s old`;
  const taints = Array.isArray(spec["taints"]) ? (spec["taints"] as readonly Json[]) : [];
  const isShort = member.health?.troubles.some(({ type }) => type === memoryPressure) === true;
  const own = [
    ...(member.cordoned ? [{ key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" }] : []),
    ...(isShort ? [{ key: memoryPressureTaint, effect: "NoSchedule" }] : []),
  ];
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name: member.member.name,
      uid: member.id,
      creationTimestamp: timeOf(member.member.joinedAt),
      labels: { ...member.labels },
      annotations: {
        ...annotations,
        "starlight.dev/verdict": evidence.verdict,
        "starlight.dev/seen-by": view.identity.name,
        ...(status?.uplink === undefined ? {} : { "starlight.dev/uplink": status.uplink }),
        ...(status?.batteryPercent === undefined
          ? {}
          : { "starlight.dev/battery-percent": String(status.batteryPercent) }),
      },
    },
    spec: {
      ...spec,
      ...(member.cordoned ? { unschedulable: true } : {}),
      ...(taints.length + own.length > 0 ? { taints: [...taints, ...own] } : {}),
    },
    status: {
      addresses: [
        ...(status?.addresses ?? []).map((address) => ({
          type: "InternalIP",
          address: address.replace(/:\d+$/, ""),
        })),
        { type: "Hostname", address: member.member.name },
      ],
      ...(status === undefined
        ? {}
        : { capacity: resources(status.capacity), allocatable: resources(status.allocatable) }),
      conditions: [
        condition(
          "Ready",
          ready,
          reasonOf(evidence.verdict),
          `${why}; ${age}; seen by ${view.identity.name}`,
          times.since,
          times.heardAt,
        ),
        ...healthConditions(member, times),
        ...diskPressure(member, times),
      ],
      daemonEndpoints: { kubeletEndpoint: { Port: Number(status?.addresses[0]?.replace(/^.*:/, "") ?? 0) } },
      nodeInfo: {
        architecture: status?.architecture ?? "",
        bootID: status?.bootId ?? "",
        containerRuntimeVersion: `${status?.runtimes[0] ?? "none"}://1`,
        kernelVersion: status?.kernel ?? "",
        kubeProxyVersion: "",
        kubeletVersion: `v${status?.agentVersion ?? "0"}`,
        machineID: member.id,
        operatingSystem: status?.os ?? "",
        osImage: status?.osImage ?? status?.os ?? "",
        systemUUID: member.id,
      },
    },
  };
}

function resources(from: Resources): JsonObject {
  const { cpuMilli, memoryBytes, pods, storageBytes, extended = {} } = from;
  return {
    cpu: cpuMilli % 1000 === 0 ? String(cpuMilli / 1000) : `${cpuMilli}m`,
    ...(storageBytes === undefined ? {} : { "ephemeral-storage": `${Math.floor(storageBytes / 1024)}Ki` }),
    memory: `${Math.floor(memoryBytes / 1024)}Ki`,
    pods: String(pods),
    ...Object.fromEntries(Object.entries(extended).map(([name, number]) => [name, String(number)])),
  };
}

/** By our wall clock: since when a member is what it is held for, and when it was last heard of. */
function timesOf({ evidence, factAge }: MemberView, view: NodeView): ConditionTimes {
  const { now, wall } = view.clocks();
  const { since, heardAt } = evidence;
  const silentFor = heardAt === undefined ? (factAge ?? now - since) : now - heardAt;
  return { since: wall - Math.max(0, now - since), heardAt: wall - Math.max(0, silentFor) };
}

/** As the kubelet does it: pressure from less than a tenth of free space on. */
function diskPressure({ status, health }: MemberView, times: ConditionTimes): readonly JsonObject[] {
  const freePercent = status?.diskFreePercent;
  if (freePercent === undefined) return [];
  const presses = freePercent < 10;
  const reason = presses ? "DiskAlmostFull" : "DiskHasRoom";
  const message = `${presses ? "less than 10" : `at least ${freePercent}`} % of the data folder's disk is free`;
  // It says since when its disk is short; that it has room we know for as long as we see it.
  const found = health?.troubles.find(({ type }) => type === "DiskPressure");
  const since = presses && found !== undefined ? found.since : times.since;
  return [condition("DiskPressure", presses ? "True" : "False", reason, message, since, times.heardAt)];
}

function reasonOf(verdict: MemberView["evidence"]["verdict"]): string {
  return verdict === "alive" ? "Linked" : verdict === "dead" ? "AgentGone" : "NodeUnreachable";
}
