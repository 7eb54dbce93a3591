import { isList, isObject, type JsonObject } from "../kernel/json.ts";
import { matches, selectorOf } from "../intents/selector.ts";
import type { Labels, Requirement } from "../kernel/labels.ts";
import type { Peer, Permits } from "../membership/contract.ts";
import type { NodeId } from "../records/record.ts";
import type { Place } from "../records/scope.ts";
import { labelsOf, labelsWritten } from "./nodes.ts";
import { isMember, kindKey, type Index } from "./records-index.ts";
import type { NodeState } from "./state.ts";
import { memberOf } from "./trust-view.ts";
import { note, type Turn } from "./turn.ts";
import { objectAt } from "./json-at.ts";

/**
 * Who may connect to whom, from the LinkPolicy objects in view. A pure function of roster, labels and
 * policies, so both ends of a link judge alike, and each judges for itself.
 *
 * A policy never locks anybody out of the record that would repair it: where policies would leave members
 * without any permitted way to the largest part of the roster, nobody enforces them for these members.
 */
export type LinkPolicy = {
  readonly permits: Permits;
  /** Why these two may not have a link; undefined when they may. `outsider`: the other, if not on our roster. */
  readonly forbids: (one: NodeId, other: NodeId, outsider?: Party) => string | undefined;
  /** Members that the policies would cut off, sorted: not enforced for them. */
  readonly exempt: readonly NodeId[];
};

/** What is judged of last time, and of what it was made. */
export type HeldLinkPolicy = { readonly madeOf: string; readonly policy: LinkPolicy | undefined };

export type Rule = { readonly within: "site" | "region" | "mesh"; readonly nodes: readonly Requirement[] };
export type Bond = {
  readonly name: string;
  readonly nodes: readonly Requirement[];
  readonly allow: readonly Rule[];
};
export type Party = Place & { readonly id: NodeId; readonly name: string; readonly labels: Labels };

export const linkPolicyOf = (state: NodeState): LinkPolicy | undefined => state.linkPolicy.policy;

/** Whether this turn changed an object that the policy is made of. */
export function touchedLinkPolicy({ out }: Turn): boolean {
  return out.some(
    (effect) =>
      effect.type === "changed" &&
      effect.what.some(
        (what) => what.type === "object" && (what.ref.kind === "LinkPolicy" || what.ref.kind === "Node"),
      ),
  );
}

/**
 * Why we may not have a link with this member; undefined when we may. Members of other places, whose detail we
 * do not keep, are judged like everybody, by what is on record of them.
 *
 * @param told Where a member is that did not show its record yet.
 */
export function whyForbidden(state: NodeState, id: NodeId, told?: Peer): string | undefined {
  const policy = linkPolicyOf(state);
  if (policy === undefined) return undefined;
  return policy.forbids(state.identity.id, id, outsider(state, id, told));
}

function outsider(state: NodeState, id: NodeId, told: Peer | undefined): Party | undefined {
  const { index } = state;
  if (isMember(index, id)) return undefined;
  const member = memberOf(state, id);
  const known = member ?? told;
  if (known === undefined) return undefined;
  const { name, site, region } = known;
  const labels = member === undefined ? labelsWritten(index, known) : labelsOf(index, member, undefined);
  return { id, name, site, region, labels };
}

/** Judges anew when roster, labels or policies are others than the last time. */
export function refreshLinkPolicy(turn: Turn): void {
  const { state } = turn;
  const { index } = state;
  const bonds = bondsOf(index);
  const parties = bonds.length === 0 ? [] : partiesOf(index);
  const madeOf = JSON.stringify([bonds, parties]);
  if (madeOf === state.linkPolicy.madeOf) return;
  const before = state.linkPolicy.policy?.exempt.join();
  const policy = bonds.length === 0 ? undefined : judgeLinks(bonds, parties);
  state.linkPolicy = { madeOf, policy };
  if (policy === undefined || policy.exempt.length === 0 || policy.exempt.join() === before) return;
  const names = policy.exempt.slice(0, 8).map((id) => index.memberById.get(id)?.body.name ?? id);
  const more = policy.exempt.length > names.length ? ` and ${policy.exempt.length - names.length} more` : "";
  const message = `link policies leave ${names.join(", ")}${more} without a way to the others and are not enforced for them`;
  note(turn, "warning", "LinkPolicyNotEnforced", message);
}

