import { workloadKey } from "../placement/slots.ts";
import type { Moment } from "../placement/contract.ts";
import type { MemberBody, PodBody } from "../records/bodies.ts";
import type { NodeId } from "../records/record.ts";
import {
  gatewaysMax,
  slotsMax,
  workloadsMax,
  type Amount,
  type Gateway,
  type RegionSummary,
  type SiteSummary,
  type TierSummary,
  type WorkloadSummary,
} from "../records/summaries.ts";
import { siteAcks, lowestAcks } from "./summary-acks.ts";
import { ranked, speakersOf } from "./contacts.ts";
import { detailOf } from "./levels.ts";
import { partsIn, type Part } from "./parts.ts";
import { factsOf, isMember } from "./records-index.ts";
import type { NodeState } from "./state.ts";
import { wantedOf } from "./wanted-copies.ts";

/** What is said of a place, counted from its members' facts or from the summaries of its parts. */

/** Small changes are not worth their way: capacities are rounded to these. */
const cpuStep = 100;
const memoryStep = 64 * 1024 * 1024;
const agentsMax = 16;
/** A site names one gateway more than keep links, so that a successor is known already. */
export const gatewaysOfSite = 3;

/** What is told of any place. */
export type PlaceSummary = Omit<SiteSummary, "region" | "island" | "gateways" | "acks">;

export function siteSummaryOf(state: NodeState, site: string, at: Moment): SiteSummary {
  const ids = membersIn(state, (member) => member.site === site);
  const alive = ids.filter((id) => isAlive(state, id));
  const region = state.index.memberById.get(ids[0] ?? "")?.body.region ?? state.identity.region;
  return {
    ...counted(state, ids, at),
    region,
    island: alive.length,
    gateways: ranked(alive, "gateway")
      .slice(0, gatewaysOfSite)
      .flatMap((id) => gatewayOf(state, id) ?? []),
    acks: siteAcks(state, ids, at),
  };
}

/** @param region One that we stand in. */
export function regionSummaryOf(state: NodeState, region: string, at: Moment): RegionSummary {
  const { identity, index } = state;
  if (detailOf(state) === "region" && region === identity.region) {
    const ids = membersIn(state, (member) => member.region === identity.region);
    const sites = new Set(ids.map((id) => index.memberById.get(id)?.body.site));
    const gateways = speakersOf(state)
      .slice(0, gatewaysMax)
      .flatMap((id) => gatewayOf(state, id) ?? []);
    return { ...counted(state, ids, at), sites: sites.size, gateways, acks: siteAcks(state, ids, at) };
  }
  return summaryOfParts(partsIn(state, region));
}

/** What is said of a region of these parts, by their ids. */
export function summaryOfParts(parts: ReadonlyMap<string, Part>): RegionSummary {
  const inOrder = ranked([...parts.keys()], "gateway").flatMap((id) => parts.get(id) ?? []);
  const summaries = inOrder.map(({ summary }) => summary);
  return {
    ...addedUp(summaries),
    sites: summaries.reduce((total, summary) => total + ("sites" in summary ? summary.sites : 1), 0),
    gateways: summaries.flatMap(({ gateways }) => gateways.slice(0, 1)).slice(0, gatewaysMax),
    acks: lowestAcks(summaries.map(({ acks }) => acks)),
  };
}

export function membersIn({ index }: NodeState, within: (member: MemberBody) => boolean): NodeId[] {
  const found: NodeId[] = [];
  for (const [id, { body }] of index.memberById) if (isMember(index, id) && within(body)) found.push(id);
  return found.sort();
}

