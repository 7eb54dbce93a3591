import type { Duration, Instant, WallTime } from "../kernel/time.ts";
import type { LabelOperator } from "../kernel/labels.ts";
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
  /** The same for a node that is off or cut off alone (`lostBySite`); never longer than `lostAfter`. */
  readonly lostBySiteAfter: Duration;
  /** Which of several live copies of one slot stays after a heal. */
  readonly onHeal: "keepOriginal" | "keepReplacement";
};

/** Slots that are filled until their work is done (Job). */
export type Until = {
  /** Slots whose work is done. */
  readonly done: readonly string[];
  /** How many of the others run at once, the first ones first; in each site of a per-site workload. */
  readonly atOnce: number;
  /** Where nothing runs any more: `mesh`, `site/NAME`. */
  readonly closed: readonly string[];
};

export type WorkloadSpread =
  /** `replicas` copies in every site that the selector matches. */
  | {
      readonly type: "per-site";
      readonly replicas: number;
      readonly sites: LabelSelector;
      readonly until?: Until | undefined;
    }
  /** `replicas` copies in the whole mesh. */
  | {
      readonly type: "mesh";
      readonly replicas: number;
      /** Of the slots, those that are given to the nodes in the input; all when missing. */
      readonly only?: readonly string[] | undefined;
      readonly until?: Until | undefined;
    }
  /** One copy on every matching node (DaemonSet). */
  | { readonly type: "per-node" };

/** `label -> allowed values`; empty matches everything. Sites have the labels `name` and `region`. */
export type LabelSelector = { readonly [label: string]: readonly string[] };

export type Toleration = {
  readonly key?: string | undefined;
  readonly operator: "Exists" | "Equal";
  readonly value?: string | undefined;
  readonly effect?: string | undefined;
  /** How long a `NoExecute` taint is put up with; for ever when missing. */
  readonly forMs?: Duration | undefined;
};

/** One condition on labels. `Gt` and `Lt` compare whole numbers, with one value. */
export type LabelRule = {
  readonly key: string;
  readonly operator: LabelOperator | "Gt" | "Lt";
  readonly values: readonly string[];
};

/** Pods in these namespaces that match, counted by the value of a node label. */
export type PodTerm = {
  readonly selector: readonly LabelRule[];
  readonly namespaces: readonly string[];
  readonly topologyKey: string;
};

export type TopologySpread = {
  readonly maxSkew: number;
  readonly topologyKey: string;
  /** `DoNotSchedule`; otherwise it only ranks. */
  readonly hard: boolean;
  readonly selector: readonly LabelRule[];
};

type Weighted<T> = T & { readonly weight: number };

/** Where copies may and would rather run, beyond `nodeSelector`, in Kubernetes' terms. */
export type Constraints = {
  /** One of these must hold, each with all its rules; empty: no condition. */
  readonly nodeRequired: readonly (readonly LabelRule[])[];
  readonly nodePreferred: readonly Weighted<{ readonly rules: readonly LabelRule[] }>[];
  readonly podRequired: readonly PodTerm[];
  readonly podPreferred: readonly Weighted<PodTerm>[];
  readonly podForbidden: readonly PodTerm[];
  readonly podAvoided: readonly Weighted<PodTerm>[];
  readonly spreads: readonly TopologySpread[];
};

export const noConstraints: Constraints = {
  nodeRequired: [],
  nodePreferred: [],
  podRequired: [],
  podPreferred: [],
  podForbidden: [],
  podAvoided: [],
  spreads: [],
};

/** What a copy reserves. */
export type Requests = {
  readonly cpuMilli: number;
  readonly memoryBytes: number;
  readonly ephemeralBytes?: number;
  /** Whole units, for example of `nvidia.com/gpu`. */
  readonly extended?: { readonly [resource: string]: number };
};

/** A rung of the degrade ladder. */
export type Variant = {
  readonly name: string;
  /** The weakest tier that may run it: 1, 2 or 3 (any). */
  readonly minTier: number;
  readonly requests: Requests;
};

export type Workload = {
  readonly ref: ObjectRef;
  readonly uid: string;
  readonly spread: WorkloadSpread;
  /** Hash of the pod template. */
  readonly revision: string;
  /** Higher ones are placed first, and may end lower ones for want of room. */
  readonly priority: number;
  /** False: it waits for room instead of ending others. */
  readonly preempts: boolean;
  /** Of its pods. */
  readonly labels: { readonly [label: string]: string };
  /** A node must have all of these labels. */
  readonly nodeSelector: { readonly [label: string]: string };
  readonly constraints: Constraints;
  readonly tolerations: readonly Toleration[];
  readonly requests: Requests;
  /** The degrade ladder, best first; empty: the template as it is, with `requests`, on any tier. */
  readonly variants: readonly Variant[];
  /** Needed runtime, for example `process`. */
  readonly runtime: string;
  readonly policy: PartitionPolicy;
  /** How many copies of a site may be in change at once during an update. */
  readonly updatesAtOnce: number;
};

export type Taint = {
  readonly key: string;
  readonly value: string;
  readonly effect: string;
  /** When it was put on, for `tolerationSeconds`. */
  readonly since: WallTime;
};

/** The node does not take the workload at this revision until then. */
export type Strike = {
  readonly workload: ObjectRef;
  readonly revision: string;
  readonly times: number;
  readonly until: WallTime;
};

