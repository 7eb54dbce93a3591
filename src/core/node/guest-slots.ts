import { partsOf } from "../records/keys.ts";
import { slotOf, type MeshRecord } from "../records/record.ts";
import type { NodeState } from "./state.ts";

/** What of a guest belongs into this slot of our disk. */
export function guestRecord({ levels }: NodeState, slot: string): MeshRecord | undefined {
  const [key = ""] = slot.split("\0");
  const parts = partsOf(key);
  if (parts?.type !== "member" && parts?.type !== "status") return undefined;
  const guest = levels.guests.get(parts.node);
  const record = parts.type === "member" ? guest?.record : guest?.status?.record;
  return record !== undefined && slotOf(record) === slot ? record : undefined;
}
