import type { Duration } from "../core/kernel/time.ts";
import type { NodeView } from "../core/node/contract.ts";
import { silentAfter } from "../core/node/summaries.ts";
import { copiesOf, updatedOf } from "../core/node/summary-content.ts";
import { workloadKey } from "../core/placement/slots.ts";
import type { ObjectRef } from "../core/records/keys.ts";
import type { WorkloadSummary } from "../core/records/summaries.ts";
import { placesTold } from "./places.ts";
import { few } from "./values.ts";

/** Copies of a workload in places whose detail is not kept here, as each place tells of them. */

/** Pods that have not ended, those of them of the revision that is wanted, and those that are ready. */
export type Copies = { readonly copies: number; readonly updated: number; readonly ready: number };

export type CopiesElsewhere = Copies & {
  readonly place: string;
  readonly wanted: number;
  readonly age: Duration;
  /** Why these do not count: what was told may no longer be so. */
  readonly doubt: string | undefined;
};

export type Elsewhere = {
  readonly places: readonly CopiesElsewhere[];
  /** Places that have more workloads than they tell of, and do not tell of this one. */
  readonly unsaid: readonly string[];
};

/** @param revision The one that is wanted, as this node knows it. */
export function copiesElsewhere(ref: ObjectRef, revision: string | undefined, view: NodeView): Elsewhere {
  const key = workloadKey(ref);
  const places: CopiesElsewhere[] = [];
  const unsaid: string[] = [];
  for (const { kind, name, summary, age, unreachableFor } of placesTold(view)) {
    const place = `${kind} ${name}`;
    const told = summary.workloads.find((workload) => workload.name === key);
    if (told !== undefined)
      places.push({ place, age, ...countsOf(told, revision), doubt: doubtOf(age, unreachableFor) });
    else if (summary.workloadsLeftOut > 0) unsaid.push(place);
  }
  return { places, unsaid };
}

/** What may be relied on, added up. */
export function countedElsewhere({ places }: Elsewhere): Copies {
  const counted = places.filter(({ doubt }) => doubt === undefined);
  const sum = (of: (place: CopiesElsewhere) => number): number =>
    counted.reduce((total, place) => total + of(place), 0);
  return {
    copies: sum(({ copies }) => copies),
    updated: sum(({ updated }) => updated),
    ready: sum(({ ready }) => ready),
  };
}

const doubtsMax = 5;

/** What is not counted, in half a sentence each. */
export function doubtsOf({ places, unsaid }: Elsewhere): readonly string[] {
  const lost = places.flatMap(({ place, ready, doubt }) =>
    doubt === undefined || ready === 0
      ? []
      : [`${ready} more ${ready === 1 ? "was" : "were"} at ${place}, ${doubt}`],
  );
  const silent = unsaid.length === 0 ? [] : [`not told of by ${few(unsaid)}: too many workloads there`];
  const further = lost.length - doubtsMax;
  return [...lost.slice(0, doubtsMax), ...(further > 0 ? [`${further} more such places`] : []), ...silent];
}

function countsOf(told: WorkloadSummary, revision: string | undefined) {
  const { ready, wanted } = told;
  // A place that has not heard of an update yet tells of copies of the revision before.
  const updated = told.revision === revision ? updatedOf(told) : 0;
  return { copies: copiesOf(told), updated, ready, wanted };
}

function doubtOf(age: Duration, unreachableFor: Duration | undefined): string | undefined {
  if (unreachableFor !== undefined) return "which does not answer";
  return age > silentAfter ? "of which nothing has been heard for hours" : undefined;
}
