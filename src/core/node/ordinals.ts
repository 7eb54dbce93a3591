import { isObject, type JsonObject } from "../kernel/json.ts";
import type { PlacementPlan, PlacePod } from "../placement/contract.ts";
import type { ExclusiveBody } from "../records/bodies.ts";
import { objectKey, type ObjectRef } from "../records/keys.ts";
import type { NodeId } from "../records/record.ts";
import { listAt, numberAt, objectAt, stringsAt, textAt } from "./json-at.ts";
import { placeKey } from "./place-key.ts";
import { factsOf, isMember } from "./records-index.ts";
import type { NodeState } from "./state.ts";
import type { Turn } from "./turn.ts";
import type { PlacedWorkload } from "./workloads.ts";

/**
 * What is special about a StatefulSet: its pods have numbers, come and go in their order, and stay with the
 * node that has their data. Placement decides as for any workload; this holds back what is not its turn.
 */

const volumesMax = 1_024;

export const isOrdered = ({ kind }: ObjectRef): boolean => kind === "StatefulSet";

/** The number at the end of a slot, and the slots it is counted among. */
export function ordinalOf(slot: string): { readonly group: string; readonly ordinal: number } {
  const at = slot.lastIndexOf("/");
  return { group: slot.slice(0, at), ordinal: Number(slot.slice(at + 1)) };
}

/** `name-0`; with the site in between where every site has its own `name-0`. */
export function ordinalName({ name }: ObjectRef, slot: string): string {
  const { group, ordinal } = ordinalOf(slot);
  return group.startsWith("site/") ? `${name}-${group.slice(5)}-${ordinal}` : `${name}-${ordinal}`;
}

/** The plan without what has to wait for other ordinals, or for the node that has the data. */
export function inOrdinalOrder({ state }: Turn, plan: PlacementPlan): PlacementPlan {
  const here = (ref: ObjectRef, slot: string): readonly PlacePod[] => {
    const { group } = ordinalOf(slot);
    return state.planner
      .podsOf(ref)
      .filter((pod) => !pod.ended && isInView(state, pod.node) && ordinalOf(pod.slot).group === group);
  };
  const starts = plan.starts.filter(({ workload, slot }) => {
    if (!isOrdered(workload)) return true;
    const placed = state.workloads.get(objectKey(workload));
    if (placed === undefined || isElsewhere(state, placed, slot)) return false;
    if (textAt(objectAt(placed.object.value, "spec"), "podManagementPolicy") === "Parallel") return true;
    const ready = new Set(
      here(workload, slot).flatMap((pod) => (pod.ready ? [ordinalOf(pod.slot).ordinal] : [])),
    );
    const { ordinal } = ordinalOf(slot);
    return Array.from({ length: ordinal }, (_, lower) => lower).every((lower) => ready.has(lower));
  });
  const stops = plan.stops.filter(({ uid, reason }) => {
    const { workload, slot } = state.pods.get(uid)?.body ?? {};
    if (workload === undefined || slot === undefined || !isOrdered(workload)) return true;
    const around = here(workload, slot);
    const others = around.filter((other) => other.uid !== uid);
    if (reason === "scaled-down")
      return others.every((other) => ordinalOf(other.slot).ordinal < ordinalOf(slot).ordinal);
    if (reason !== "updated") return true;
    const placed = state.workloads.get(objectKey(workload));
    const pod = around.find((candidate) => candidate.uid === uid);
    return placed === undefined || pod === undefined || isNextToUpdate(placed, pod, others);
  });
  return { ...plan, starts, stops };
}

const isInView = ({ placeNodes }: NodeState, node: NodeId): boolean =>
  placeNodes.get(node)?.verdict === "alive";

/** Updates go from the highest ordinal down to the partition, and wait for every other one to be ready. */
function isNextToUpdate(
  { object, workload }: PlacedWorkload,
  pod: PlacePod,
  others: readonly PlacePod[],
): boolean {
  if (pod.revision !== workload.revision) {
    const strategy = objectAt(objectAt(object.value, "spec"), "updateStrategy");
    if (textAt(strategy, "type") === "OnDelete") return false;
    const partition = numberAt(objectAt(strategy, "rollingUpdate"), "partition", 0);
    const { ordinal } = ordinalOf(pod.slot);
    if (ordinal < partition) return false;
    const older = others.filter(({ revision }) => revision !== workload.revision);
    if (older.some((other) => ordinalOf(other.slot).ordinal > ordinal)) return false;
  }
  const wanted = workload.spread.type === "per-node" ? 0 : workload.spread.replicas;
  const ready = others.filter((other) => other.ready).length;
  return !pod.ready || ready >= wanted - 1;
}

/** The volumes of a StatefulSet's pod, as folders that stay with the machine. */
export function keptFolders(
  { object }: PlacedWorkload,
  podName: string,
): { readonly [volume: string]: string } {
  const folders: { [volume: string]: string } = {};
  for (const claim of listAt(objectAt(object.value, "spec"), "volumeClaimTemplates")) {
    const name = isObject(claim) ? textAt(objectAt(claim, "metadata"), "name") : undefined;
    if (name !== undefined) folders[name] = `${object.ref.namespace}/${name}-${podName}`;
  }
  return folders;
}

/** The names whose data is on this machine's disk: those told before, and those of the pods that run. */
export function keptVolumes(turn: Turn): ExclusiveBody["volumes"] {
  const { state } = turn;
  const tokens = new Map<string, number>();
  for (const { name, token } of factsOf(state.index, state.identity.id)?.exclusive?.body.volumes ?? []) {
    tokens.set(name, token);
  }
  for (const { body, start } of state.pods.values()) {
    if (body.fence === undefined || Object.keys(start?.kept ?? {}).length === 0) continue;
    tokens.set(placeKey(body.workload, body.slot), body.fence);
  }
  const volumes = [...tokens].map(([name, token]) => ({ name, token }));
  return volumes.sort((left, right) => (left.name < right.name ? -1 : 1)).slice(0, volumesMax);
}

/**
 * Whether the data of a slot is on another machine. It waits for that one until it leaves the roster, or,
 * with `starlight.dev/volume-lost: fresh`, only while it is in view.
 */
function isElsewhere(state: NodeState, { object, workload }: PlacedWorkload, slot: string): boolean {
  if (listAt(objectAt(object.value, "spec"), "volumeClaimTemplates").length === 0) return false;
  const name = placeKey(workload.ref, slot);
  let owner: { readonly node: NodeId; readonly token: number } | undefined;
  for (const node of [...state.index.factsByNode.keys()].sort()) {
    if (!isMember(state.index, node)) continue;
    const volumes = factsOf(state.index, node)?.exclusive?.body.volumes ?? [];
    const token = volumes.find((volume) => volume.name === name)?.token;
    if (token !== undefined && token > (owner?.token ?? -1)) owner = { node, token };
  }
  if (owner === undefined || owner.node === state.identity.id) return false;
  return isInView(state, owner.node) || !startsFresh(object.value);
}

function startsFresh(value: JsonObject): boolean {
  return stringsAt(objectAt(value, "metadata"), "annotations")["starlight.dev/volume-lost"] === "fresh";
}
