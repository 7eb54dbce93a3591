import type { MergedObject } from "../intents/contract.ts";
import { maintenanceAnnotation, parseMaintenance, windowAt } from "../intents/maintenance.ts";
import type { Instant, WallTime } from "../kernel/time.ts";
import type { Moment } from "../placement/contract.ts";
import type { NodeId } from "../records/record.ts";
import { objectAt, textAt } from "./json-at.ts";
import type { NodeState } from "./state.ts";

/** Maintenance windows of nodes: outside of them nothing that runs there is updated, enlarged or evicted. */

/** The soonest change of a window is never looked for more often than this. */
const lookAgainMs = 1_000;
const longestWait = 86_400_000;

/** Whether the node has windows and none is open; remembers when that changes. */
export function isHeldBack(
  { windows }: NodeState,
  id: NodeId,
  object: MergedObject | undefined,
  wall: WallTime,
): boolean {
  const window = maintenanceOf(object, wall);
  if (window === undefined) windows.delete(id);
  else windows.set(id, window.until);
  return window?.open === false;
}

/** Undefined for a node that may be touched at any time. */
export function maintenanceOf(
  object: MergedObject | undefined,
  wall: WallTime,
): { readonly open: boolean; readonly until: WallTime } | undefined {
  const metadata = objectAt(object?.value ?? {}, "metadata");
  const text = textAt(objectAt(metadata, "annotations"), maintenanceAnnotation);
  const parsed = text === undefined ? undefined : parseMaintenance(text);
  return parsed?.ok === true ? windowAt(parsed.value, wall) : undefined;
}

/** When time alone changes what a node takes: a window opens or closes, or a strike is over. */
export function windowsChangeAt({ windows, strikesUntil }: NodeState, { now, wall }: Moment): Instant {
  let at = Number.POSITIVE_INFINITY;
  for (const until of windows.values()) at = Math.min(at, until);
  for (const until of strikesUntil.values()) at = Math.min(at, until);
  if (at === Number.POSITIVE_INFINITY) return at;
  return now + Math.min(longestWait, Math.max(lookAgainMs, at - wall));
}
