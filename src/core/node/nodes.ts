import { wallOf } from "../kernel/hybrid-clock.ts";
import type { Instant, WallTime } from "../kernel/time.ts";
import type { MergedObject } from "../intents/contract.ts";
import type { Evidence } from "../membership/contract.ts";
import type { MemberBody, StatusBody } from "../records/bodies.ts";
import { objectKey } from "../records/keys.ts";
import type { NodeId } from "../records/record.ts";
import type { MemberView } from "./contract.ts";
import { factsOf, isMember, type Index } from "./records-index.ts";
import type { Place } from "../records/scope.ts";
import type { NodeState } from "./state.ts";
import { objectAt, stringsAt } from "./json-at.ts";

/** Members as people see them: roster, facts, reachability and the labels set through the API, joined. */

/** What people wrote about a node (labels, taints, cordon); undefined when nobody did. */
export function nodeObject(index: Index, name: string): MergedObject | undefined {
  const object = index.objectByKey.get(objectKey({ group: "", kind: "Node", namespace: "", name }));
  return object?.exists === true ? object : undefined;
}

/** What a node may say of itself in labels: capabilities, never its place or anybody's own names. */
const measuredLabel =
  /^((feature\.node\.kubernetes\.io|nvidia\.com|amd\.com|starlight\.dev)\/|node\.kubernetes\.io\/instance-type$)/;

/** Standard labels first; what people set through the API wins over them, except for the topology. */
export function labelsOf(
  index: Index,
  member: MemberBody,
  status: StatusBody | undefined,
): { readonly [label: string]: string } {
  const measured: { readonly [label: string]: string } =
    status === undefined
      ? {}
      : {
          ...capabilitiesOf(status),
          "kubernetes.io/arch": status.architecture,
          "kubernetes.io/os": status.os,
          "starlight.dev/tier": String(status.tier),
        };
  return { ...measured, ...member.labels, ...labelsWritten(index, member) };
}

/** What people say of a node, and where it is: known of every node whose name and place are. */
export function labelsWritten(
  index: Index,
  { name, site, region }: Place & { readonly name: string },
): { readonly [label: string]: string } {
  return {
    ...stringsAt(objectAt(nodeObject(index, name)?.value ?? {}, "metadata"), "labels"),
    "kubernetes.io/hostname": name,
    "topology.kubernetes.io/zone": site,
    "topology.kubernetes.io/region": region,
  };
}

function capabilitiesOf({ labels = {} }: StatusBody): { readonly [label: string]: string } {
  return Object.fromEntries(Object.entries(labels).filter(([label]) => measuredLabel.test(label)));
}

export function memberView(
  state: NodeState,
  id: NodeId,
  now: Instant,
  wall: WallTime,
): MemberView | undefined {
  const { index, identity } = state;
  const member = index.memberById.get(id)?.body;
  if (member === undefined || !isMember(index, id)) return undefined;
  const facts = factsOf(index, id);
  const self = id === identity.id;
  const status = self ? (state.status ?? facts?.status?.body) : facts?.status?.body;
  const newest = newestFact(state, id);
  return {
    id,
    member,
    status,
    links: facts?.links?.body,
    health: facts?.health?.body,
    self,
    evidence: self ? ourselves(state, now) : (state.membership.evidence(id) ?? unheard(state)),
    factAge: self ? 0 : newest === undefined ? undefined : Math.max(0, wall - wallOf(newest)),
    cordoned: objectAt(nodeObject(index, member.name)?.value ?? {}, "spec")["unschedulable"] === true,
    labels: labelsOf(index, member, status),
  };
}

function newestFact(state: NodeState, id: NodeId): number | undefined {
  const facts = factsOf(state.index, id);
  if (facts === undefined) return undefined;
  const versions = [facts.status, facts.links, facts.heal, ...facts.pods.values()].flatMap((fact) =>
    fact === undefined ? [] : [fact.version],
  );
  return versions.length === 0 ? undefined : Math.max(...versions);
}

function ourselves(state: NodeState, now: Instant): Evidence {
  return {
    verdict: "alive",
    since: state.bootedAt,
    lostBySite: false,
    link: undefined,
    protocol: undefined,
    roundTrip: 0,
    heardAt: now,
    answeredFrom: undefined,
    observations: [
      { by: state.identity.id, what: "this is the node that answers", at: now },
      ...state.membership.selfDoubt(),
    ],
  };
}

function unheard(state: NodeState): Evidence {
  return {
    verdict: "unreachable",
    since: state.bootedAt,
    lostBySite: false,
    link: undefined,
    protocol: undefined,
    roundTrip: undefined,
    heardAt: undefined,
    answeredFrom: undefined,
    observations: [
      { by: state.identity.id, what: "never in contact since this agent started", at: state.bootedAt },
    ],
  };
}
