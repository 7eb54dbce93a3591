import type { HybridClock, Version } from "../kernel/hybrid-clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Duration, Instant, WallTime } from "../kernel/time.ts";
import { promiseFor, type Leases } from "../leases/contract.ts";
import { createLeases } from "../leases/create-leases.ts";
import type { LinkId, Membership } from "../membership/contract.ts";
import { createMembership } from "../membership/create-membership.ts";
import type { Moment, PlaceNode } from "../placement/contract.ts";
import { createPlanner, type Planner } from "../placement/planner.ts";
import type { HealReport, PodBody, StatusBody } from "../records/bodies.ts";
import type { Strike } from "../records/health.ts";
import type { ObjectRef } from "../records/keys.ts";
import { spoken, type ProtocolRange } from "../records/protocol.ts";
import type { MeshRecord, NodeId } from "../records/record.ts";
import { emptyStore, type RecordStore } from "../records/store.ts";
import type { Sync } from "../sync/contract.ts";
import { createSync } from "../sync/create-sync.ts";
import type { NodeConfig, NodeEvent, NodeIdentity, PodReport, PodStart, PodUid } from "./contract.ts";
import type { HeldElectorates } from "./electorates.ts";
import type { Hearsay } from "./hearsay.ts";
import { newHealth, type Health } from "./health-state.ts";
import { noPressure, type Pressure } from "./memory.ts";
import type { HeldLinkPolicy } from "./link-policy.ts";
import type { PeersTold } from "./peers-told.ts";
import { nothingHeld, type Held } from "./progress.ts";
import { noJobs, type Jobs } from "./job-table.ts";
import type { Offender } from "./offences.ts";
import type { Uplink } from "./uplink.ts";
import { newLevels, type Levels } from "./levels.ts";
import type { WallClock } from "./wall.ts";
import { emptyIndex, type Index } from "./records-index.ts";
import type { PlacedWorkload } from "./workloads.ts";
import type { Voided } from "./voided.ts";

export type WriteRequest = Extract<NodeEvent, { type: "write" }>;

/** A pod of this machine, as far as the core is concerned. */
export type LocalPod = {
  body: PodBody;
  /** What was handed to the runtime; undefined while something it needs is missing. */
  start: PodStart | undefined;
  /** The runtime was told to stop it. */
  stopping: boolean;
  /** We ended it for good, and its fact says Failed: while its processes end, and after. */
  failed?: "ending" | "over";
  /** Since when it is ready without a break; and restarts of before, which no longer count. */
  readySince?: Instant | undefined;
  restartsForgiven?: number;
};

/** A place this node filled before its machine restarted: it goes back there first. */
export type FormerSlot = { readonly uid: PodUid; readonly body: PodBody };

/** What happens while nodes that were away are coming back. Becomes a heal report. */
export type Reunion = {
  readonly report: HealReport;
  readonly startedAt: Instant;
  /** Nothing came back and nothing moved for this long: the reunion is over. */
  closesAt: Instant;
  /** Conflicts (object and field) that were there before. */
  readonly knownConflicts: ReadonlySet<string>;
  /** Pods of ours that were running when it began. */
  readonly ran: ReadonlySet<PodUid>;
  /** When the report is published next; Infinity while nothing in it changed. */
  readonly publishAt: Instant;
};

