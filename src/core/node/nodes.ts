import { wallOf } from "../kernel/hybrid-clock.ts";
import type { Instant, WallTime } from "../kernel/time.ts";
import type { MergedObject } from "../intents/contract.ts";
import type { Evidence } from "../membership/contract.ts";
import type { MemberBody, StatusBody } from "../records/bodies.ts";
import { objectKey } from "../records/keys.ts";
import type { NodeId } from "../records/record.ts";
import type { MemberView } from "./contract.ts";
import { factsOf, isMember, type Index } from "./records-index.ts";
import type { NodeState } from "./state.ts";
import { objectAt, stringsAt } from "./workloads.ts";

/** Members as people see them: roster, facts, reachability and the labels set through the API, joined. */

/** What people wrote about a node (labels, taints, cordon); undefined when nobody did. */
export function nodeObject(index: Index, name: string): MergedObject | undefined {
  const object = index.objectByKey.get(objectKey({ group: "", kind: "Node", namespace: "", name }));
  return object?.exists === true ? object : undefined;
}

/** Standard labels first; what people set through the API wins over them, except for the topology. */
export function labelsOf(
  index: Index,
  member: MemberBody,
  status: StatusBody | undefined,
): { readonly [label: string]: string } {
  const written = stringsAt(objectAt(nodeObject(index, member.name)?.value ?? {}, "metadata"), "labels");
  const measured: { readonly [label: string]: string } =
    status === undefined
      ? {}
      : {
          "kubernetes.io/arch": status.architecture,
          "kubernetes.io/os": status.os,
          "starlight.dev/tier": String(status.tier),
        };
  return {
    ...measured,
    ...member.labels,
    ...written,
    "kubernetes.io/hostname": member.name,
    "topology.kubernetes.io/zone": member.site,
    "topology.kubernetes.io/region": member.region,
  };
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
    roundTrip: 0,
    heardAt: now,
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
    roundTrip: undefined,
    heardAt: undefined,
    observations: [
      { by: state.identity.id, what: "never in contact since this agent started", at: state.bootedAt },
    ],
  };
}
