import type { LinkClass } from "../records/link-class.ts";
import type { Crypto, Signer } from "../kernel/crypto.ts";
import type { Version } from "../kernel/hybrid-clock.ts";
import type { JsonObject } from "../kernel/json.ts";
import type { Random } from "../kernel/random.ts";
import type { Result } from "../kernel/result.ts";
import type { Duration, Instant, Wake, WallTime } from "../kernel/time.ts";
import type { Change, ChangeError, FieldConflict, IntentEntry, MergedObject } from "../intents/contract.ts";
import type { Leases } from "../leases/contract.ts";
import type { DialFailure, Evidence, LinkEnd, LinkId, MembershipEvent } from "../membership/contract.ts";
import type { Moment, Workload } from "../placement/contract.ts";
import type { Planner } from "../placement/planner.ts";
import type {
  ContainerBody,
  HealReport,
  LinksBody,
  MemberBody,
  PodBody,
  StatusBody,
} from "../records/bodies.ts";
import type { HealthBody } from "../records/health.ts";
import type { ObjectRef } from "../records/keys.ts";
import type { MeshRecord, NodeId, RecordKind } from "../records/record.ts";
import type { Detail, Place } from "../records/scope.ts";
import type { BundleReport } from "./bundle-report.ts";
import type { MemorySample } from "./memory.ts";
import type { Eviction } from "./eviction.ts";
import type { JobStanding } from "./job-standing.ts";
import type { Bundle, BundleMaker } from "../sync/bundle.ts";
import type { Cover } from "../sync/contract.ts";
import type { LogAt } from "../sync/frames.ts";
import type { ContactView, RegionView, SiteView } from "./place-view.ts";
import type { UplinkView } from "./uplink-view.ts";

export type { BundleReport } from "./bundle-report.ts";
export type { ContactView, RegionView, SiteView } from "./place-view.ts";

/** Who we are and which mesh we belong to. Fixed for the life of a process. */
export type NodeIdentity = {
  readonly id: NodeId;
  readonly name: string;
  readonly site: string;
  readonly region: string;
  readonly mesh: MeshIdentity;
};

export type MeshIdentity = {
  readonly id: NodeId;
  readonly name: string;
  readonly rootKey: Uint8Array;
  /** How far the detail of a node travels. The root says so in the records it signs. */
  readonly detail: Detail;
};

/** Timing of one node; the same everywhere in a mesh unless an operator has a reason. */
export type NodeConfig = {
  readonly pingEvery: Duration;
  readonly silentAfter: Duration;
  readonly redialMax: Duration;
  readonly compareEvery: Duration;
  /** After boot, wait this long for peers before deciding alone. Nothing to dial: no wait. */
  readonly bootSettle: Duration;
  readonly claimDelay: Duration;
  readonly quietPeriod: Duration;
  /** Default of the partition policy. */
  readonly lostAfter: Duration;
  /** How long an exclusive pod may run on after its node last asked the voters. */
  readonly leaseFor: Duration;
  /** The same where the node is known to be off or cut off alone (`lostBySite`), unless a workload says otherwise. */
  readonly lostBySiteAfter: Duration;
  /** For how long there must be plenty of memory again before a shortage is over. */
  readonly pressureHold: Duration;
  /** A stamp further ahead of our clock than this is kept aside until time catches up. */
  readonly driftMax: Duration;
  /** How often members say how far they know logs with tombstones, and authors drop theirs. */
  readonly tombstoneEvery: Duration;
  /** Nobody waits with dropping tombstones for a member that was not heard of for so long. */
  readonly absentLong: Duration;
  /** How long a deleted object can be brought back, at least. */
  readonly keepDeleted: Duration;
  /** How this machine is joined to other sites. */
  readonly uplink: LinkClass;
  /** Bytes a second that the state exchange may put on one link to another site; 0: what its class allows. */
  readonly uplinkBytesPerSecond: number;
  /** Bytes to other sites that a day may cost; 0: any number. */
  readonly uplinkBytesPerDay: number;
};

export type PodUid = string;
export type RequestId = number;

/** What the runtime is told to run. Everything is resolved: no look-ups are left. */
export type PodStart = {
  readonly uid: PodUid;
  readonly namespace: string;
  readonly name: string;
  /** A validated Kubernetes PodSpec. */
  readonly spec: JsonObject;
  readonly labels: { readonly [label: string]: string };
  /** Volume name -> file name -> content, from ConfigMaps. */
  readonly files: { readonly [volume: string]: { readonly [file: string]: string } };
  /** Container name -> variables, with fieldRef and configMapKeyRef already resolved. */
  readonly env: { readonly [container: string]: { readonly [variable: string]: string } };
  /** An exclusive pod runs until then by our clock, unless `arm-pod` says longer. */
  readonly fence?: Fence | undefined;
  /** Folders that stay with the machine when the pod goes: volume -> the folder's name. */
  readonly kept?: { readonly [volume: string]: string } | undefined;
};

