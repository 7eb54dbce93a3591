import type { ObjectRef } from "../records/keys.ts";

/** A workload's slot as one text: what claims, backoffs and leases are kept by. */
export const placeKey = (ref: ObjectRef, slot: string): string =>
  `${ref.group}/${ref.kind}/${ref.namespace}/${ref.name} ${slot}`;
