import type { Duration } from "../kernel/time.ts";
import type { HealReport, PodBody } from "../records/bodies.ts";
import type { NodeId } from "../records/record.ts";
import { publishHeals } from "./own-records.ts";
import type { NodeState, Reunion } from "./state.ts";
import { note, type Turn } from "./turn.ts";

/**
 * What happens when nodes come back into view: who returned after how long, what crossed, what
 * conflicted, which pods of ours ended because of it, and how many ran through untouched. Whoever was away from
 * half of the others tells them, and so does everybody to whom something happened: when one of many comes back,
 * the many have nothing to say.
 */

/** Shorter absences are blips, not partitions. */
const awayMin: Duration = 2_000;
/** Conflicts and pods that ended are published together, this long after the first; all else when it closes. */
const publishAfter: Duration = 1_000;
/** A reunion stays open this long after the quiet period, counted from the last return. */
const settleTime: Duration = 15_000;
const reportsMax = 8;
const stoppedMax = 256;
const conflictsMax = 256;

export function nodeReturned(turn: Turn, node: NodeId, name: string): void {
  const { state, env } = turn;
  const since = state.awaySince.get(node);
  // A newcomer was never away.
  if (since === undefined) return;
  state.awaySince.delete(node);
  const awayMs = Math.round(env.now - since);
  if (awayMs < awayMin) return;
  const open = state.reunion ?? openReunion(turn);
  const returned = [...open.report.returned.filter((entry) => entry.node !== node), { node, name, awayMs }];
  state.reunion = {
    ...open,
    ran: new Set([...open.ran, ...runningPods(state)]),
    report: { ...open.report, returned: returned.slice(0, 1024) },
    closesAt: env.now + state.config.quietPeriod + settleTime,
  };
}

export function countReunionTraffic(turn: Turn, received: number, sent: number): void {
  const { reunion } = turn.state;
  if (reunion === undefined || received + sent === 0) return;
  const { report } = reunion;
  turn.state.reunion = {
    ...reunion,
    report: { ...report, received: report.received + received, sent: report.sent + sent },
  };
}

export function podStopped(turn: Turn, uid: string, body: PodBody, reason: string): void {
  const { reunion } = turn.state;
  if (reunion === undefined || !reunion.ran.has(uid)) return;
  const entry = { pod: `${body.namespace}/${body.name}`, slot: body.slot, reason: reason.slice(0, 1024) };
  const stopped = [...reunion.report.stopped, entry].slice(0, stoppedMax);
  update(turn, { ...reunion, report: { ...reunion.report, stopped } });
}

/** Brings the open report up to date and publishes it; closes it when its time has come. */
export function tendReunion(turn: Turn): void {
  const { state, env } = turn;
  const { reunion } = state;
  if (reunion === undefined) return;
  const conflicts = conflictNames(state)
    .filter((name) => !reunion.knownConflicts.has(name))
    .slice(0, conflictsMax)
    .map((name) => {
      const [object = "", field = ""] = name.split("\0");
      return { object, field };
    });
  const grew = conflicts.length > reunion.report.conflicts.length;
  const untouched = [...reunion.ran].filter((uid) => state.pods.get(uid)?.stopping === false).length;
  const report = { ...reunion.report, conflicts: grew ? conflicts : reunion.report.conflicts, untouched };
  const closing = env.now >= reunion.closesAt;
  if (grew) update(turn, { ...reunion, report });
  if (!closing && env.now < (state.reunion?.publishAt ?? 0)) return;
  state.reunion = closing ? undefined : { ...reunion, report, publishAt: Number.POSITIVE_INFINITY };
  if (isNews(state, report)) {
    state.heals = [report, ...state.heals.filter((held) => held.at !== report.at)].slice(0, reportsMax);
    publishHeals(turn);
  }
  if (closing) {
    const { returned, stopped, received } = report;
    const message = `${returned.length} nodes came back, ${received} records received, ${report.conflicts.length} conflicts, ${stopped.length} pods stopped, ${untouched} untouched`;
    note(turn, "info", "Healed", message);
  }
}

function isNews({ peersTold }: NodeState, { returned, conflicts, stopped }: HealReport): boolean {
  return conflicts.length + stopped.length > 0 || 2 * returned.length >= (peersTold?.peers.length ?? 0);
}

function openReunion(turn: Turn): Reunion {
  const { state, env } = turn;
  const ran = runningPods(state);
  return {
    report: {
      at: Math.max(0, Math.round(env.wall)),
      returned: [],
      received: 0,
      sent: 0,
      conflicts: [],
      stopped: [],
      untouched: ran.length,
    },
    startedAt: env.now,
    closesAt: env.now,
    knownConflicts: new Set(conflictNames(state)),
    ran: new Set(ran),
    publishAt: Number.POSITIVE_INFINITY,
  };
}

function runningPods({ pods }: NodeState): string[] {
  return [...pods].filter(([, pod]) => !pod.stopping).map(([uid]) => uid);
}

function update({ state, env }: Turn, reunion: Reunion): void {
  state.reunion = { ...reunion, publishAt: Math.min(reunion.publishAt, env.now + publishAfter) };
}

function conflictNames(state: NodeState): string[] {
  const names: string[] = [];
  for (const key of state.index.conflicted) {
    const object = state.index.objectByKey.get(key);
    if (object === undefined) continue;
    const { kind, namespace, name } = object.ref;
    for (const { path } of object.conflicts) names.push(`${kind} ${namespace}/${name}\0${path}`);
  }
  return names.sort();
}
