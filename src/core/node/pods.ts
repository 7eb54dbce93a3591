import { hex } from "../kernel/bytes.ts";
import { shortName } from "../kernel/hash.ts";
import { tick } from "../kernel/hybrid-clock.ts";
import type { Random } from "../kernel/random.ts";
import { seconds, type Duration } from "../kernel/time.ts";
import type { PlacementPlan, Requests, StopReason } from "../placement/contract.ts";
import { podBody, type PodBody } from "../records/bodies.ts";
import { objectKey, type ObjectRef } from "../records/keys.ts";
import type { PodReport, PodStart } from "./contract.ts";
import { feedPlanner, touchOwnPods } from "./feed.ts";
import { recordJobEnd, recordRunBegun, restartsOf } from "./job-ends.ts";
import { isJob } from "./job-standing.ts";
import { isOrdered, keptFolders, ordinalName, ordinalOf } from "./ordinals.ts";
import { publishPod } from "./own-records.ts";
import { placeKey } from "./place-key.ts";
import { completionIndexLabel, podStartOf } from "./pod-start.ts";
import { factsOf } from "./records-index.ts";
import { podStopped } from "./reunion.ts";
import type { LocalPod } from "./state.ts";
import { note, placeSoon, type Turn } from "./turn.ts";
import { numberAt, objectAt, stringsAt } from "./json-at.ts";
import { templateOf } from "./placement-rules.ts";
import type { PlacedWorkload } from "./workloads.ts";

/** The pods of this machine: claimed, started, reported on, stopped. Their facts follow at once. */

const backoffFirst: Duration = seconds(5);
const backoffMax: Duration = seconds(300);
/** Kubernetes' limit for names is 253. */
const stemLengthMax = 240;

/** The lease that an exclusive pod is started under. */
type Lease = { readonly epoch: number; readonly until: number };

/** Claims a slot in public and starts its pod. */
export function claimSlot(
  turn: Turn,
  placed: PlacedWorkload,
  { slot, variant, why }: PlacementPlan["starts"][number],
  lease?: Lease,
): void {
  const { state, env } = turn;
  const { workload, template } = placed;
  const { identity } = state;
  const uid = newUid(env.random("pods"));
  const stem = isJob(workload.ref)
    ? `${workload.ref.name}-${indexOf(slot)}`
    : workload.ref.kind === "DaemonSet"
      ? workload.ref.name
      : `${workload.ref.name}-${workload.revision}`;
  const body: PodBody = {
    namespace: workload.ref.namespace,
    name: isOrdered(workload.ref)
      ? ordinalName(workload.ref, slot)
      : `${stem.slice(0, stemLengthMax)}-${shortName(uid, 5)}`,
    workload: { ...workload.ref },
    slot,
    revision: workload.revision,
    claimedAt: tick(state.clock, env.wall),
    phase: "Pending",
    ready: false,
    labels: {
      "topology.kubernetes.io/zone": identity.site,
      "topology.kubernetes.io/region": identity.region,
      ...stringsAt(objectAt(template, "metadata"), "labels"),
      ...(isJob(workload.ref) ? jobLabels(workload.ref, slot) : {}),
      ...(isOrdered(workload.ref) ? ordinalLabels(workload.ref, slot) : {}),
    },
    address: hostAddress(turn),
    containers: [],
    requests: requestsOfStart(placed, { variant }),
    ...(variant === undefined ? {} : { variant }),
    ...(lease === undefined ? {} : { fence: lease.epoch }),
  };
  if (podBody(body) === undefined) {
    // Nobody could read the claim, and the slot would look empty for ever.
    const key = placeKey(workload.ref, slot);
    state.backoffs.set(key, { until: env.now + backoffMax, failures: 1 });
    const why = `a pod for ${slot} would have more labels, containers or ports than a pod may have`;
    return note(turn, "error", "PodRefused", why, workload.ref);
  }
  state.pods.set(uid, { body, start: undefined, stopping: false });
  recordRunBegun(turn, body);
  forgetFormer(turn, workload.ref, slot);
  note(
    turn,
    "info",
    "PodClaimed",
    `${body.name} for ${slot} at revision ${workload.revision}: ${why}`,
    workload.ref,
  );
  startPod(turn, uid, placed);
}

