import type { LabelRule, PodTerm, Workload } from "./contract.ts";
import type { Exclusion } from "./filter.ts";
import { rulesHold } from "./label-rules.ts";
import type { Crowd, Group, Host, PlannerState } from "./planner-state.ts";
import type { SlotState } from "./standing.ts";

/**
 * What other pods mean for a copy: affinity, anti-affinity and topology spread, counted by the values of
 * a node label. The copies of the slot itself do not count: the new one takes their place. Pods on nodes
 * that are dead do not count; those out of reach do.
 */
export type Topology = {
  /** The first rule that keeps a copy off the host. */
  readonly exclusionOf: (host: Host) => Exclusion | undefined;
  /** Weights of the preferences that hold there, less those of what is to be avoided. */
  readonly pointsOf: (host: Host) => number;
};

/** Whether other pods matter to the workload at all. */
export const looksAtPods = ({ looking, repelling }: PlannerState, { wanted }: Group): boolean =>
  repelling.size > 0 || looking.has(wanted);

/** Whether the place of the workload depends on other pods. */
export function isLooking({ constraints }: Workload): boolean {
  const { podRequired, podForbidden, podPreferred, podAvoided, spreads } = constraints;
  return (
    podRequired.length + podForbidden.length + podPreferred.length + podAvoided.length + spreads.length > 0
  );
}

export function topologyOf(
  state: PlannerState,
  group: Group,
  hosts: () => Iterable<Host>,
  slot: SlotState,
): Topology {
  const { workload } = group.wanted;
  const { constraints } = workload;
  const count = (term: PodTerm): Domains => countPods(state, group, term, slot);
  const required = constraints.podRequired.map((term) => ({ term, domains: count(term) }));
  const forbidden = constraints.podForbidden.map((term) => ({ term, domains: count(term) }));
  const wished = [
    ...constraints.podPreferred.map((term) => ({ term, domains: count(term), weight: term.weight })),
    ...constraints.podAvoided.map((term) => ({ term, domains: count(term), weight: -term.weight })),
  ];
  const spreads = constraints.spreads.map((spread) => {
    const term = { ...spread, namespaces: [workload.ref.namespace] };
    const domains = count(term);
    return { spread, domains, least: leastOf(domains, spread.topologyKey, hosts(), group) };
  });
  const repelled = repelledDomains(state, group, slot);
  return {
    exclusionOf: ({ node: { labels } }) => {
      for (const { term, domains } of required) {
        const domain = labels[term.topologyKey];
        if (domain !== undefined && (domains.get(domain) ?? 0) > 0) continue;
        // The first of a group that wants to be together has nobody to join yet.
        if (domain !== undefined && domains.size === 0 && matchesOwn(term, group)) continue;
        const detail = `no pod with ${selectorText(term.selector)} in its ${term.topologyKey}`;
        return { filter: "podAffinity", detail };
      }
      for (const { term, domains } of forbidden) {
        const domain = labels[term.topologyKey];
        if (domain === undefined || (domains.get(domain) ?? 0) === 0) continue;
        const detail = `pods with ${selectorText(term.selector)} run in ${term.topologyKey}=${domain}`;
        return { filter: "podAntiAffinity", detail };
      }
      for (const { key, domain, by } of repelled) {
        if (labels[key] !== domain) continue;
        return { filter: "podAntiAffinity", detail: `${by} keeps such pods out of ${key}=${domain}` };
      }
      for (const { spread, domains, least } of spreads) {
        if (!spread.hard) continue;
        const domain = labels[spread.topologyKey];
        const skew = domain === undefined ? undefined : (domains.get(domain) ?? 0) + 1 - least;
        if (skew !== undefined && skew <= spread.maxSkew) continue;
        const detail =
          skew === undefined
            ? `the node has no label ${spread.topologyKey}`
            : `${spread.topologyKey}=${domain ?? ""} would have ${skew} more than the least, ${spread.maxSkew} is allowed`;
        return { filter: "topologySpread", detail };
      }
      return undefined;
    },
    pointsOf: ({ node: { labels } }) => {
      let points = 0;
      for (const { term, domains, weight } of wished) {
        const domain = labels[term.topologyKey];
        if (domain !== undefined && (domains.get(domain) ?? 0) > 0) points += weight;
      }
      for (const { spread, domains, least } of spreads) {
        if (spread.hard) continue;
        const domain = labels[spread.topologyKey];
        const skew = domain === undefined ? softSkewMax : (domains.get(domain) ?? 0) + 1 - least;
        points -= Math.min(softSkewMax, Math.max(0, skew - spread.maxSkew));
      }
      return points;
    },
  };
}