export type NodeState = {
  readonly identity: NodeIdentity;
  readonly config: NodeConfig;
  readonly speaks: ProtocolRange;
  readonly clock: HybridClock;
  readonly clocks: WallClock;
  readonly uplink: Uplink;
  readonly peerByLink: Map<LinkId, NodeId>;
  readonly offenders: Map<NodeId, Offender>;
  linkPolicy: HeldLinkPolicy;
  peersTold: PeersTold | undefined;
  readonly store: RecordStore;
  readonly index: Index;
  readonly membership: Membership;
  /** Its stream of chance, from its first turn on. */
  membershipChance: Random | undefined;
  readonly sync: Sync;
  readonly leases: Leases;
  /** Lease tickets by the node's, and what the disk held of leases at boot. */
  readonly leaseTickets: Map<number, number>;
  leaseRows: Uint8Array[];
  electorates: HeldElectorates;
  /** What the lease machine was told last of the roster, and of what we want. */
  electoratesTold: string;
  wantedTold: string;

  booted: boolean;
  bootedAt: Instant;
  /** Until then decisions wait for the site's peers; Infinity stands for "not booted". */
  settledAt: Instant;
  /** Until then: we wait for the peers of our site, since we booted. */
  settling: boolean;
  /** Site peers that a dial failed to reach since boot. */
  readonly dialFailed: Set<NodeId>;

  status: StatusBody | undefined;
  readonly pods: Map<PodUid, LocalPod>;
  former: FormerSlot[];
  podsMade: number;

  readonly pressure: Pressure;
  readonly health: Health;
  /** Workloads that this node struck off, by object key, oldest first; and when that of any node changes next. */
  readonly strikes: Map<string, Strike>;
  readonly strikesUntil: Map<NodeId, WallTime>;
  /** objectKey -> a workload that lost a void record, and until when it is placed as it was. */
  readonly voided: Map<string, Voided>;
  readonly planner: Planner;
  readonly hearsay: Map<NodeId, Hearsay>;
  /** What the planner was told of nodes and workloads. */
  readonly placeNodes: Map<NodeId, PlaceNode>;
  readonly workloads: Map<string, PlacedWorkload>;
  readonly jobs: Jobs;
  /** By log: up to where we know that we lack nothing that stands. See tombstones.ts. */
  readonly wholeUpTo: Map<string, Version>;
  /** When the maintenance window of a node opens or closes next. */
  readonly windows: Map<NodeId, WallTime>;
  /** Of mesh-wide workloads, by object key: our place's slots, as the planner was told. */
  readonly shares: Map<string, string>;
  /** Moment of the next placement; Infinity when nothing changed. */
  placeAt: Instant;
  placedAt: Instant;
  /** Starts that wait for a better-ranked node's claim: workload and slot -> due. */
  readonly waitingStarts: Map<string, Instant>;
  /** When we asked a node that ranks before us, and again once it had answered: see placing.ts. */
  readonly claimsAsked: Map<NodeId, { readonly first: Instant; readonly again?: Instant }>;
  /** After a pod failed for good: workload and slot -> not before, and how often. */
  readonly backoffs: Map<string, { readonly until: Instant; readonly failures: number }>;

  nextTicket: number;
  /** Record slots of the commits under way, by ticket; and those whose commit failed. */
  readonly storing: Map<number, readonly string[]>;
  readonly unstored: Set<string>;
  storeAgainAt: Instant;
  /** The ticket under which refused slots were last written again; 0 before. */
  storingAgain: number;
  readonly held: Held;
  noteHeadsAt: Instant;
  /** What the last note said, as a checksum. */
  headsNoted: number | undefined;
  tombstonesAt: Instant;
  /** What others said of the wall time when we booted: see absence.ts. */
  timeTold: Moment;
  /** Object key -> its deletion, and since when we know of it. */
  readonly deadSince: Map<string, { readonly version: Version; readonly at: Instant }>;
  /** Whether we hold all that we ever wrote; not so after our disk was lost, until a peer gave it back. */
  ownLogsWhole: boolean;
  queuedWrites: WriteRequest[];
  /** The write batch whose commit is under way. */
  inFlight: InFlight | undefined;

  /** Records by authors that the roster does not know yet, oldest dropped first. */
  readonly pending: Map<string, { readonly record: MeshRecord; readonly from: LinkId | undefined }>;
  /** Records stamped too far in the future. */
  readonly setAside: Map<string, MeshRecord>;
  /** Bytes of the records in each of the two. */
  pendingBytes: number;
  setAsideBytes: number;
  retryAsideAt: Instant;

  /** Pods that run here without a record; see orphans.ts. */
  readonly orphans: Map<string, PodReport>;
  orphansUntil: Instant;
  readonly awaySince: Map<NodeId, Instant>;
  readonly levels: Levels;
  reunion: Reunion | undefined;
  heals: readonly HealReport[];
};