export type PlaceNode = {
  readonly id: NodeId;
  readonly name: string;
  readonly site: string;
  readonly region: string;
  readonly labels: { readonly [label: string]: string };
  readonly taints: readonly Taint[];
  readonly cordoned: boolean;
  /** Outside of its maintenance window: what runs there is not updated, nor made larger. */
  readonly heldBack?: boolean | undefined;
  /** Workloads that failed there too often. */
  readonly strikes?: readonly Strike[] | undefined;
  readonly allocatable: Resources;
  readonly runtimes: readonly string[];
  readonly verdict: Verdict;
  /** Since when the verdict stands, by our monotonic clock. */
  readonly verdictSince: Instant;
  /** Of an unreachable node: its site can tell that it is off or cut off alone, not we. */
  readonly lostBySite?: boolean | undefined;
};

export type PlacePod = {
  readonly uid: string;
  readonly node: NodeId;
  readonly workload: ObjectRef;
  readonly slot: string;
  readonly revision: string;
  /** The rung of the ladder that it runs. */
  readonly variant?: string | undefined;
  readonly claimedAt: Version;
  /** Finished (Failed for good or being stopped): it no longer fills its slot. */
  readonly ended: boolean;
  /** Running and ready. */
  readonly ready: boolean;
  /** Evicted: it holds its slot only until another node fills it. */
  readonly yields?: boolean | undefined;
  readonly labels: { readonly [label: string]: string };
  readonly requests: Requests;
};

/** The two clocks of the node that decides. */
export type Moment = { readonly now: Instant; readonly wall: WallTime };

export type PlannerConfig = {
  readonly self: NodeId;
  /** How long after nodes came back into view surplus copies are left alone. */
  readonly quietPeriod: Duration;
  /** How long the next-ranked node waits for the claim of the one before it. */
  readonly claimDelay: Duration;
};

/** Everything that a placement depends on: recorded, it can be decided again anywhere. */
export type PlacementInput = PlannerConfig &
  Moment & {
    readonly nodes: readonly PlaceNode[];
    readonly workloads: readonly Workload[];
    readonly pods: readonly PlacePod[];
  };

export type PlannerEvent =
  | { readonly type: "node"; readonly node: PlaceNode }
  | { readonly type: "node-gone"; readonly id: NodeId }
  | { readonly type: "workload"; readonly workload: Workload }
  | { readonly type: "workload-gone"; readonly ref: ObjectRef }
  | { readonly type: "pod"; readonly pod: PlacePod }
  | { readonly type: "pod-gone"; readonly uid: string };

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
  /** A workload of higher priority needs the room. */
  | "preempted"
  /** An exclusive copy whose lease was not renewed in time. */
  | "lease-lost"
  /** Somebody wants it off this node. */
  | "evicted";

/** What this node itself is to do now. Other nodes come to theirs by the same function. */
export type PlacementPlan = {
  readonly starts: readonly {
    readonly workload: ObjectRef;
    readonly slot: string;
    readonly revision: string;
    /** The rung of the ladder to run; undefined without one. */
    readonly variant: string | undefined;
    /** Wait this long for a better-ranked node's claim; 0 when we are first. */
    readonly after: Duration;
    /** The better-ranked nodes. */
    readonly behind: readonly NodeId[];
    readonly why: string;
  }[];
  readonly stops: readonly { readonly uid: string; readonly reason: StopReason; readonly why: string }[];
  /** The soonest moment at which time alone changes the plan, from now; Infinity when none. */
  readonly again: Duration;
};

/** One slot explained: who was considered, why not, in what order. Recomputed on demand, same function. */
export type SlotExplanation = {
  readonly slot: string;
  /** The rung that the ranking is for; undefined without a ladder. */
  readonly variant: string | undefined;
  readonly heldBy: readonly { readonly uid: string; readonly node: string; readonly note: string }[];
  readonly ranking: readonly {
    readonly node: string;
    readonly score: number;
    /** Preference points: weights of what holds there. */
    readonly points: number;
    readonly note: string;
  }[];
  /** All in the ranking have struck the workload off, and nobody else may take the slot. */
  readonly lastResort: boolean;
  /** Every filter that fails there, the first one first. */
  readonly excluded: readonly {
    readonly node: string;
    readonly filter: string;
    readonly detail: string;
  }[];
};

/** One filter on one node. */
export type Check = { readonly filter: string; readonly holds: boolean; readonly detail: string };

/** One node against one slot. */
export type NodeOnSlot = {
  readonly slot: string;
  readonly variant: string | undefined;
  readonly holds: boolean;
  readonly heldBy: readonly string[];
  /** Who gets it now, if it is to be filled. */
  readonly givenTo: string | undefined;
  /** Its place among those that may fill the slot, from 1; undefined when it may not. */
  readonly rank: number | undefined;
  readonly of: number;
  readonly score: number | undefined;
  readonly points: number | undefined;
  readonly checks: readonly Check[];
};

/** How one slot stands, or would. */
export type Forecast = {
  readonly workload: ObjectRef;
  readonly slot: string;
  readonly outcome: "stays" | "starts" | "preempts" | "waits";
  /** The node's name; undefined when it waits. */
  readonly node: string | undefined;
  readonly site: string | undefined;
  readonly variant: string | undefined;
  readonly why: string;
};

/** A workload in short, for its status. */
export type WorkloadStanding = {
  /** Slots that the view wants. */
  readonly wanted: number;
  /** Slots that nothing runs and nobody has room for; of those whose nodes are all out of reach, that. */
  readonly waiting: readonly { readonly slot: string; readonly outOfReach: string | undefined }[];
  /** Slots that run a smaller variant than the best. */
  readonly smaller: readonly { readonly slot: string; readonly variant: string }[];
};