/** What the copy reserves, by its variant. */
export const requestsOfStart = (
  { workload }: PlacedWorkload,
  { variant }: Pick<PlacementPlan["starts"][number], "variant">,
): Requests => workload.variants.find(({ name }) => name === variant)?.requests ?? workload.requests;

const indexOf = (slot: string): string => slot.slice(slot.lastIndexOf("/") + 1);

/** What Kubernetes puts on the pods of a job. */
const jobLabels = ({ name }: ObjectRef, slot: string): { readonly [label: string]: string } => ({
  "job-name": name.slice(0, 63),
  "batch.kubernetes.io/job-name": name.slice(0, 63),
  [completionIndexLabel]: indexOf(slot),
});

function ordinalLabels(ref: ObjectRef, slot: string): { readonly [label: string]: string } {
  return {
    "apps.kubernetes.io/pod-index": String(ordinalOf(slot).ordinal),
    "statefulset.kubernetes.io/pod-name": ordinalName(ref, slot),
  };
}

/** Hands a claimed pod to the runtime, or says what it still lacks; safe to call again. */
export function startPod(turn: Turn, uid: string, placed: PlacedWorkload): void {
  const { state } = turn;
  const pod = state.pods.get(uid);
  if (pod === undefined || pod.start !== undefined || pod.stopping) return;
  const name = { uid, namespace: pod.body.namespace, name: pod.body.name, labels: pod.body.labels };
  const template = templateOf(placed.template, pod.body.variant);
  const start = podStartOf(template, name, state.identity, pod.body.address, state.index);
  if (start.ok) {
    const { fence, workload, slot } = pod.body;
    const lease = state.leases.holding().get(placeKey(workload, slot));
    // Without its lease it does not start; the lease machine ends the claim.
    if (fence !== undefined && lease?.epoch !== fence) return;
    const fenced =
      lease === undefined || fence === undefined
        ? {}
        : withFence(start.value, placeKey(workload, slot), fence, lease.until);
    const kept = keptFolders(placed, pod.body.name);
    pod.start = { ...start.value, ...fenced, ...(Object.keys(kept).length === 0 ? {} : { kept }) };
    const { reason: _reason, message: _message, ...body } = pod.body;
    pod.body = body;
    turn.out.push({ type: "start-pod", pod: pod.start });
  } else {
    pod.body = {
      ...pod.body,
      reason: "CreateContainerConfigError",
      message: `${start.error.missing} not found`,
    };
  }
  publishPod(turn, uid, pod.body);
}

/** The token is in every container's environment; a file in the pod's folder and an endpoint say whether it still stands. */
function withFence(
  start: PodStart,
  name: string,
  token: number,
  until: number,
): Pick<PodStart, "env" | "fence"> {
  const env: { [container: string]: { readonly [variable: string]: string } } = {};
  for (const [container, variables] of Object.entries(start.env)) {
    env[container] = { ...variables, STARLIGHT_FENCING_TOKEN: String(token) };
  }
  return { env, fence: { name, token, until } };
}

/** Tries again to start what lacked something. */
export function startWaitingPods(turn: Turn): void {
  for (const [uid, pod] of turn.state.pods) {
    if (pod.start !== undefined || pod.stopping || pod.body.phase !== "Pending") continue;
    const placed = turn.state.workloads.get(objectKey(pod.body.workload));
    if (placed !== undefined && placed.workload.revision === pod.body.revision) startPod(turn, uid, placed);
  }
}

/** Puts back what the runtime found running, and remembers what this machine ran before it restarted. */
export function adoptPods(turn: Turn, adopted: readonly PodReport[]): void {
  const { state } = turn;
  const facts = factsOf(state.index, state.identity.id)?.pods ?? new Map();
  feedPlanner(state, turn.env);
  const alive = new Set(adopted.map((report) => report.uid));
  for (const report of adopted) {
    const fact = facts.get(report.uid);
    if (fact === undefined) {
      // Its record may come back from a peer: see orphans.ts.
      state.orphans.set(report.uid, report);
      note(turn, "warning", "OrphanFound", `a pod ${report.uid} runs here that no record on this disk knows`);
    } else adoptPod(turn, report, fact.body);
  }
  for (const [uid, fact] of facts) {
    if (!alive.has(uid) && fact.body.phase !== "Terminating") state.former.push({ uid, body: fact.body });
  }
  state.former.sort((left, right) => (left.uid < right.uid ? -1 : 1));
  touchOwnPods(
    state,
    state.former.map(({ uid }) => uid),
  );
}