/** Under which lease an exclusive pod runs. */
export type Fence = { readonly name: string; readonly token: number; readonly until: Instant };

/** What the runtime says of a pod, on every change and for each pod it adopted at start. */
export type PodReport = {
  readonly uid: PodUid;
  readonly phase: "Pending" | "Running" | "Succeeded" | "Failed";
  readonly ready: boolean;
  readonly address: string;
  readonly containers: readonly ContainerBody[];
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
};

/** Why a write was not taken; `not-a-member`, 403: this node has left or was revoked, so it would count nowhere. */
export type WriteError =
  | ChangeError
  | { readonly type: "not-a-member" }
  /** 507: the disk refused; nothing was applied. */
  | { readonly type: "storage"; readonly detail: string };

/** How durable a write is: said in every reply. */
export type Durability = {
  /** On this node's disk. */
  readonly local: true;
  /** Members of our site known to hold it at the moment of the answer, which is us, of all of them. */
  readonly site: { readonly have: number; readonly of: number };
};

/** A place in an author's log of intents. */
export type Position = { readonly author: NodeId; readonly version: Version };

export type WriteReply = Result<
  {
    readonly objects: readonly MergedObject[];
    readonly durability: Durability;
    /** Of the records that the outcome stands in, for `positions`; none for a dry run. */
    readonly slots: readonly string[];
  },
  WriteError
>;

export type NodeEvent =
  /** The first event: what the disk holds (record frames, in any order) and what already runs. */
  | {
      readonly type: "boot";
      readonly frames: Iterable<Uint8Array>;
      readonly adopted: readonly PodReport[];
      /** No agent ever ran under this identity: what is not on the disk was never there. */
      readonly firstLife?: boolean | undefined;
    }
  /** What the machine is, at start and when it changes. */
  | { readonly type: "measured"; readonly status: StatusBody }
  /** `tlsKey`: SHA-256 of the key that the peer proved, in hex; a node outside of our roster must show one. */
  | (Extract<MembershipEvent, { readonly type: "link-opened" }> & { readonly tlsKey?: string | undefined })
  | { readonly type: "link-closed"; readonly link: LinkId; readonly end: LinkEnd }
  | {
      readonly type: "dial-failed";
      readonly peer: NodeId;
      readonly why: DialFailure;
      readonly detail: string;
    }
  | { readonly type: "frame"; readonly link: LinkId; readonly bytes: Uint8Array }
  /** A user's changes: all or none. `dryRun` answers as if, and changes nothing. */
  | {
      readonly type: "write";
      readonly request: RequestId;
      readonly changes: readonly Change[];
      readonly actor: string;
      readonly dryRun: boolean;
    }
  /**
   * A part of a bundle (sync/bundle.ts): its records are judged like a peer's, and its covers count when
   * the maker is a member. Answered by `bundle-taken` in the same turn.
   */
  | {
      readonly type: "bundle";
      readonly request: RequestId;
      readonly records: readonly MeshRecord[];
      readonly covers: readonly Cover[];
      readonly maker: BundleMaker;
      /** After the last part of all that its maker held: what we may have lost of our own is back, as in step. */
      readonly whole: boolean;
    }
  /** A roster record made by an enroller of this process (join, revoke), as a frame. */
  | { readonly type: "enrolled"; readonly frame: Uint8Array }
  /** This node leaves for good: publishes its signed leave. */
  | { readonly type: "leave"; readonly reason: string }
  | { readonly type: "pod-report"; readonly report: PodReport }
  /** Said while memory is short, and every now and then. */
  | { readonly type: "memory"; readonly sample: MemorySample }
  | Eviction
  /** The runtime has nothing left of this pod. */
  | { readonly type: "pod-gone"; readonly uid: PodUid }
  | { readonly type: "stored"; readonly ticket: number }
  | { readonly type: "store-failed"; readonly ticket: number; readonly detail: string }
  /** This process ends now, and what the machine runs goes on: the peers are told that it will be back. */
  | { readonly type: "stopping" }
  | { readonly type: "stalled"; readonly by: Duration }
  | { readonly type: "wake" };