export type InFlight = {
  readonly ticket: number;
  readonly since: Instant;
  readonly records: readonly MeshRecord[];
  readonly replies: readonly {
    readonly request: WriteRequest;
    readonly refs: readonly ObjectRef[];
    /** Of the records that the request's outcome stands in. */
    readonly slots: readonly string[];
  }[];
};

/** Two placements are at least this far apart, so that a burst of records costs one. */
export const placementPause: Duration = 15;

export function newState(identity: NodeIdentity, config: NodeConfig, speaks = spoken): NodeState {
  const self = identity.id;
  return {
    identity,
    config,
    speaks,
    clock: { last: 0 },
    uplink: {
      day: 0,
      bytes: 0,
      noted: { day: 0, bytes: 0 },
      linkById: new Map(),
      used: [],
      roundTrips: { far: false, otherwiseSince: undefined, lookAt: 0 },
      class: undefined,
    },
    peerByLink: new Map(),
    offenders: new Map(),
    linkPolicy: { madeOf: "", policy: undefined },
    peersTold: undefined,
    clocks: { aheadByPeer: new Map(), correction: 0, base: Number.NaN },
    store: emptyStore(),
    index: emptyIndex(),
    membership: createMembership({
      self,
      pingEvery: config.pingEvery,
      silentAfter: config.silentAfter,
      redialMax: config.redialMax,
      speaks,
    }),
    membershipChance: undefined,
    sync: createSync({ self, compareEvery: config.compareEvery }),
    leases: createLeases({ self, leaseFor: config.leaseFor, promiseFor: promiseFor(config.leaseFor) }),
    leaseTickets: new Map(),
    leaseRows: [],
    electorates: { of: -1, found: [] },
    electoratesTold: "",
    wantedTold: "",
    booted: false,
    bootedAt: 0,
    settledAt: Number.POSITIVE_INFINITY,
    settling: true,
    dialFailed: new Set(),
    status: undefined,
    pods: new Map(),
    former: [],
    podsMade: 0,
    pressure: noPressure(),
    health: newHealth(),
    strikes: new Map(),
    strikesUntil: new Map(),
    voided: new Map(),
    planner: createPlanner({
      self,
      quietPeriod: config.quietPeriod,
      claimDelay: config.claimDelay,
    }),
    hearsay: new Map(),
    placeNodes: new Map(),
    workloads: new Map(),
    jobs: noJobs(),
    wholeUpTo: new Map(),
    windows: new Map(),
    shares: new Map(),
    placeAt: Number.POSITIVE_INFINITY,
    placedAt: Number.NEGATIVE_INFINITY,
    waitingStarts: new Map(),
    claimsAsked: new Map(),
    backoffs: new Map(),
    nextTicket: 1,
    storing: new Map(),
    unstored: new Set(),
    storeAgainAt: Number.POSITIVE_INFINITY,
    storingAgain: 0,
    held: nothingHeld(),
    noteHeadsAt: Number.POSITIVE_INFINITY,
    headsNoted: undefined,
    tombstonesAt: 0,
    timeTold: { wall: 0, now: 0 },
    deadSince: new Map(),
    ownLogsWhole: false,
    queuedWrites: [],
    inFlight: undefined,
    pending: new Map(),
    setAside: new Map(),
    pendingBytes: 0,
    setAsideBytes: 0,
    retryAsideAt: Number.POSITIVE_INFINITY,
    orphans: new Map(),
    orphansUntil: Number.POSITIVE_INFINITY,
    awaySince: new Map(),
    levels: newLevels(),
    reunion: undefined,
    heals: [],
  };
}