/** Takes over a running pod under the fact that describes it. */
export function adoptPod(turn: Turn, report: PodReport, fact: PodBody): void {
  const stopping = fact.phase === "Terminating";
  const body = stopping ? fact : withReport(fact, report);
  const sound = { restartsForgiven: restartsOf(body), readySince: body.ready ? turn.env.now : undefined };
  turn.state.pods.set(report.uid, { body, start: adoptedStart(report, fact), stopping, ...sound });
  recordJobEnd(turn, fact, body);
  if (stopping) turn.out.push({ type: "stop-pod", uid: report.uid, grace: seconds(30), reason: "stopping" });
  publishPod(turn, report.uid, body);
}

/** @returns What was known of the pod before; undefined when the report is of none that runs on. */
export function podReported(turn: Turn, report: PodReport): PodBody | undefined {
  const { state } = turn;
  if (state.orphans.has(report.uid)) state.orphans.set(report.uid, report);
  const pod = state.pods.get(report.uid);
  if (pod === undefined || pod.stopping || pod.failed !== undefined) return undefined;
  const before = pod.body;
  pod.body = withReport(pod.body, report);
  recordJobEnd(turn, before, pod.body);
  if (pod.body.phase === "Failed" && before.phase !== "Failed") {
    backOff(turn, pod.body);
    const why = report.message ?? report.reason ?? "no reason given";
    note(turn, "warning", "PodFailed", `${pod.body.name}: ${why}`, pod.body.workload);
  }
  if (pod.body.ready && !before.ready) {
    state.backoffs.delete(placeKey(pod.body.workload, pod.body.slot));
    note(turn, "info", "PodReady", pod.body.name, pod.body.workload);
  }
  publishPod(turn, report.uid, pod.body);
  placeSoon(turn);
  return before;
}

function backOff({ state, env }: Turn, { workload, slot }: PodBody): void {
  const key = placeKey(workload, slot);
  const failures = (state.backoffs.get(key)?.failures ?? 0) + 1;
  const wait = Math.min(backoffMax, backoffFirst * 2 ** (failures - 1));
  state.backoffs.set(key, { until: env.now + wait, failures });
}

/** Ends a pod for good. Its fact says why, and stays until its place is filled. */
export function failPod(turn: Turn, uid: string, reason: string, message: string, grace: Duration): void {
  const { state } = turn;
  const pod = state.pods.get(uid);
  if (pod === undefined || pod.stopping || pod.failed !== undefined) return;
  pod.failed = "ending";
  const { yields: _yields, ...body } = pod.body;
  pod.body = { ...body, phase: "Failed", ready: false, reason, message: message.slice(0, 1024) };
  backOff(turn, pod.body);
  publishPod(turn, uid, pod.body);
  turn.out.push({ type: "stop-pod", uid, grace, reason: `${reason}: ${message}` });
  note(turn, "warning", reason, `${pod.body.name}: ${message}`, pod.body.workload);
  podStopped(turn, uid, pod.body, `${reason}: ${message}`);
  placeSoon(turn);
}

/** Nothing is left of a pod: its fact becomes a tombstone, but for one that says why we ended it. */
export function podGone(turn: Turn, uid: string): void {
  const { state } = turn;
  const pod = state.pods.get(uid);
  if (pod?.failed === "ending") {
    pod.failed = "over";
    return placeSoon(turn);
  }
  state.pods.delete(uid);
  state.orphans.delete(uid);
  publishPod(turn, uid, undefined);
  if (pod !== undefined && !pod.stopping) {
    note(
      turn,
      "warning",
      "PodVanished",
      `${pod.body.name} is gone without having been stopped`,
      pod.body.workload,
    );
  }
  placeSoon(turn);
}

