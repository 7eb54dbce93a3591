import type { JsonObject } from "../core/kernel/json.ts";
import type { MemberView, NodeView } from "../core/node/contract.ts";
import { memoryPressure } from "../core/records/health.ts";
import { sortedBy } from "./by-name.ts";
import type { ApiDeps } from "./contract.ts";
import { reasonsOf } from "./evidence.ts";
import { placesTold, whyUnreachable } from "./places.ts";
import { notFound } from "./status.ts";
import { condition, timeOf } from "./values.ts";

/** How the nodes are: what each finds wrong with itself, and what is found of it from here. */

/** What a person can do, by what is wrong. */
const advice: { readonly [type: string]: string } = {
  MemoryPressure:
    "give the machine memory, or its pods honest requests; `starlight get pods` shows what was evicted",
  DiskPressure: "make room on the disk of the data folder",
  DiskRefusesWrites:
    "look at the disk and at the log of the agent; `starlight store check` says what it holds",
  ClockOff: "set the machine's clock, or let NTP keep it",
  Stalled: "give the machine more processor, or find what takes it away from the agent",
  AgentRestarts: "read the log of the agent for why it ended",
  WorkloadsFailing: "read `starlight logs` of the pod, and `starlight timeline` of the workload",
  PeersUnreachable: "`starlight doctor` names the hop that fails",
};
const whenPlaceAway =
  "look whether it has power, and at its uplink and ours; who speaks for it may still be reached from elsewhere";
const whenAway = "`starlight doctor node/NAME` names the hop that fails";

export function healthOf({ view, env }: ApiDeps, query: URLSearchParams): JsonObject {
  const wanted = query.get("node");
  const named = view.members().filter(({ member }) => wanted === null || member.name === wanted);
  const members = sortedBy(named, ({ member }) => member.name);
  if (wanted !== null && members.length === 0) throw notFound("nodes", wanted);
  const { now, wall } = env();
  const nodes = members.map((member): JsonObject => {
    const { verdict, since } = member.evidence;
    const own = (member.health?.troubles ?? []).map(({ type, since: at, reason, message }) => ({
      type,
      reason,
      message,
      since: timeOf(at),
      toDo: advice[type] ?? "its agent is newer than this one: ask it",
    }));
    const out = {
      type: "OutOfView",
      reason: verdict === "dead" ? "AgentGone" : "NodeUnreachable",
      message: reasonsOf(member, view)[0] ?? "no contact",
      since: timeOf(wall - Math.max(0, now - since)),
      toDo: whenAway.replace("NAME", member.member.name),
    };
    const troubles = verdict === "alive" ? own : [out, ...own];
    return {
      node: member.member.name,
      site: member.member.site,
      state: verdict !== "alive" ? verdict : own.length > 0 ? "degraded" : "ok",
      factAgeMs: member.factAge === undefined ? null : Math.round(member.factAge),
      troubles,
    };
  });
  const { name } = view.identity;
  const places = wanted === null ? placesOf(view, wall) : [];
  const well = [...nodes, ...places].every(({ state }) => state === "ok");
  return { seenBy: name, well, nodes, places };
}

/** Places of which this node is told, which it reaches or not; what they are like inside they know themselves. */
function placesOf(view: NodeView, wall: number): readonly JsonObject[] {
  return placesTold(view).map(({ kind, name, summary, age, unreachableFor }) => ({
    place: `${kind}/${name}`,
    state: unreachableFor === undefined ? "ok" : "unreachable",
    toldAgeMs: Math.round(age),
    troubles:
      unreachableFor === undefined
        ? []
        : [
            {
              type: "OutOfView",
              reason: "NobodyAnswers",
              message: whyUnreachable(summary),
              since: timeOf(wall - unreachableFor),
              toDo: whenPlaceAway,
            },
          ],
  }));
}

/** Since when a node is what it is held for, and when it was last heard of, as milliseconds of the wall clock. */
export type ConditionTimes = { readonly since: number; readonly heardAt: number };

/** As conditions of a Kubernetes Node; of one that is out of view nobody knows whether its memory is short. */
export function healthConditions(
  { health, evidence, status }: MemberView,
  { since: seenSince, heardAt }: ConditionTimes,
): readonly JsonObject[] {
  const troubles = health?.troubles ?? [];
  const isKnown = evidence.verdict === "alive";
  const short = troubles.find(({ type }) => type === memoryPressure);
  const memory = !isKnown
    ? condition(memoryPressure, "Unknown", "NodeStatusUnknown", "the node is out of view", seenSince, heardAt)
    : short === undefined
      ? condition(memoryPressure, "False", "MemoryHasRoom", "the node has enough memory", seenSince, heardAt)
      : condition(memoryPressure, "True", short.reason, short.message, short.since, heardAt);
  const others = troubles
    .filter(({ type }) => type !== memoryPressure && type !== "DiskPressure")
    .map(({ type, reason, message, since }) =>
      condition(type, isKnown ? "True" : "Unknown", reason, message, since, heardAt),
    );
  return status === undefined ? others : [memory, ...others];
}
