import { parseSiteSelector } from "../core/intents/site-selector.ts";
import type { MergedObject } from "../core/intents/contract.ts";
import type { MemberView, NodeView } from "../core/node/contract.ts";
import { matchesSite } from "../core/placement/slots.ts";
import { isWithin } from "../core/records/scope.ts";
import { child, text } from "./values.ts";

/** The sites that a `perSite` workload is for, as they are known here. */

type Selected = { readonly perSite: boolean; readonly sites: string };

export function selectedBy({ value }: MergedObject): Selected {
  const annotations = child(child(value, "metadata"), "annotations");
  const perSite = annotations["starlight.dev/placement"] === "perSite";
  return { perSite, sites: text(annotations["starlight.dev/sites"]) };
}

const allowedBy = ({ sites }: Selected): { readonly [label: string]: readonly string[] } => {
  const selector = parseSiteSelector(sites);
  return selector.ok ? selector.value : {};
};

/** The sites of these members that a workload is to run in. */
export function sitesOf(selected: Selected, members: readonly MemberView[]): string[] {
  const allowed = allowedBy(selected);
  const matching = members.filter(({ member }) => matchesSite(allowed, member));
  return [...new Set(matching.map(({ member }) => member.site))];
}

export const membersInView = (view: NodeView): readonly MemberView[] =>
  view.members().filter(({ evidence }) => evidence.verdict === "alive");

/**
 * That a `perSite` workload is for no site at all, in one sentence; undefined where there is one, also one that
 * this node is only told of: it runs there, or may.
 */
export function whyNoSite(object: MergedObject, view: NodeView): string | undefined {
  const selected = selectedBy(object);
  if (!selected.perSite || sitesOf(selected, membersInView(view)).length > 0) return undefined;
  const allowed = allowedBy(selected);
  const isTold =
    view
      .sites()
      .some(({ name, region, detailed }) => !detailed && matchesSite(allowed, { site: name, region })) ||
    view.regions().some(({ name }) => mayHold(name, allowed["region"]));
  return isTold ? undefined : `no site in view matches ${selected.sites}`;
}

/** Whether a region may have sites in one of these; nobody here knows the names of its sites. */
const mayHold = (region: string, wanted: readonly string[] | undefined): boolean =>
  wanted === undefined || wanted.some((each) => isWithin(region, each) || isWithin(each, region));
