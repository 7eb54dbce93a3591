import { seconds, type Duration, type Instant, type WallTime } from "../kernel/time.ts";
import { memoryPressure, type HealthBody, type Trouble } from "../records/health.ts";
import { objectKey } from "../records/keys.ts";
import { publishHealth } from "./own-records.ts";
import { factsOf } from "./records-index.ts";
import type { NodeState } from "./state.ts";
import type { Turn } from "./turn.ts";

/** What this node finds wrong with itself, looked at now and then and said when it changes. */

const lookEvery: Duration = seconds(15);
/** A peer that is away for less is being restarted, or its link is. */
const awayMax: Duration = seconds(60);
/** On a small machine a moment is nothing to see to. */
const stallMin: Duration = seconds(2);
const stallsLast: Duration = seconds(600);
const restartsLast: Duration = seconds(3_600);
/** Once may be an upgrade. */
const restartsMax = 2;
const restartsKept = 16;
const namesMax = 8;

export function healthSoon({ state, env }: Turn): void {
  state.health.lookAt = env.now;
}

/** What our own disk says of the life before this one. */
export function rememberHealth({ state, env }: Turn): void {
  const { health, index, identity } = state;
  const facts = factsOf(index, identity.id);
  for (const { type, since } of facts?.health?.body.troubles ?? []) health.since.set(type, since);
  const before = facts?.status?.body.agentStartedAt;
  const isRecent = (at: WallTime): boolean => at > env.wall - restartsLast;
  const again = before !== undefined && isRecent(before) ? [Math.max(0, Math.round(env.wall))] : [];
  health.restarts = [...(facts?.health?.body.restarts ?? []).filter(isRecent), ...again].slice(-restartsKept);
  for (const strike of facts?.health?.body.strikes ?? [])
    state.strikes.set(objectKey(strike.workload), strike);
  health.lookAt = env.now + lookEvery;
}

export function stalled({ state, env }: Turn, by: Duration): void {
  const { health } = state;
  if (by < stallMin) return;
  const longest = Math.max(by, health.stalls?.longest ?? 0);
  health.stalls = { last: env.now, longest };
}

export function tendHealth(turn: Turn): void {
  const { state, env } = turn;
  const { health } = state;
  if (!state.booted || env.now < health.lookAt) return;
  health.lookAt = env.now + lookEvery;
  forgetOld(state, env.now, env.wall);
  const found = findings(state, env.now);
  for (const type of health.since.keys())
    if (!found.some((of) => of.type === type)) health.since.delete(type);
  const troubles = found.map(({ since: known, ...finding }): Trouble => {
    const since = health.since.get(finding.type) ?? known ?? Math.max(0, Math.round(env.wall));
    health.since.set(finding.type, since);
    return { ...finding, since };
  });
  troubles.sort((left, right) => (left.type < right.type ? -1 : 1));
  const body: HealthBody = {
    troubles,
    ...(health.restarts.length === 0 ? {} : { restarts: health.restarts }),
    ...(state.strikes.size === 0 ? {} : { strikes: [...state.strikes.values()] }),
  };
  const hasSaid = factsOf(state.index, state.identity.id)?.health !== undefined;
  if (hasSaid || troubles.length + health.restarts.length + state.strikes.size > 0) publishHealth(turn, body);
}

function forgetOld({ health }: NodeState, now: Instant, wall: WallTime): void {
  if (health.stalls !== undefined && now >= health.stalls.last + stallsLast) health.stalls = undefined;
  health.restarts = health.restarts.filter((at) => at > wall - restartsLast);
}

type Finding = Omit<Trouble, "since"> & { readonly since?: WallTime | undefined };

function findings(state: NodeState, now: Instant): readonly Finding[] {
  const { pressure, status, clocks, unstored, health } = state;
  const found: Finding[] = [];
  const say = (type: string, reason: string, message: string, since?: WallTime): void => {
    found.push({ type, reason, message: message.slice(0, 1024), since });
  };
  if (pressure.since !== undefined)
    say(memoryPressure, "MemoryShort", "memory is short: no new pods come here", pressure.since);
  if (status?.diskFreePercent !== undefined && status.diskFreePercent < 10)
    say("DiskPressure", "DiskAlmostFull", "less than 10 % of the data folder's disk is free");
  if (unstored.size > 0)
    say("DiskRefusesWrites", "WriteFailed", "the disk refuses writes: what is new here is not safe");
  if (clocks.correction !== 0)
    say("ClockOff", "PeersDisagree", `the clock is ${lasting(-clocks.correction)}; the peers' time is used`);
  if (health.stalls !== undefined)
    say("Stalled", "EventLoopLag", `the agent stood still for up to ${roundedUp(health.stalls.longest)} s`);
  if (health.restarts.length >= restartsMax)
    say(
      "AgentRestarts",
      "StartedOften",
      `the agent was started again ${health.restarts.length} times within an hour`,
    );
  const failing = failingPods(state);
  if (failing.length > 0) say("WorkloadsFailing", "BackOff", `started again and again: ${few(failing)}`);
  const away = peersAway(state, now);
  if (away.length > 0) say("PeersUnreachable", "NoContact", `no contact with ${few(away)}`);
  return found;
}

/** Pods of this node that are started again and again, by the name of their workload: pods come and go. */
function failingPods({ pods }: NodeState): readonly string[] {
  const names = new Set<string>();
  for (const { body, stopping, failed } of pods.values()) {
    if (stopping || failed !== undefined) continue;
    const isLooping = body.containers.some(({ reason }) => reason === "CrashLoopBackOff");
    const { kind, namespace, name } = body.workload;
    if (isLooping || body.phase === "Failed") names.add(`${kind.toLowerCase()}/${name} (${namespace})`);
  }
  return [...names].sort();
}

/** Of our own site; those of others are seen through whoever has a link there. */
function peersAway({ placeNodes, identity, awaySince }: NodeState, now: Instant): readonly string[] {
  const names: string[] = [];
  for (const { id, site, name, verdict, verdictSince } of placeNodes.values()) {
    if (id === identity.id || site !== identity.site || verdict === "alive") continue;
    // Whom we lacked before our restart has been away for longer than we look.
    const since = Math.min(verdictSince, awaySince.get(id) ?? verdictSince);
    if (now - since >= awayMax) names.push(name);
  }
  return names.sort();
}

const few = (names: readonly string[]): string =>
  names.length <= namesMax
    ? names.join(", ")
    : `${names.slice(0, namesMax).join(", ")} and ${names.length - namesMax} more`;

/** The next power of two, so that it seldom changes. */
function roundedUp(ms: Duration): number {
  let rounded = 1;
  while (rounded * 1000 < ms) rounded *= 2;
  return rounded;
}

function lasting(ahead: Duration): string {
  const off = Math.abs(ahead);
  const direction = ahead > 0 ? "ahead" : "behind";
  const units: readonly (readonly [Duration, string])[] = [
    [86_400_000, "days"],
    [3_600_000, "hours"],
    [60_000, "minutes"],
  ];
  const [unit, name] = units.find(([length]) => off >= 2 * length) ?? [1_000, "seconds"];
  return `${Math.round(off / unit)} ${name} ${direction}`;
}