export type NodeEffect =
  /** Try the addresses, and one of the relays when none answers. */
  | {
      readonly type: "dial";
      readonly peer: NodeId;
      readonly addresses: readonly string[];
      readonly relays: readonly NodeId[];
    }
  | { readonly type: "send"; readonly link: LinkId; readonly bytes: Uint8Array }
  | { readonly type: "close"; readonly link: LinkId; readonly end: LinkEnd }
  /**
   * Write these slots in one atomic, durable transaction and answer `stored` or `store-failed`. Tickets
   * are answered in order. `bytes` undefined removes the slot.
   */
  | {
      readonly type: "persist";
      readonly ticket: number;
      readonly puts: readonly { readonly slot: string; readonly bytes: Uint8Array | undefined }[];
    }
  | { readonly type: "start-pod"; readonly pod: PodStart }
  /** An exclusive pod may run on until then, by our clock; whatever becomes of us, it must not run longer. */
  | { readonly type: "arm-pod"; readonly uid: PodUid; readonly until: Instant }
  | { readonly type: "stop-pod"; readonly uid: PodUid; readonly grace: Duration; readonly reason: string }
  | { readonly type: "reply"; readonly request: RequestId; readonly reply: WriteReply }
  | { readonly type: "bundle-taken"; readonly request: RequestId; readonly report: BundleReport }
  /** Something that the API shows changed. */
  | { readonly type: "changed"; readonly what: readonly Changed[] }
  /** A decision worth telling: logs, events, traces. */
  | { readonly type: "note"; readonly note: Note };

export type Changed =
  | { readonly type: "object"; readonly ref: ObjectRef }
  | { readonly type: "pod"; readonly node: NodeId; readonly uid: PodUid }
  | { readonly type: "node"; readonly node: NodeId }
  /** What is known of a job's pods, by the job's uid. */
  | { readonly type: "job"; readonly uid: string }
  /** What is told of a place; the keys of workloads of which it is something else than before. */
  | {
      readonly type: "site" | "region";
      readonly name: string;
      readonly workloads: readonly string[];
    };

export type Note = {
  readonly level: "debug" | "info" | "warning" | "error";
  /** Kubernetes Event reason style: `PodStarted`, `NodeUnreachable`, `RecordRefused`, ... */
  readonly reason: string;
  readonly message: string;
  readonly about?: ObjectRef | undefined;
};

/** `now` is monotonic, `wall` may be wrong. `random(name)` gives this machine's stream of that name. */
export type NodeEnv = {
  readonly now: Instant;
  readonly wall: WallTime;
  readonly random: (name: string) => Random;
  /** Bytes that left on an open link so far, all frames of past turns included (ports/transport.ts). */
  readonly sentBytes: (link: LinkId) => number;
  /** Whether the interface with our end of an open link runs; undefined, or missing, where nobody can tell. */
  readonly ownEndUp?: ((link: LinkId) => boolean | undefined) | undefined;
  readonly crypto: Crypto;
  readonly signer: Signer;
};

export type MemberView = {
  readonly id: NodeId;
  readonly member: MemberBody;
  /** Undefined until the node published one that reached us. */
  readonly status: StatusBody | undefined;
  readonly links: LinksBody | undefined;
  /** What it finds wrong with itself; undefined when it never found anything. */
  readonly health: HealthBody | undefined;
  readonly self: boolean;
  readonly evidence: Evidence;
  /** Age of the newest record of it that we hold, by its own stamp and our clock. */
  readonly factAge: Duration | undefined;
  readonly cordoned: boolean;
  /** Roster labels, the standard topology labels, and labels set through the API. */
  readonly labels: { readonly [label: string]: string };
};

export type PodView = {
  readonly uid: PodUid;
  readonly node: NodeId;
  readonly body: PodBody;
  /** Age of this fact by its own stamp and our clock. */
  readonly age: Duration;
  /** True when its node is alive in our view: otherwise this is what was last heard. */
  readonly current: boolean;
};