/** @param within The grace, where somebody said one; the pod's own otherwise. */
export function stopPod(
  turn: Turn,
  uid: string,
  reason: StopReason | "ended" | "left",
  why: string,
  within?: Duration,
): void {
  const { state } = turn;
  const pod = state.pods.get(uid);
  if (pod === undefined || pod.stopping) return;
  pod.stopping = true;
  pod.body = { ...pod.body, phase: "Terminating", ready: false, reason, message: why };
  publishPod(turn, uid, pod.body);
  turn.out.push({ type: "stop-pod", uid, grace: within ?? graceOf(turn, pod), reason: `${reason}: ${why}` });
  note(turn, "info", "PodStopping", `${pod.body.name}: ${reason}: ${why}`, pod.body.workload);
  if (reason !== "ended") podStopped(turn, uid, pod.body, `${reason}: ${why}`);
}

/** Facts about pods that ran here without one may have come back from a peer. */
function adoptOrphans(turn: Turn): void {
  const { orphans, index, identity } = turn.state;
  for (const [uid, report] of orphans) {
    const fact = factsOf(index, identity.id)?.pods.get(uid);
    if (fact === undefined) continue;
    orphans.delete(uid);
    adoptPod(turn, report, fact.body);
    note(turn, "info", "OrphanAdopted", `${fact.body.name} runs on: a peer knew it`);
  }
}

/** Facts in our name about pods that we do not have (any more) are taken back. */
export function reconcileOwnFacts(turn: Turn): void {
  const { state } = turn;
  if (!state.booted) return;
  adoptOrphans(turn);
  const former = new Set(state.former.map(({ uid }) => uid));
  const facts = factsOf(state.index, state.identity.id)?.pods;
  for (const uid of [...(facts?.keys() ?? [])].sort()) {
    if (!state.pods.has(uid) && !former.has(uid)) publishPod(turn, uid, undefined);
  }
  for (const [uid, pod] of state.pods) publishPod(turn, uid, pod.body);
}

/** Former places that are not going to be filled again by this node right now. */
export function releaseFormer(turn: Turn, keep: ReadonlySet<string>): void {
  const { state } = turn;
  if (state.former.length === 0) return;
  touchOwnPods(
    state,
    state.former.map(({ uid }) => uid),
  );
  state.former = state.former.filter(({ body }) => keep.has(placeKey(body.workload, body.slot)));
  reconcileOwnFacts(turn);
}

function forgetFormer(turn: Turn, ref: ObjectRef, slot: string): void {
  const { state } = turn;
  const key = placeKey(ref, slot);
  const [filled, rest] = [
    state.former.filter(({ body }) => placeKey(body.workload, body.slot) === key),
    state.former.filter(({ body }) => placeKey(body.workload, body.slot) !== key),
  ];
  state.former = rest;
  for (const { uid } of filled) publishPod(turn, uid, undefined);
}

function withReport(body: PodBody, report: PodReport): PodBody {
  const { reason: _reason, message: _message, ...rest } = body;
  return {
    ...rest,
    phase: report.phase,
    ready: report.ready,
    address: report.address,
    containers: report.containers,
    ...(report.reason === undefined ? {} : { reason: report.reason.slice(0, 128) }),
    ...(report.message === undefined ? {} : { message: report.message.slice(0, 1024) }),
  };
}

/** An adopted pod counts as started: its resolved spec lives with the runtime. */
function adoptedStart(report: PodReport, body: PodBody): LocalPod["start"] {
  return {
    uid: report.uid,
    namespace: body.namespace,
    name: body.name,
    spec: {},
    labels: body.labels,
    files: {},
    env: {},
  };
}

function graceOf(turn: Turn, pod: LocalPod): Duration {
  const known = turn.state.workloads.get(objectKey(pod.body.workload));
  const spec = { ...objectAt(known?.template ?? {}, "spec"), ...pod.start?.spec };
  return seconds(numberAt(spec, "terminationGracePeriodSeconds", 30));
}

function hostAddress(turn: Turn): string {
  const address = turn.state.status?.addresses[0] ?? "127.0.0.1";
  return address.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
}

/** A random (version 4) UUID from a seeded stream. */
function newUid(random: Random): string {
  const bytes = Uint8Array.from({ length: 16 }, () => Math.floor(random() * 256));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return hex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
