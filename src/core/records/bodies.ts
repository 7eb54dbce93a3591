import {
  dictionary,
  fields,
  flag,
  integer,
  list,
  oneOf,
  optional,
  text,
  type Shaped,
} from "../kernel/shape.ts";
import { recordKinds } from "./record.ts";

/**
 * The bodies of the records that nodes write about themselves and about who belongs. Everything here
 * may come from a hostile peer, so every text and list has a bound. Times are wall times in ms.
 */

const name = text(253);
const labels = dictionary(text(253), 128, 317);
const wall = integer(0, Number.MAX_SAFE_INTEGER);
const count = integer(0, Number.MAX_SAFE_INTEGER);
const address = text(300);

/** What a member may do beyond running workloads and speaking for itself. Later versions know more. */
export type Grant = "enrol" | "write";

/** `roster/member/<id>`: written by the mesh root or by a member with the grant `enrol`. */
export const memberBody = fields({
  name,
  site: name,
  region: name,
  /** Ed25519 public key, 64 hex digits; it signs the member's records. */
  signKey: text(64),
  /** SHA-256 of the TLS key's SubjectPublicKeyInfo, 64 hex digits; it authenticates links. */
  tlsKey: text(64),
  grants: list(text(64), 32),
  labels,
  joinedAt: wall,
  /** How far detail travels in this mesh; missing where everything goes everywhere. Only the root's word counts. */
  detail: optional(oneOf("mesh", "region", "site")),
});
export type MemberBody = Shaped<typeof memberBody>;

/** `roster/gone/<id>`: how is `left` (written by the member itself) or `revoked` (by an enroller). */
export const goneBody = fields({ how: text(64), reason: text(1024) });

/** Whole units of what else there is, by Kubernetes' names, for example `nvidia.com/gpu`. */
const extended = optional(dictionary(count, 16, 317));
const resources = fields({
  cpuMilli: count,
  memoryBytes: count,
  pods: count,
  /** Of the disk under the data folder: `ephemeral-storage`. */
  storageBytes: optional(count),
  extended,
});
export type Resources = Shaped<typeof resources>;

/** `node/<id>/status`: what a machine is and how to reach it. */
export const statusBody = fields({
  /** `host:port`, best first. */
  addresses: list(address, 16),
  capacity: resources,
  allocatable: resources,
  tier: integer(1, 3),
  os: text(64),
  /** The system's name for people. */
  osImage: optional(text(128)),
  architecture: text(64),
  kernel: text(128),
  agentVersion: text(64),
  /** Changes when the machine (not the agent) restarts. */
  bootId: text(64),
  agentStartedAt: wall,
  runtimes: list(text(64), 16),
  /** How the machine is joined to other sites; `lan` when it does not say. */
  uplink: optional(oneOf("lan", "wan", "cellular", "satellite")),
  /** What was found on the machine, as labels; see `measuredLabel` in core/node/nodes.ts. */
  labels: optional(dictionary(text(63), 64, 317)),
  /** In tens, so that it changes rarely. */
  diskFreePercent: optional(integer(0, 100)),
  batteryPercent: optional(integer(0, 100)),
});
export type StatusBody = Shaped<typeof statusBody>;

/**
 * `node/<id>/links`: the peers this node has a working link with, sorted; and those whose process it saw go,
 * when there are any.
 */
export const linksBody = fields({ peers: list(text(20), 4096), gone: optional(list(text(20), 4096)) });
export type LinksBody = Shaped<typeof linksBody>;

const logKind = oneOf(...recordKinds);

/**
 * `node/<id>/acks`: how far this node knows logs that hold tombstones. An author drops its tombstones once
 * every member has acknowledged them.
 */
export const acksBody = fields({
  logs: list(fields({ scope: text(128), kind: logKind, author: text(20), head: count }), 4096),
});
export type AcksBody = Shaped<typeof acksBody>;

/**
 * `node/<id>/floors`: up to which stamp this node's own tombstones are dropped, and the digest (32 hex
 * digits, as in `digestOf`) of what is left of its log up to there: whoever still holds something else
 * holds what was deleted while it was away.
 */
