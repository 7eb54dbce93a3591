import type { Json, JsonObject } from "../core/kernel/json.ts";
import type { MemberView, NodeView } from "../core/node/contract.ts";
import { reasonsOf } from "./evidence.ts";
import { child, condition, timeOf } from "./values.ts";

/** A member of the roster as a Kubernetes Node, with the verdict on it as its Ready condition. */
export function presentNode(member: MemberView, view: NodeView): JsonObject {
  const { status, evidence } = member;
  const object = view.object({ group: "", kind: "Node", namespace: "", name: member.member.name });
  const spec = object?.exists === true ? child(object.value, "spec") : {};
  const annotations = object?.exists === true ? child(child(object.value, "metadata"), "annotations") : {};
  const ready = evidence.verdict === "alive" ? "True" : evidence.verdict === "dead" ? "False" : "Unknown";
  const [why = ""] = reasonsOf(member, view);
  const age =
    member.factAge === undefined ? "never heard" : `newest fact ${Math.round(member.factAge / 1000)} s old`;
  const taints = Array.isArray(spec["taints"]) ? (spec["taints"] as readonly Json[]) : [];
  const cordon = member.cordoned ? [{ key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" }] : [];
  const resources = (from: { cpuMilli: number; memoryBytes: number; pods: number }): JsonObject => ({
    cpu: from.cpuMilli % 1000 === 0 ? String(from.cpuMilli / 1000) : `${from.cpuMilli}m`,
    memory: `${Math.floor(from.memoryBytes / 1024)}Ki`,
    pods: String(from.pods),
  });
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
      },
    },
    spec: {
      ...spec,
      ...(member.cordoned ? { unschedulable: true } : {}),
      ...(taints.length + cordon.length > 0 ? { taints: [...taints, ...cordon] } : {}),
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
          Date.now(),
        ),
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
        osImage: status?.os ?? "",
        systemUUID: member.id,
      },
    },
  };
}

function reasonOf(verdict: MemberView["evidence"]["verdict"]): string {
  return verdict === "alive" ? "Linked" : verdict === "dead" ? "AgentGone" : "NodeUnreachable";
}
