import type { PodBody } from "../core/records/bodies.ts";
import type { MergedObject } from "../core/intents/contract.ts";
import type { World } from "./world.ts";

/** A mesh-wide slot that another site was given, as a newer write says that came there: it wants the slot no longer. */
export function isGivenUp(
  world: World,
  { slot, workload }: PodBody,
  known: MergedObject,
  slotsOf: (world: World, object: MergedObject) => ReadonlySet<string>,
): boolean {
  return world.present.some(({ node }) => {
    const object = node?.view.object(workload);
    const newer = object !== undefined && object.version > known.version;
    return newer && !(object.exists && slotsOf(world, object).has(slot));
  });
}