function counted(state: NodeState, ids: readonly NodeId[], at: Moment): PlaceSummary {
  const tiers = new Map<number, TierSummary>();
  const agents = new Map<string, number>();
  let ready = 0;
  for (const id of ids) {
    const status = factsOf(state.index, id)?.status?.body;
    if (status === undefined) continue;
    const alive = isAlive(state, id);
    if (alive) ready++;
    agents.set(status.agentVersion, (agents.get(status.agentVersion) ?? 0) + 1);
    const held = tiers.get(status.tier) ?? emptyTier(status.tier);
    tiers.set(status.tier, {
      ...held,
      nodes: held.nodes + 1,
      ready: held.ready + (alive ? 1 : 0),
      allocatable: alive ? sum(held.allocatable, status.allocatable) : held.allocatable,
      requested: sum(held.requested, requestedOn(state, id)),
    });
  }
  const workloads = workloadsAmong(state, ids, at);
  return {
    nodes: ids.length,
    ready,
    tiers: [...tiers.values()].map(rounded).sort((left, right) => left.tier - right.tier),
    workloads: workloads.slice(0, workloadsMax),
    workloadsLeftOut: Math.max(0, workloads.length - workloadsMax),
    agents: mostFrequent(agents),
  };
}

/** What is told of several places, as of one. */
export function addedUp(parts: readonly PlaceSummary[]): PlaceSummary {
  const tiers = new Map<number, TierSummary>();
  const agents = new Map<string, number>();
  const workloads = new Map<string, WorkloadSummary[]>();
  for (const part of parts) {
    for (const tier of part.tiers) {
      const held = tiers.get(tier.tier) ?? emptyTier(tier.tier);
      tiers.set(tier.tier, {
        tier: tier.tier,
        nodes: held.nodes + tier.nodes,
        ready: held.ready + tier.ready,
        allocatable: sum(held.allocatable, tier.allocatable),
        requested: sum(held.requested, tier.requested),
      });
    }
    for (const [version, nodes] of Object.entries(part.agents))
      agents.set(version, (agents.get(version) ?? 0) + nodes);
    for (const workload of part.workloads) {
      const others = workloads.get(workload.name);
      if (others === undefined) workloads.set(workload.name, [workload]);
      else others.push(workload);
    }
  }
  const all = [...workloads.values()]
    .map((told) => asOne(told, parts.length))
    .sort((left, right) => (left.name < right.name ? -1 : 1));
  return {
    nodes: parts.reduce((total, { nodes }) => total + nodes, 0),
    ready: parts.reduce((total, { ready }) => total + ready, 0),
    tiers: [...tiers.values()].sort((left, right) => left.tier - right.tier),
    workloads: all.slice(0, workloadsMax),
    workloadsLeftOut:
      Math.max(0, all.length - workloadsMax) + Math.max(0, ...parts.map((part) => part.workloadsLeftOut)),
    agents: mostFrequent(agents),
  };
}

/** Copies, and those of the revision that is named, as a place tells of them. */
export const copiesOf = ({ copies, ready }: WorkloadSummary): number => copies ?? ready;
export const updatedOf = ({ updated, ready }: WorkloadSummary): number => updated ?? ready;

/**
 * What several of so many parts tell of one workload. They name different revisions while a change spreads: the one
 * that most copies have stands, and the others' copies are not of it.
 */
function asOne(told: readonly WorkloadSummary[], parts: number): WorkloadSummary {
  const sum = (of: (workload: WorkloadSummary) => number): number =>
    told.reduce((total, workload) => total + of(workload), 0);
  const updatedTo = (wanted: string): number =>
    sum((workload) => (workload.revision === wanted ? updatedOf(workload) : 0));
  const [{ name, revision: first } = { name: "", revision: "" }] = told;
  const revision = told.reduce(
    (most, workload) => (updatedTo(workload.revision) > updatedTo(most) ? workload.revision : most),
    first,
  );
  const ready = sum((workload) => workload.ready);
  return {
    name,
    revision,
    wanted: sum((workload) => workload.wanted),
    ready,
    ...said(ready, {
      copies: sum(copiesOf),
      updated: updatedTo(revision),
      slots: meshSlots(told.flatMap(({ slots = [] }) => slots)),
      claims: meshSlots(told.flatMap(({ claims = [] }) => claims)),
      full: told.filter(({ full }) => full === true).length === parts,
    }),
  };
}

