import { decide } from "../placement/decide.ts";
import type { PlaceNode, PlacementInput, PlacePod } from "../placement/contract.ts";
import type { Instant } from "../kernel/time.ts";
import { isList, isObject } from "../kernel/json.ts";
import type { ObjectRef } from "../records/keys.ts";
import type { NodeId } from "../records/record.ts";
import { claimSlot, releaseFormer, startWaitingPods, stopPod } from "./pods.ts";
import { placeKey } from "./place-key.ts";
import { leaseFor, wantLeases } from "./exclusive.ts";
import { inOrdinalOrder } from "./ordinals.ts";
import { factsOf, isMember } from "./records-index.ts";
import type { NodeState } from "./state.ts";
import type { Turn } from "./turn.ts";
import { labelsOf, nodeObject } from "./nodes.ts";
import { listAt, objectAt, textAt, workloadsOf, type PlacedWorkload } from "./workloads.ts";

/** Computes this node's own share of the placement and does it. */
export function placeIfDue(turn: Turn): void {
  const { state, env } = turn;
  if (!state.booted || state.status === undefined) return;
  if (env.now < state.settledAt || env.now < state.placeAt) return;
  state.placedAt = env.now;
  const workloads = workloadsOf(state.index, state.config);
  startWaitingPods(turn, workloads);
  const input = placementInput(state, env.now, workloads);
  const plan = inOrdinalOrder(turn, decide(input), input, workloads);
  state.placeAt = env.now + Math.max(1, plan.again);
  const waiting = new Map<string, Instant>();
  const exclusive: { readonly ref: ObjectRef; readonly slot: string; readonly since: Instant }[] = [];
  for (const { workload: ref, slot, after } of plan.starts) {
    const key = placeKey(ref, slot);
    const asked = Math.min(state.waitingStarts.get(key) ?? Number.POSITIVE_INFINITY, env.now + after);
    const due = Math.max(asked, state.backoffs.get(key)?.until ?? asked);
    const placed = workloads.find(({ workload }) => placeKey(workload.ref, slot) === key);
    const lease = leaseFor(turn, ref, slot);
    const needsLease = placed?.workload.policy.onPartition === "majority";
    if (due <= env.now && needsLease && lease === undefined) exclusive.push({ ref, slot, since: due });
    else if (due <= env.now && placed !== undefined)
      claimSlot(turn, placed, slot, needsLease ? lease : undefined);
    else waiting.set(key, due);
  }
  state.waitingStarts.clear();
  for (const [key, due] of waiting) {
    state.waitingStarts.set(key, due);
    state.placeAt = Math.min(state.placeAt, due);
  }
  // Not waited for by time: the lease machine says when there is a lease.
  for (const { ref, slot, since } of exclusive) state.waitingStarts.set(placeKey(ref, slot), since);
  wantLeases(turn, exclusive);
  for (const { uid, reason, why } of plan.stops) stopPod(turn, uid, reason, why);
  clearEnded(turn);
  releaseFormer(turn, new Set(state.waitingStarts.keys()));
}

export function placementInput(
  state: NodeState,
  now: Instant,
  workloads: readonly PlacedWorkload[],
): PlacementInput {
  const { identity, index, config } = state;
  const nodes: PlaceNode[] = [];
  const pods: PlacePod[] = [];
  for (const id of [...index.memberById.keys()].sort()) {
    if (!isMember(index, id)) continue;
    const node = placeNode(state, id, now);
    if (node === undefined) continue;
    nodes.push(node);
    pods.push(...podsOn(state, id));
  }
  return {
    self: identity.id,
    nodes,
    workloads: workloads.map(({ workload }) => workload),
    pods,
    quietPeriod: config.quietPeriod,
    claimDelay: config.claimDelay,
  };
}

function placeNode(state: NodeState, id: NodeId, now: Instant): PlaceNode | undefined {
  const { index, identity, membership, bootedAt } = state;
  const member = index.memberById.get(id)?.body;
  const status = id === identity.id ? state.status : factsOf(index, id)?.status?.body;
  if (member === undefined || status === undefined) return undefined;
  const evidence = membership.evidence(id);
  const spec = objectAt(nodeObject(index, member.name)?.value ?? {}, "spec");
  const taints = listAt(spec, "taints").flatMap((taint) =>
    isObject(taint)
      ? [
          {
            key: textAt(taint, "key") ?? "",
            value: textAt(taint, "value") ?? "",
            effect: textAt(taint, "effect") ?? "",
          },
        ]
      : [],
  );
  return {
    id,
    name: member.name,
    site: member.site,
    region: member.region,
    labels: labelsOf(index, member, status),
    taints: isList(taints) ? taints : [],
    cordoned: spec["unschedulable"] === true,
    allocatable: status.allocatable,
    runtimes: status.runtimes,
    verdict: id === identity.id ? "alive" : (evidence?.verdict ?? "unreachable"),
    verdictFor: now - (id === identity.id ? bootedAt : (evidence?.since ?? bootedAt)),
  };
}

function podsOn(state: NodeState, node: NodeId): PlacePod[] {
  const { identity, index } = state;
  const pods: PlacePod[] = [];
  const former = new Set(node === identity.id ? state.former.map(({ uid }) => uid) : []);
  for (const [uid, { body }] of factsOf(index, node)?.pods ?? []) {
    const over = body.phase === "Failed" || body.phase === "Succeeded" || body.phase === "Terminating";
    pods.push({
      uid,
      node,
      workload: body.workload,
      slot: body.slot,
      revision: body.revision,
      claimedAt: body.claimedAt,
      ended: over || former.has(uid),
      ready: body.ready && !over && !former.has(uid),
      requests: body.requests,
    });
  }
  return pods;
}

/** Pods that ended are cleared away once something else fills their place, or nothing wants it. */
function clearEnded(turn: Turn): void {
  const { state } = turn;
  for (const [uid, pod] of state.pods) {
    const { phase, workload, slot, name } = pod.body;
    if (pod.stopping || (phase !== "Failed" && phase !== "Succeeded")) continue;
    const key = placeKey(workload, slot);
    if (state.waitingStarts.has(key)) continue;
    stopPod(turn, uid, "ended", `${name} has ended and its place is filled or no longer wanted`);
  }
}
