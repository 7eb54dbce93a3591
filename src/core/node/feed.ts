import { wallOf } from "../kernel/hybrid-clock.ts";
import { equalJson, isObject } from "../kernel/json.ts";
import { feedJobs } from "./feed-jobs.ts";
import { isHeldBack } from "./maintenance.ts";
import type { Instant, WallTime } from "../kernel/time.ts";
import type { Moment, PlaceNode, PlacePod, Taint } from "../placement/contract.ts";
import type { PodBody } from "../records/bodies.ts";
import { memoryPressure, memoryPressureTaint } from "../records/health.ts";
import { objectKey, type ObjectRef } from "../records/keys.ts";
import type { NodeId } from "../records/record.ts";
import { listAt, objectAt, textAt } from "./json-at.ts";
import { allotted } from "./allotment.ts";
import { hearsayAge } from "./hearsay.ts";
import { detailOf } from "./levels.ts";
import { labelsOf, nodeObject } from "./nodes.ts";
import { factsOf, isMember } from "./records-index.ts";
import type { NodeState } from "./state.ts";
import { strikesOn } from "./struck-off.ts";
import { endVoids, isHeld } from "./voided.ts";
import { isWorkloadKind, workloadKeys, workloadOf } from "./workloads.ts";

/**
 * Tells the planner what changed: the records that the index touched since last time, and the verdicts,
 * which are compared one by one because time may move them without an event.
 */
export function feedPlanner(state: NodeState, { now, wall }: Moment): void {
  const { touched } = state.index;
  const nodes = new Set(touched.nodes);
  for (const ref of endVoids(state, now)) touched.objects.set(objectKey(ref), ref);
  for (const ref of touched.objects.values()) feedObject(state, ref, nodes);
  for (const [id, node] of state.placeNodes) if (hasOtherVerdict(state, node)) nodes.add(id);
  for (const [id, until] of state.windows) if (until <= wall) nodes.add(id);
  for (const [id, until] of state.strikesUntil) if (until <= wall) nodes.add(id);
  for (const id of nodes) feedNode(state, id, wall);
  for (const [uid, id] of touched.pods) {
    if (state.placeNodes.has(id)) feedPod(state, id, uid);
    else state.planner.handle({ type: "pod-gone", uid });
  }
  feedJobs(state, { now, wall });
  feedShares(state, now);
  touched.nodes.clear();
  touched.objects.clear();
  touched.pods.clear();
}

/** Own pods count differently while this machine remembers that it ran them: see `former`. */
export function touchOwnPods({ index, identity }: NodeState, uids: Iterable<string>): void {
  for (const uid of uids) index.touched.pods.set(uid, identity.id);
}

function feedObject(state: NodeState, ref: ObjectRef, nodes: Set<NodeId>): void {
  const { index } = state;
  if (ref.kind === "Node" && ref.group === "") {
    for (const [id, { body }] of index.memberById) if (body.name === ref.name) nodes.add(id);
  } else if (isWorkloadKind(ref.group, ref.kind)) feedWorkload(state, ref);
  else if (ref.kind === "PriorityClass") {
    for (const key of workloadKeys(index)) {
      const object = index.objectByKey.get(key);
      if (object !== undefined) feedWorkload(state, object.ref);
    }
  }
}

function feedWorkload(state: NodeState, ref: ObjectRef): void {
  if (isHeld(state, ref)) return;
  const { index, config, planner, workloads } = state;
  const key = objectKey(ref);
  const placed = workloadOf(index, config, ref);
  if (placed === undefined) {
    if (workloads.delete(key)) planner.handle({ type: "workload-gone", ref });
  } else if (workloads.get(key)?.workload !== placed.workload) {
    workloads.set(key, placed);
    planner.handle({ type: "workload", workload: placed.workload });
    state.shares.delete(key);
  }
}

/**
 * Of mesh-wide workloads only the slots that are our place's, where we do not see all nodes of the mesh: they
 * change with what is told of other places, so each is looked at every time.
 */
function feedShares(state: NodeState, now: Instant): void {
  if (detailOf(state) === "mesh") return;
  const { workloads, shares, planner } = state;
  for (const key of shares.keys()) if (!workloads.has(key)) shares.delete(key);
  for (const [key, { workload }] of workloads) {
    if (workload.spread.type !== "mesh") continue;
    const only = allotted(state, workload, now);
    const share = only.join();
    if (shares.get(key) === share) continue;
    shares.set(key, share);
    planner.handle({ type: "workload", workload: { ...workload, spread: { ...workload.spread, only } } });
  }
}

