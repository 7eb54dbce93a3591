import type { Duration } from "../kernel/time.ts";
import type { Version } from "../kernel/hybrid-clock.ts";
import type { Resources } from "../records/bodies.ts";
import type { ObjectRef } from "../records/keys.ts";
import type { NodeId } from "../records/record.ts";
import type { Verdict } from "../membership/contract.ts";

/** What a workload wants done about nodes that cannot be reached (Nomad's words where it has them). */
export type PartitionPolicy = {
  /**
   * `duplicate`: replace copies on unreachable nodes after `lostAfter`; two may run until the heal.
   * `freeze`: leave them alone; only a dead node's copies are replaced.
   * `majority`: replace them as well, but each copy runs only under a lease (core/leases), so never twice.
   */
  readonly onPartition: "duplicate" | "freeze" | "majority";
  /** How long a node may be unreachable before its copies count as lost. */
  readonly lostAfter: Duration;
  /** Which of several live copies of one slot stays after a heal. */
  readonly onHeal: "keepOriginal" | "keepReplacement";
};

export type WorkloadSpread =
  /** `replicas` copies in every site that the selector matches. */
  | { readonly type: "per-site"; readonly replicas: number; readonly sites: LabelSelector }
  /** `replicas` copies in the whole mesh. */
  | { readonly type: "mesh"; readonly replicas: number }
  /** One copy on every matching node (DaemonSet). */
  | { readonly type: "per-node" };

/** `label -> allowed values`; empty matches everything. Sites have the labels `name` and `region`. */
export type LabelSelector = { readonly [label: string]: readonly string[] };

export type Toleration = {
  readonly key?: string | undefined;
  readonly operator: "Exists" | "Equal";
  readonly value?: string | undefined;
  readonly effect?: string | undefined;
};

export type Workload = {
  readonly ref: ObjectRef;
  readonly uid: string;
  readonly spread: WorkloadSpread;
  /** Hash of the pod template. */
  readonly revision: string;
  /** A node must have all of these labels. */
  readonly nodeSelector: { readonly [label: string]: string };
  readonly tolerations: readonly Toleration[];
  readonly requests: { readonly cpuMilli: number; readonly memoryBytes: number };
  /** Needed runtime, for example `process`. */
  readonly runtime: string;
  readonly policy: PartitionPolicy;
  /** How many copies of a site may be in change at once during an update. */
  readonly updatesAtOnce: number;
};

export type PlaceNode = {
  readonly id: NodeId;
  readonly name: string;
  readonly site: string;
  readonly region: string;
  readonly labels: { readonly [label: string]: string };
  readonly taints: readonly { readonly key: string; readonly value: string; readonly effect: string }[];
  readonly cordoned: boolean;
  readonly allocatable: Resources;
  readonly runtimes: readonly string[];
  readonly verdict: Verdict;
  /** How long the verdict has stood, by our clock. */
  readonly verdictFor: Duration;
};

export type PlacePod = {
  readonly uid: string;
  readonly node: NodeId;
  readonly workload: ObjectRef;
  readonly slot: string;
  readonly revision: string;
  readonly claimedAt: Version;
  /** Finished (Failed for good or being stopped): it no longer fills its slot. */
  readonly ended: boolean;
  /** Running and ready. */
  readonly ready: boolean;
  readonly requests: { readonly cpuMilli: number; readonly memoryBytes: number };
};

export type PlacementInput = {
  readonly self: NodeId;
  readonly nodes: readonly PlaceNode[];
  readonly workloads: readonly Workload[];
  readonly pods: readonly PlacePod[];
  /** How long after nodes came back into view surplus copies are left alone. */
  readonly quietPeriod: Duration;
  /** How long the next-ranked node waits for the claim of the one before it. */
  readonly claimDelay: Duration;
};

export type StopReason =
  /** The workload is gone, or no longer wants this slot. */
  | "deleted"
  | "scaled-down"
  /** Another live copy fills the slot. */
  | "surplus"
  /** The slot runs a newer revision that is ready. */
  | "updated"
  /** This node may no longer run it: selector, taint, runtime. */
  | "not-allowed"
  /** An exclusive copy whose lease was not renewed in time. */
  | "lease-lost";

/** What this node itself is to do now. Other nodes come to theirs by the same function. */
export type PlacementPlan = {
  readonly starts: readonly {
    readonly workload: ObjectRef;
    readonly slot: string;
    readonly revision: string;
    /** Wait this long for a better-ranked node's claim; 0 when we are first. */
    readonly after: Duration;
    readonly why: string;
  }[];
  readonly stops: readonly { readonly uid: string; readonly reason: StopReason; readonly why: string }[];
  /** The soonest moment at which time alone changes the plan, from now; Infinity when none. */
  readonly again: Duration;
};

/** One slot explained: who was considered, why not, in what order. Recomputed on demand, same function. */
export type SlotExplanation = {
  readonly slot: string;
  readonly heldBy: readonly { readonly uid: string; readonly node: string; readonly note: string }[];
  readonly ranking: readonly { readonly node: string; readonly score: number; readonly note: string }[];
  readonly excluded: readonly { readonly node: string; readonly filter: string; readonly detail: string }[];
};
