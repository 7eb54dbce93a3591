import type { Instant } from "../kernel/time.ts";
import type { Workload } from "../placement/contract.ts";
import { matchesSite, workloadKey } from "../placement/slots.ts";
import type { PodBody } from "../records/bodies.ts";
import type { NodeId } from "../records/record.ts";
import { allotted } from "./allotment.ts";
import { factsOf, membersOf } from "./records-index.ts";
import type { NodeState } from "./state.ts";

/**
 * How many copies of each workload these nodes are to run.
 *
 * Of a mesh-wide workload they are to fill all slots that are our place's, where they are all whose detail we
 * keep; otherwise those that they fill. Each slot counts at one node, so that what sites want adds up.
 */
export function wantedOf(
  state: NodeState,
  ids: readonly NodeId[],
  now: Instant,
): (workload: Workload) => number {
  const members = membersOf(state.index);
  const inside = new Set(ids);
  const fillers = ids.length === members.length ? undefined : fillersOf(state, members);
  const regionBySite = new Map(
    ids.flatMap((id) => {
      const member = state.index.memberById.get(id)?.body;
      return member === undefined ? [] : [[member.site, member.region] as const];
    }),
  );
  return (workload) => {
    const { spread, ref } = workload;
    if (spread.type === "per-node") return ids.length;
    if (spread.type === "per-site") {
      const selected = [...regionBySite].filter(([site, region]) =>
        matchesSite(spread.sites, { site, region }),
      );
      return selected.length * spread.replicas;
    }
    if (fillers === undefined) return allotted(state, workload, now).length;
    const filled = [...(fillers.get(workloadKey(ref)) ?? [])];
    return filled.filter(([slot, { id }]) => isWanted(slot, spread.replicas) && inside.has(id)).length;
  };
}

type Filler = { readonly id: NodeId; readonly preference: number };

/** By workload, then by mesh-wide slot: the node whose copy fills it best, the first by id of equals. */
function fillersOf(
  { index, identity, membership }: NodeState,
  members: readonly NodeId[],
): ReadonlyMap<string, ReadonlyMap<string, Filler>> {
  const found = new Map<string, Map<string, Filler>>();
  for (const id of members) {
    const alive = id === identity.id || membership.standing(id)?.verdict === "alive";
    for (const { body } of factsOf(index, id)?.pods.values() ?? []) {
      if (!body.slot.startsWith("mesh/") || body.phase === "Terminating") continue;
      const preference = preferenceOf(body, alive);
      const bySlot = found.get(workloadKey(body.workload)) ?? new Map<string, Filler>();
      found.set(workloadKey(body.workload), bySlot);
      if (preference > (bySlot.get(body.slot)?.preference ?? -1)) bySlot.set(body.slot, { id, preference });
    }
  }
  return found;
}

/** A copy that is ready, before one that is not, before one on a node out of view. */
const preferenceOf = ({ ready }: PodBody, alive: boolean): number => (alive ? (ready ? 2 : 1) : 0);

const isWanted = (slot: string, replicas: number): boolean =>
  Number(slot.slice(slot.lastIndexOf("/") + 1)) < replicas;
