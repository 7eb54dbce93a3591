import { versionAt, wallOf, type Version } from "../core/kernel/hybrid-clock.ts";
import type { Machine } from "./machine.ts";
import { Ends } from "./roster-checks.ts";
import type { Attempt, Users } from "./users.ts";
import type { World } from "./world.ts";

/** What a void record takes with it: all that its manager at that node ever wrote of the object. */

/** What counts nowhere as far as a machine has heard, because its author wrote it after the end of its membership. */
export function voidAttempts(world: World, users: Users, ends: Ends = new Ends(world)): ReadonlySet<Attempt> {
  const idByName = new Map(world.everybody.map(({ name, identity }) => [name, identity.id]));
  return new Set(
    users.attempts.filter((attempt) => ends.isVoid(idByName.get(attempt.by) ?? "", stampOf(world, attempt))),
  );
}

/** A stamp of a clock that is years off is written anew, a little later than the write. */
function stampOf(world: World, { acknowledged = 0, at }: Attempt): Version {
  const truly = world.trueTime() - world.now + at;
  return wallOf(acknowledged) > truly + yearMs ? versionAt(truly) : acknowledged;
}

/** The same, by a clock that was put right by peers whose clocks are behind. */
export function earliestStamp(world: World, attempt: Attempt): Version {
  const stamp = stampOf(world, attempt);
  return stamp === attempt.acknowledged ? stamp : versionAt(wallOf(stamp) - clockErrorMax);
}
const yearMs = 365 * 86_400_000;
/** No clock that is right is further off than this. */
export const clockErrorMax = 30_000;

/**
 * Whether nobody promises it any more. One record holds all that a manager at one node wrote of an object: with
 * its last write it is void.
 */
export const isLost = (attempt: Attempt, voids: ReadonlySet<Attempt>): boolean =>
  attempt.unheard ||
  [...voids].some(
    ({ object, by, manager, at }) =>
      object === attempt.object && by === attempt.by && manager === attempt.manager && at >= attempt.at,
  );

/** Whether the object's maker lost it: what others edited of it has no template to stand on. */
export const isTorn = (name: string, { attempts }: Users, voids: ReadonlySet<Attempt>): boolean =>
  attempts.some((attempt) => attempt.object === name && attempt.creates && isLost(attempt, voids));

/** The same, as one machine knows of ends at this moment. */
export const isTornAt = (machine: Machine, name: string, world: World, users: Users): boolean =>
  isTorn(name, users, voidAttempts(world, users, new Ends(world, machine)));