function workloadsAmong(state: NodeState, ids: readonly NodeId[], at: Moment): WorkloadSummary[] {
  const { index, workloads } = state;
  const wantedHere = wantedOf(state, ids, at.now);
  const found: WorkloadSummary[] = [];
  const placed = [...workloads].sort(([left], [right]) => (left < right ? -1 : 1));
  for (const [, { workload }] of placed) {
    const { revision } = workload;
    const key = workloadKey(workload.ref);
    const ready: string[] = [];
    const others: string[] = [];
    let copies = 0;
    let updated = 0;
    for (const id of ids) {
      const alive = isAlive(state, id);
      for (const { body } of factsOf(index, id)?.pods.values() ?? []) {
        if (workloadKey(body.workload) !== key || body.phase === "Terminating") continue;
        const isReady = body.ready && body.phase === "Running" && alive;
        (isReady ? ready : others).push(body.slot);
        if (!alive || !isCopy(body)) continue;
        copies++;
        if (body.revision === revision) updated++;
      }
    }
    const wanted = wantedHere(workload);
    const full = workload.spread.type === "mesh" && !state.planner.hasRoom(workload.ref, at.wall);
    if (!full && wanted + ready.length + others.length === 0) continue;
    const more = { copies, updated, slots: meshSlots(ready), claims: meshSlots(others), full };
    found.push({ name: key, revision, wanted, ready: ready.length, ...said(ready.length, more) });
  }
  return found;
}

/** Whether a pod counts as a copy, as in Kubernetes: it has not ended, and is not about to. */
export const isCopy = ({ phase }: PodBody): boolean => phase === "Running" || phase === "Pending";

const meshSlots = (slots: readonly string[]): string[] =>
  [...new Set(slots.filter((slot) => slot.startsWith("mesh/")))].sort().slice(0, slotsMax);

type More = Required<Pick<WorkloadSummary, "copies" | "updated" | "slots" | "claims" | "full">>;

/** What there is something to say of. */
function said(ready: number, { copies, updated, slots, claims, full }: More): Partial<More> {
  return {
    ...(copies === ready ? {} : { copies }),
    ...(updated === ready ? {} : { updated }),
    ...(slots.length > 0 ? { slots } : {}),
    ...(claims.length > 0 ? { claims } : {}),
    ...(full ? { full } : {}),
  };
}

function isAlive({ identity, membership }: NodeState, id: NodeId): boolean {
  return id === identity.id || membership.standing(id)?.verdict === "alive";
}

function gatewayOf({ index, identity, status }: NodeState, id: NodeId): Gateway | undefined {
  const member = index.memberById.get(id)?.body;
  const facts = id === identity.id ? status : factsOf(index, id)?.status?.body;
  if (member === undefined || facts === undefined) return undefined;
  const { name, site } = member;
  const { addresses, uplink } = facts;
  return { id, name, site, addresses, ...(uplink === undefined || uplink === "lan" ? {} : { uplink }) };
}

function requestedOn({ index }: NodeState, id: NodeId): Amount {
  let total: Amount = { cpuMilli: 0, memoryBytes: 0 };
  for (const { body } of factsOf(index, id)?.pods.values() ?? [])
    if (body.phase === "Running" || body.phase === "Pending") total = sum(total, body.requests);
  return total;
}

const emptyTier = (tier: number): TierSummary => ({
  tier,
  nodes: 0,
  ready: 0,
  allocatable: { cpuMilli: 0, memoryBytes: 0 },
  requested: { cpuMilli: 0, memoryBytes: 0 },
});

const sum = (left: Amount, right: Amount): Amount => ({
  cpuMilli: left.cpuMilli + right.cpuMilli,
  memoryBytes: left.memoryBytes + right.memoryBytes,
});

function rounded(tier: TierSummary): TierSummary {
  return {
    ...tier,
    allocatable: amountIn(tier.allocatable, Math.floor),
    requested: amountIn(tier.requested, Math.ceil),
  };
}

const amountIn = ({ cpuMilli, memoryBytes }: Amount, round: (value: number) => number): Amount => ({
  cpuMilli: cpuStep * round(cpuMilli / cpuStep),
  memoryBytes: memoryStep * round(memoryBytes / memoryStep),
});

function mostFrequent(counts: ReadonlyMap<string, number>): { readonly [version: string]: number } {
  const listed = [...counts]
    .sort(([left, a], [right, b]) => b - a || (left < right ? -1 : 1))
    .slice(0, agentsMax)
    .sort(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(listed);
}