/** Everything this node knows, read-only: what the API, the CLI and the simulator's checks look at. */
export type NodeView = {
  readonly identity: NodeIdentity;
  readonly config: NodeConfig;
  readonly members: () => readonly MemberView[];
  readonly member: (id: NodeId) => MemberView | undefined;
  /** Objects that exist, sorted by namespace and name. */
  readonly objects: (group: string, kind: string) => readonly MergedObject[];
  readonly object: (ref: ObjectRef) => MergedObject | undefined;
  /** The configurations an object is merged from: what history and undo are read from. */
  readonly entries: (ref: ObjectRef) => readonly IntentEntry[];
  /** How a job stands, one that a CronJob makes included. */
  readonly job: (object: MergedObject) => JobStanding;
  /** The ways to a member: its addresses, and members that have a link with us and one with it. */
  readonly paths: (id: NodeId) => {
    readonly addresses: readonly string[];
    readonly relays: readonly NodeId[];
  };
  /** Why the link policy keeps a member from us; undefined when it does not. */
  readonly forbids: (id: NodeId) => string | undefined;
  readonly pods: () => readonly PodView[];
  readonly pod: (uid: PodUid) => PodView | undefined;
  readonly conflicts: () => readonly { readonly object: MergedObject; readonly conflict: FieldConflict }[];
  readonly heals: (id: NodeId) => readonly HealReport[];
  /** The exclusive names this node holds now, and the roll each electorate votes by. */
  readonly leases: Leases;
  /** Placement as this view has it: plans, explanations, forecasts, and what they are made of. */
  readonly placement: () => Omit<Planner, "handle">;
  /** What the machine was last given. */
  readonly clocks: () => Moment;
  /** A workload, also one that nobody wrote yet, as placement would see it. */
  readonly placedAs: (object: MergedObject) => Workload | undefined;
  /** Nodes whose site can be reached from here, ourselves included, sorted. */
  readonly island: () => readonly NodeId[];
  /** Whether a node that proves this TLS key may open a link: what it may say there is judged by the core. */
  readonly admits: (peer: NodeId, tlsKey: string) => boolean;
  /** What is on record of a node, also of one outside of our roster; undefined when its membership ended. */
  readonly memberBody: (id: NodeId) => MemberBody | undefined;
  /** Whether a node is known to have left or to be revoked. */
  readonly hasEnded: (id: NodeId) => boolean;
  /** Sites that we know of, ours included, sorted by name. */
  readonly sites: () => readonly SiteView[];
  /** Those of them whose detail is not kept here. */
  readonly sitesTold: () => readonly SiteView[];
  /** Of the mesh, and of each region that we stand in, the regions next to ours, sorted by name. */
  readonly regions: () => readonly RegionView[];
  /** Nodes of other places that we have links with, or dial, sorted by name; none where everybody is in the roster. */
  readonly contacts: () => readonly ContactView[];
  /** Regions that we know a member to stand in directly, sorted. */
  readonly peopledRegions: () => readonly string[];
  /** In which regions a site stands, as far as we know, sorted; two: two sites have one name. */
  readonly regionsOfSite: (site: string) => readonly string[];
  /** Frames of the roster and of every member's status: what a newcomer needs to trust and reach us. */
  readonly introduction: () => readonly Uint8Array[];
  /** What a node at that place (we, if undefined) lacks of our records when it knows its logs so far. */
  readonly bundle: (to: Place | undefined, since: readonly LogAt[], crypto: Crypto) => Bundle;
  /** How far we know every log. */
  readonly heads: () => readonly LogAt[];
  /**
   * Whether every intent of the author up to this stamp that still counts is on our own disk: it survives
   * a crash of this node. Says no rather than too much.
   */
  readonly holds: (author: NodeId, version: Version) => boolean;
  /** How far each author's log must be held for these slots to be, as they are now. */
  readonly positions: (slots: readonly string[]) => readonly Position[];
  /** The newest stamp of what a node wrote, of all that is held here; 0 when nothing is. */
  readonly newestBy: (author: NodeId, kind?: RecordKind) => Version;
  /** The whole state as one hash, per scope, for comparing nodes. */
  readonly stateHash: () => string;
  /** The newest record of each slot that is held; of a deleted one its tombstone. */
  readonly slots: () => ReadonlyMap<string, Pick<MeshRecord, "scope" | "author" | "version">>;
  /** What is held of records and of guests: how many, and the bytes of their frames. */
  readonly footprint: () => { readonly records: number; readonly bytes: number };
  readonly uplink: () => UplinkView;
  /** Whether this node calls itself short of memory: then it has to be told of its memory, also of plenty. */
  readonly isShortOfMemory: () => boolean;
  readonly records: () => {
    readonly total: number;
    readonly tombstones: number;
    readonly dead: number;
    readonly setAside: number;
  };
};

/** One machine of the mesh: the same code in the agent and in the simulator. */
export type NodeMachine = {
  readonly handle: (event: NodeEvent, env: NodeEnv) => readonly NodeEffect[];
  readonly wake: () => Wake;
  readonly view: NodeView;
};

/**
 * The door: `createNode(identity, config): NodeMachine` in `create-node.ts`.
 */
