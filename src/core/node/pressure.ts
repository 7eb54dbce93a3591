import { seconds, type Duration } from "../kernel/time.ts";
import { objectKey } from "../records/keys.ts";
import type { PodUid } from "./contract.ts";
import { evictPod } from "./evict.ts";
import { healthSoon } from "./health.ts";
import { isJob } from "./job-standing.ts";
import { isHard, isPlenty, isShort, noPressure, type MemorySample } from "./memory.ts";
import { hasOtherNode } from "./other-node.ts";
import { failPod, stopPod } from "./pods.ts";
import { firstToGo, type Tenant } from "./reclaim.ts";
import type { LocalPod } from "./state.ts";
import { note, placeSoon, type Turn } from "./turn.ts";

/**
 * Too little memory on this machine: the node says so, takes no new pods, and evicts one pod at a time until
 * there is enough. A pod that another node may run is handed over while there is time for that; otherwise it
 * is ended, before the kernel ends something that nobody chose.
 */

/** What an eviction frees is seen only a moment later. */
const reclaimPause: Duration = seconds(10);
/** How long a replacement elsewhere is waited for while memory is short, and not yet desperately so. */
const handOver: Duration = seconds(15);
/** What an evicted program may take to save what it has; little when the kernel's own killer is near. */
const [graceShort, graceHard]: readonly [Duration, Duration] = [seconds(10), seconds(1)];

export function memoryMeasured(turn: Turn, sample: MemorySample): void {
  const { state, env } = turn;
  const { pressure } = state;
  if (isShort(sample)) {
    pressure.plentySince = undefined;
    if (pressure.since === undefined) {
      pressure.since = Math.max(0, Math.round(env.wall));
      note(turn, "warning", "MemoryPressure", `memory is short: ${available(sample)}; no new pods come here`);
      healthSoon(turn);
      placeSoon(turn);
    }
    return reclaim(turn, sample);
  }
  if (pressure.since === undefined) return;
  pressure.plentySince = isPlenty(sample) ? (pressure.plentySince ?? env.now) : undefined;
  if (pressure.plentySince === undefined || env.now < pressure.plentySince + state.config.pressureHold)
    return;
  Object.assign(pressure, noPressure());
  note(turn, "info", "MemoryPressure", `there is enough memory again: ${available(sample)}`);
  healthSoon(turn);
  placeSoon(turn);
}

function reclaim(turn: Turn, sample: MemorySample): void {
  const { state, env } = turn;
  const { pressure } = state;
  const { going } = pressure;
  const pod = going === undefined ? undefined : state.pods.get(going.uid);
  if (going !== undefined && pod !== undefined && !isOver(pod)) {
    // Its grace is running, or it is being handed over and there is time for that.
    if (isGoing(pod) || (env.now < going.handOverUntil && !isHard(sample))) return;
    return end(turn, going.uid, pod, sample);
  }
  if (env.now < pressure.againAt) return;
  const victim = firstToGo(tenantsOf(turn, sample), sample.wantedBytes / 16);
  const victimPod = victim === undefined ? undefined : state.pods.get(victim.uid);
  if (victim === undefined || victimPod === undefined) return;
  pressure.going = { uid: victim.uid, handOverUntil: env.now + handOver };
  pressure.againAt = env.now + reclaimPause;
  const hasTime = !isHard(sample) && victimPod.body.ready && !isJob(victimPod.body.workload);
  if (!hasTime || !hasOtherNode(turn, victimPod)) return end(turn, victim.uid, victimPod, sample);
  evictPod(turn, { type: "evict", uid: victim.uid, within: undefined, why: whyOf(turn, victim.uid, sample) });
}

/** A job's pod would do its work twice, and an exclusive one start beside itself, if another began before its end. */
function end(turn: Turn, uid: PodUid, { body }: LocalPod, sample: MemorySample): void {
  const grace = isHard(sample) ? graceHard : graceShort;
  const why = whyOf(turn, uid, sample);
  if (isJob(body.workload) || body.fence !== undefined) stopPod(turn, uid, "evicted", why, grace);
  else failPod(turn, uid, "Evicted", why, grace);
}

function tenantsOf({ state }: Turn, { usedByPod }: MemorySample): readonly Tenant[] {
  const tenants: Tenant[] = [];
  for (const [uid, pod] of state.pods) {
    if (isGoing(pod) || isOver(pod)) continue;
    const { requests, workload } = pod.body;
    const priority = state.workloads.get(objectKey(workload))?.workload.priority ?? 0;
    const usedBytes = usedByPod.get(uid) ?? 0;
    tenants.push({ uid, usedBytes, requestBytes: requests.memoryBytes, priority });
  }
  return tenants;
}

const isGoing = ({ stopping, failed }: LocalPod): boolean => stopping || failed === "ending";
const isOver = ({ body: { phase }, failed }: LocalPod): boolean =>
  failed === "over" || phase === "Failed" || phase === "Succeeded";

const mebi = 1024 * 1024;
const amount = (bytes: number): string => `${Math.max(0, Math.round(bytes / mebi))}Mi`;
const available = ({ availableBytes, wantedBytes }: MemorySample): string =>
  `threshold ${amount(wantedBytes)}, available ${amount(availableBytes)}`;

/** As the kubelet says it. */
function whyOf({ state }: Turn, uid: PodUid, sample: MemorySample): string {
  const requests = state.pods.get(uid)?.body.requests.memoryBytes ?? 0;
  const used = sample.usedByPod.get(uid) ?? 0;
  return `The node was low on resource: memory (${available(sample)}). The pod used ${amount(used)}, its request is ${amount(requests)}.`;
}