/** What a node without the label of a soft spread loses in points: as much as the worst skew. */
const softSkewMax = 100;

type Domains = ReadonlyMap<string, number>;

function countPods(state: PlannerState, group: Group, term: PodTerm, { live }: SlotState): Domains {
  const domains = new Map<string, number>();
  const add = (host: Host, copies: number): void => {
    const domain = host.node.labels[term.topologyKey];
    if (domain === undefined || host.node.verdict === "dead") return;
    const left = (domains.get(domain) ?? 0) + copies;
    if (left > 0) domains.set(domain, left);
    else domains.delete(domain);
  };
  for (const crowd of state.crowdByKey.values()) {
    if (!inTerm(term, crowd.namespace, crowd.labels)) continue;
    for (const [host, copies] of crowd.countByHost) add(host, copies);
  }
  for (const pod of live) {
    const host = state.hostById.get(pod.node);
    if (host !== undefined && inTerm(term, group.wanted.workload.ref.namespace, pod.labels)) add(host, -1);
  }
  return domains;
}

/** The fewest copies of any domain in which the workload may run at all. */
function leastOf(domains: Domains, key: string, hosts: Iterable<Host>, { wanted }: Group): number {
  const { nodeSelector, constraints } = wanted.workload;
  let least = Number.POSITIVE_INFINITY;
  for (const { node } of hosts) {
    const domain = node.labels[key];
    if (domain === undefined || node.verdict !== "alive" || least === 0) continue;
    const selected = Object.entries(nodeSelector).every(([label, value]) => node.labels[label] === value);
    const terms = constraints.nodeRequired;
    if (!selected || (terms.length > 0 && !terms.some((rules) => rulesHold(rules, node.labels)))) continue;
    least = Math.min(least, domains.get(domain) ?? 0);
  }
  return least === Number.POSITIVE_INFINITY ? 0 : least;
}

type Repelled = { readonly key: string; readonly domain: string; readonly by: string };

/** Where pods of others run that want nothing like this beside them. */
function repelledDomains(state: PlannerState, group: Group, slot: SlotState): readonly Repelled[] {
  const { workload } = group.wanted;
  const repelled: Repelled[] = [];
  for (const other of state.repelling) {
    const by = `${other.workload.ref.kind} ${other.workload.ref.name}`;
    for (const term of other.workload.constraints.podForbidden) {
      if (other === group.wanted || !inTerm(term, workload.ref.namespace, workload.labels)) continue;
      const theirs: PodTerm = {
        selector: Object.entries(other.workload.labels).map(([key, value]) => ({
          key,
          operator: "In",
          values: [value],
        })),
        namespaces: [other.workload.ref.namespace],
        topologyKey: term.topologyKey,
      };
      for (const domain of countPods(state, group, theirs, slot).keys())
        repelled.push({ key: term.topologyKey, domain, by });
    }
  }
  return repelled.sort((left, right) => (textOf(left) < textOf(right) ? -1 : 1));
}

const textOf = ({ key, domain, by }: Repelled): string => `${key} ${domain} ${by}`;

const inTerm = (term: PodTerm, namespace: string, labels: Crowd["labels"]): boolean =>
  term.namespaces.includes(namespace) && rulesHold(term.selector, labels);

const matchesOwn = (term: PodTerm, { wanted: { workload } }: Group): boolean =>
  inTerm(term, workload.ref.namespace, workload.labels);

const selectorText = (rules: readonly LabelRule[]): string =>
  rules.map(({ key, values }) => (values.length === 0 ? key : `${key}=${values.join("|")}`)).join(", ");
