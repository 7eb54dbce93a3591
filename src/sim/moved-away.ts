import type { PodBody } from "../core/records/bodies.ts";
import type { MergedObject } from "../core/intents/contract.ts";
import type { World } from "./world.ts";

/**
 * A mesh-wide slot that another site was given: a ready copy fills it there, or a newer write that came there ended it.
 * The end of a membership is heard of as late as everything else.
 *
 * @param claimed What a pod was started as: it runs on without its agent.
 */
export function movedAway(
  world: World,
  uid: string,
  { slot, workload }: PodBody,
  known: MergedObject,
  slotsOf: (world: World, object: MergedObject) => ReadonlySet<string>,
  claimed: (uid: string) => PodBody | undefined,
): boolean {
  if (!slot.startsWith("mesh/")) return false;
  return world.present.some(({ pods, node }) => {
    const object = node?.view.object(workload);
    const newer = object !== undefined && object.version > known.version;
    if (newer && !(object.exists && slotsOf(world, object).has(slot))) return true;
    return [...pods].some(([other, { ready }]) => {
      if (other === uid || !ready) return false;
      const body = claimed(other);
      return body?.slot === slot && body.workload.name === workload.name;
    });
  });
}