function feedNode(state: NodeState, id: NodeId, wall: WallTime): void {
  const { planner, placeNodes, index } = state;
  const before = placeNodes.get(id);
  const now = isMember(index, id) ? placeNodeOf(state, id, wall) : undefined;
  const uids = factsOf(index, id)?.pods.keys() ?? [];
  if (now === undefined) {
    state.windows.delete(id);
    state.strikesUntil.delete(id);
    if (!placeNodes.delete(id)) return;
    for (const uid of uids) planner.handle({ type: "pod-gone", uid });
    planner.handle({ type: "node-gone", id });
    return;
  }
  const node = before === undefined ? now : withSameParts(now, before);
  placeNodes.set(id, node);
  planner.handle({ type: "node", node });
  if (before === undefined) for (const uid of uids) feedPod(state, id, uid);
}

/** Equal parts stay the same objects, so that the planner sees at once what is new. */
function withSameParts(now: PlaceNode, before: PlaceNode): PlaceNode {
  return {
    ...now,
    labels: equalJson(now.labels, before.labels) ? before.labels : now.labels,
    taints: equalJson(now.taints, before.taints) ? before.taints : now.taints,
    runtimes: equalJson(now.runtimes, before.runtimes) ? before.runtimes : now.runtimes,
  };
}

function placeNodeOf(state: NodeState, id: NodeId, wall: WallTime): PlaceNode | undefined {
  const { index, identity } = state;
  const member = index.memberById.get(id)?.body;
  const status = id === identity.id ? state.status : factsOf(index, id)?.status?.body;
  if (member === undefined || status === undefined) return undefined;
  const object = nodeObject(index, member.name);
  const spec = objectAt(object?.value ?? {}, "spec");
  const since = wallOf(object?.version ?? 0);
  const short = factsOf(index, id)?.health?.body.troubles.find(({ type }) => type === memoryPressure);
  return {
    id,
    name: member.name,
    site: member.site,
    region: member.region,
    labels: labelsOf(index, member, status),
    taints: [
      ...listAt(spec, "taints").flatMap((taint): Taint[] =>
        isObject(taint)
          ? [
              {
                key: textAt(taint, "key") ?? "",
                value: textAt(taint, "value") ?? "",
                effect: textAt(taint, "effect") ?? "",
                since: addedAt(textAt(taint, "timeAdded")) ?? since,
              },
            ]
          : [],
      ),
      ...(short === undefined
        ? []
        : [{ key: memoryPressureTaint, value: "", effect: "NoSchedule", since: short.since }]),
    ],
    cordoned: spec["unschedulable"] === true,
    heldBack: isHeldBack(state, id, object, wall),
    strikes: strikesOn(state, id, wall),
    allocatable: status.allocatable,
    runtimes: status.runtimes,
    ...verdictOn(state, id),
  };
}

function verdictOn(state: NodeState, id: NodeId): Pick<PlaceNode, "verdict" | "verdictSince" | "lostBySite"> {
  const { identity, membership, bootedAt } = state;
  if (id === identity.id) return { verdict: "alive", verdictSince: bootedAt, lostBySite: false };
  const { verdict = "unreachable", since = bootedAt } = membership.standing(id) ?? {};
  if (verdict !== "alive") state.hearsay.delete(id);
  const verdictSince = verdict === "alive" ? since + hearsayAge(state, id, since) : since;
  const lostBySite = verdict === "unreachable" && membership.evidence(id)?.lostBySite === true;
  return { verdict, verdictSince, lostBySite };
}

function hasOtherVerdict(state: NodeState, { id, verdict, verdictSince, lostBySite }: PlaceNode): boolean {
  const now: { readonly verdict: string; readonly verdictSince: Instant; readonly lostBySite?: unknown } =
    verdictOn(state, id);
  return now.verdict !== verdict || now.verdictSince !== verdictSince || now.lostBySite !== lostBySite;
}

function feedPod(state: NodeState, node: NodeId, uid: string): void {
  const fact = factsOf(state.index, node)?.pods.get(uid);
  if (fact === undefined) return state.planner.handle({ type: "pod-gone", uid });
  const own = node === state.identity.id;
  const former = own && state.former.some((slot) => slot.uid === uid);
  state.planner.handle({ type: "pod", pod: placePodOf(uid, node, fact.body, former) });
}

function placePodOf(uid: string, node: NodeId, body: PodBody, former: boolean): PlacePod {
  const over = body.phase === "Failed" || body.phase === "Succeeded" || body.phase === "Terminating";
  const {
    "topology.kubernetes.io/zone": _zone,
    "topology.kubernetes.io/region": _region,
    ...labels
  } = body.labels;
  return {
    uid,
    node,
    workload: body.workload,
    slot: body.slot,
    revision: body.revision,
    variant: body.variant,
    claimedAt: body.claimedAt,
    ended: over || former,
    ready: body.ready && !over && !former,
    yields: body.yields === true && !over,
    labels,
    requests: body.requests,
  };
}

/** RFC 3339 in UTC, as Kubernetes writes it. */
function addedAt(text: string | undefined): WallTime | undefined {
  const parts = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z$/.exec(text ?? "");
  if (parts === null) return undefined;
  const [, year, month, day, hour, minute, second] = parts.map(Number);
  return Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second);
}