export const floorsBody = fields({
  logs: list(fields({ scope: text(128), kind: logKind, upTo: count, digest: text(32) }), 64),
});
export type FloorsBody = Shaped<typeof floorsBody>;

const port = integer(0, 65_535);
const containerBody = fields({
  name,
  image: text(1024),
  state: oneOf("waiting", "running", "terminated"),
  ready: flag,
  restarts: count,
  pid: optional(count),
  startedAt: optional(wall),
  finishedAt: optional(wall),
  exitCode: optional(integer(-1, 255)),
  reason: optional(text(128)),
  message: optional(text(1024)),
  /** `port` is what the manifest names; `hostPort` is where it answers on the node's address. */
  ports: list(fields({ name: optional(name), port, hostPort: port }), 64),
});
export type ContainerBody = Shaped<typeof containerBody>;

/**
 * `node/<id>/pod/<uid>`: a pod this node claims or runs. A claim is a pod whose phase is `Pending`;
 * a pod that is gone is a tombstone.
 */
export const podBody = fields({
  namespace: name,
  name,
  workload: fields({ group: name, kind: name, namespace: name, name }),
  /** Which of the workload's places it fills, for example `site/berlin/0`; see core/placement. */
  slot: text(300),
  /** Hash of the pod template it runs. */
  revision: text(64),
  /** When the claim was made: a version stamp, the pod's epoch. */
  claimedAt: count,
  phase: oneOf("Pending", "Running", "Succeeded", "Failed", "Terminating"),
  ready: flag,
  labels,
  /** The host address workloads answer on, without a port. */
  address,
  containers: list(containerBody, 32),
  /** What it reserves on its node: the sum of its containers' requests. */
  requests: fields({
    cpuMilli: count,
    memoryBytes: count,
    ephemeralBytes: optional(count),
    extended,
  }),
  /** The rung of its workload's ladder that it runs. */
  variant: optional(text(63)),
  /** An exclusive pod's fencing token: the epoch of the lease it was started under. */
  fence: optional(count),
  /** Evicted: it goes once another node fills its slot. */
  yields: optional(flag),
  /** Why it is Pending, Failed or Terminating. */
  reason: optional(text(128)),
  message: optional(text(1024)),
});
export type PodBody = Shaped<typeof podBody>;

/**
 * `node/<id>/job/<uid>`: what pods of one job came to on this node. It outlives the pods, and goes with the job:
 * whoever holds it knows what does not have to run again.
 */
export const jobBody = fields({
  /** Where its slots are counted: `mesh`, or `site/NAME`. */
  base: text(300),
  /** Indexes of slots whose pod succeeded, sorted. */
  done: list(integer(0, 9_999), 1_000),
  failures: count,
  /** When a pod of it succeeded or failed last. */
  at: wall,
  /** When one failed last; `at` where it is not said and there are failures. */
  failedAt: optional(wall),
});
export type JobBody = Shaped<typeof jobBody>;

/**
 * `node/<id>/exclusive`: the exclusive names this node holds, with their fencing tokens, for people to see
 * (votes go by frames, never by records); and the volumes of ordinals that are on its disk.
 */
export const exclusiveBody = fields({
  holds: list(fields({ name: text(1024), token: count }), 1024),
  volumes: list(fields({ name: text(1024), token: count }), 1024),
});
export type ExclusiveBody = Shaped<typeof exclusiveBody>;

/** `node/<id>/heal`: what this node saw at its latest reunions, newest first. */
export const healBody = fields({
  reports: list(
    fields({
      at: wall,
      /** Nodes that came back into view, and how long they were out of it. */
      returned: list(fields({ node: text(20), name, awayMs: count }), 1024),
      /** Records that crossed during the reunion, in both directions. */
      received: count,
      sent: count,
      conflicts: list(fields({ object: text(1024), field: text(1024) }), 256),
      /** Pods this node stopped because of the reunion, and why. */
      stopped: list(fields({ pod: text(600), slot: text(300), reason: text(1024) }), 256),
      /** Pods of this node that ran through it untouched. */
      untouched: count,
    }),
    8,
  ),
});
export type HealBody = Shaped<typeof healBody>;
export type HealReport = HealBody["reports"][number];
