import type { PodBody } from "../core/records/bodies.ts";
import type { MergedObject } from "../core/intents/contract.ts";
import type { World } from "./world.ts";

/** A mesh-wide slot that another site was given: a ready copy fills it there, or a newer write that came there ended it. */
export function movedAway(
  world: World,
  uid: string,
  { slot, workload }: PodBody,
  known: MergedObject,
  slotsOf: (world: World, object: MergedObject) => ReadonlySet<string>,
): boolean {
  if (!slot.startsWith("mesh/")) return false;
  return world.machines.some(({ pods, node }) => {
    const object = node?.view.object(workload);
    const newer = object !== undefined && object.version > known.version;
    if (newer && !(object.exists && slotsOf(world, object).has(slot))) return true;
    return [...pods].some(([other, { ready }]) => {
      const body = node?.view.pod(other)?.body;
      return other !== uid && ready && body?.slot === slot && body.workload.name === workload.name;
    });
  });
}