export function judgeLinks(bonds: readonly Bond[], parties: readonly Party[]): LinkPolicy {
  const partyById = new Map(parties.map((party) => [party.id, party]));
  const bondsOn = ({ labels }: Party): readonly Bond[] => bonds.filter(({ nodes }) => matches(nodes, labels));
  const boundBy = new Map(parties.map((party) => [party.id, bondsOn(party)]));
  const refusal = (from: Party, to: Party): readonly Bond[] | undefined => {
    const bound = boundBy.get(from.id) ?? bondsOn(from);
    if (bound.length === 0 || bound.some(({ allow }) => allow.some((rule) => fits(rule, from, to))))
      return undefined;
    return bound;
  };
  const agrees = (one: Party, other: Party): boolean =>
    refusal(one, other) === undefined && refusal(other, one) === undefined;
  const exempt = new Set(cutOff(parties, bonds, agrees));

  const forbids: LinkPolicy["forbids"] = (one, other, outsider) => {
    const [from, to] = [partyById.get(one), partyById.get(other) ?? outsider];
    if (from === undefined || to === undefined || from === to) return undefined;
    if (exempt.has(one) || exempt.has(other)) return undefined;
    const bound = refusal(from, to) ?? refusal(to, from);
    if (bound === undefined) return undefined;
    const names = bound.map(({ name }) => name).join(", ");
    return `link policy ${names} forbids ${from.name} (${from.site}) -> ${to.name} (${to.site})`;
  };
  return {
    forbids,
    permits: (one, other) => forbids(one, other) === undefined,
    exempt: [...exempt].sort(),
  };
}

function fits({ within, nodes }: Rule, from: Place, to: Party): boolean {
  if (within === "site" && from.site !== to.site) return false;
  if (within === "region" && from.region !== to.region) return false;
  return matches(nodes, to.labels);
}

/**
 * The members outside of the largest part that permitted links can join; of parts of one size the one with
 * the smallest id counts as the largest. Nodes that all rules see alike are looked at once.
 */
function cutOff(
  parties: readonly Party[],
  bonds: readonly Bond[],
  agrees: (one: Party, other: Party) => boolean,
): readonly NodeId[] {
  const rules = bonds.flatMap(({ nodes, allow }) => [nodes, ...allow.map((rule) => rule.nodes)]);
  const kinds = new Map<string, Party[]>();
  for (const party of parties) {
    const seen = rules.map((nodes) => (matches(nodes, party.labels) ? 1 : 0)).join("");
    const kind = JSON.stringify([party.site, party.region, seen]);
    const alike = kinds.get(kind);
    if (alike === undefined) kinds.set(kind, [party]);
    else alike.push(party);
  }
  const groups = [...kinds.values()].map((members) => ({ members, part: -1 }));
  const parts: NodeId[][] = [];
  for (const start of groups) {
    const [first] = start.members;
    if (start.part >= 0 || first === undefined) continue;
    const part: NodeId[] = [];
    const reached = [start];
    start.part = parts.length;
    for (let group = reached.pop(); group !== undefined; group = reached.pop()) {
      part.push(...group.members.map(({ id }) => id));
      const [near] = group.members;
      for (const other of groups) {
        const [far] = other.members;
        if (other.part >= 0 || near === undefined || far === undefined || !agrees(near, far)) continue;
        other.part = start.part;
        reached.push(other);
      }
    }
    // Alike nodes that may not link with each other, nor with anybody else, are alone, each of them.
    if (part.length === start.members.length && !agrees(first, first)) parts.push(...part.map((id) => [id]));
    else parts.push(part);
  }
  for (const part of parts) part.sort();
  const [, ...others] = parts.sort(
    (left, right) => right.length - left.length || ((left[0] ?? "") < (right[0] ?? "") ? -1 : 1),
  );
  return others.flat();
}

function bondsOf(index: Index): readonly Bond[] {
  const bonds: Bond[] = [];
  for (const key of [...(index.keysByKind.get(kindKey("starlight.dev", "LinkPolicy")) ?? [])].sort()) {
    const object = index.objectByKey.get(key);
    if (object?.exists !== true) continue;
    const spec = objectAt(object.value, "spec");
    const rules = spec["allow"];
    const allow = isList(rules) ? rules.filter(isObject).map(ruleOf) : [];
    bonds.push({ name: object.ref.name, nodes: selectorOf(spec["nodes"]) ?? [], allow });
  }
  return bonds;
}

function ruleOf({ within, nodes }: JsonObject): Rule {
  const distance = within === "site" || within === "region" ? within : "mesh";
  return { within: distance, nodes: selectorOf(nodes) ?? [] };
}

/** Labels of the roster and those that people set; what a node measures of itself is its own word. */
function partiesOf(index: Index): readonly Party[] {
  const parties: Party[] = [];
  for (const id of [...index.memberById.keys()].sort()) {
    const member = index.memberById.get(id)?.body;
    if (member === undefined || !isMember(index, id)) continue;
    const { name, site, region } = member;
    parties.push({ id, name, site, region, labels: labelsOf(index, member, undefined) });
  }
  return parties;
}
