import type { Pass } from "./assign.ts";
import type { Check, Moment, NodeOnSlot, SlotExplanation } from "./contract.ts";
import { fixedFilters, isOfTier, struckOff, unavailable, type Exclusion } from "./filter.ts";
import { withoutOwn } from "./explain.ts";
import { hostsOf } from "./line-up.ts";
import type { Group, Host, PlannerState, Wanted } from "./planner-state.ts";
import { shortageOf } from "./resources.ts";
import { looksAtPods, topologyOf } from "./topology.ts";

/**
 * A node against every slot of a workload: each filter with what it saw, and where it stands in the
 * ranking. Within a pass, so the room is what is left after it.
 */
export function whyNot(
  state: PlannerState,
  pass: Pass,
  wanted: Wanted,
  host: Host,
  explained: readonly SlotExplanation[],
  at: Moment,
): readonly NodeOnSlot[] {
  return explained.flatMap(({ slot, variant, heldBy, ranking }) => {
    const group = wanted.groupBySlot.get(slot);
    if (group === undefined) return [];
    const rank = ranking.findIndex(({ node }) => node === host.node.name);
    const given = pass.assignments.find((entry) => entry.group === group && entry.slot.slot === slot);
    return [
      {
        slot,
        variant,
        holds: heldBy.some(({ node }) => node === host.node.name),
        heldBy: heldBy.map(({ node }) => node),
        givenTo: given?.line[0]?.host.node.name,
        rank: rank < 0 ? undefined : rank + 1,
        of: ranking.length,
        score: ranking[rank]?.score,
        points: ranking[rank]?.points,
        checks: checksOf(state, group, host, slot, variant, at),
      },
    ];
  });
}

function checksOf(
  state: PlannerState,
  group: Group,
  host: Host,
  slot: string,
  variant: string | undefined,
  at: Moment,
): readonly Check[] {
  const { workload, ladder } = group.wanted;
  const { node, used } = host;
  const rung = ladder.find(({ name }) => name === (variant ?? "")) ?? ladder[0];
  const { states, empty } = group.standing;
  const stands = [...states, ...empty].find((candidate) => candidate.slot === slot);
  const none = { slot, pods: [], live: [], current: [], old: [] };
  const topology = looksAtPods(state, group)
    ? topologyOf(state, group, () => hostsOf(state, group), stands ?? none)
    : undefined;
  const shortage =
    rung === undefined
      ? undefined
      : withoutOwn(state, stands ?? none, () => shortageOf(node.allocatable, used, rung.requests));
  const tier =
    rung === undefined || isOfTier(node, rung.minTier)
      ? undefined
      : { filter: "tier", detail: `variant ${rung.name} wants tier ${rung.minTier} or better` };
  return [
    checkOf("site", elsewhere(group, slot, host)),
    checkOf("reachable", unavailable(node)),
    ...fixedFilters.map(({ name, check }) => checkOf(name, check(node, workload, ladder, at.wall))),
    checkOf("restarts", struckOff(node, workload, at.wall)),
    ...(rung?.name === "" ? [] : [checkOf("variant", tier)]),
    checkOf("resources", shortage && { filter: shortage.resource, detail: shortage.detail }),
    ...(topology === undefined ? [] : [checkOf("topology", topology.exclusionOf(host))]),
  ];
}

const checkOf = (filter: string, exclusion: Exclusion | undefined): Check => ({
  filter: exclusion?.filter ?? filter,
  holds: exclusion === undefined,
  detail: exclusion?.detail ?? "",
});

function elsewhere(group: Group, slot: string, host: Host): Exclusion | undefined {
  const site = group.site?.name;
  if (site !== undefined && site !== host.node.site)
    return { filter: "site", detail: `the slot is for site ${site}` };
  const owner = group.ownerBySlot?.get(slot);
  if (owner === undefined || owner === host) return undefined;
  return { filter: "site", detail: `the slot is for node ${owner.node.name}` };
}
