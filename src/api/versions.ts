import type { JsonObject } from "../core/kernel/json.ts";
import type { Changed } from "../core/node/contract.ts";
import { lostAfter } from "../core/node/sites.ts";
import type { NodeId } from "../core/records/record.ts";
import type { ApiDeps } from "./contract.ts";
import { isWithin, regionsAround } from "../core/records/scope.ts";
import { matches, selectorOfLabels } from "../core/intents/selector.ts";
import { placesTold } from "./places.ts";
import { child, strings } from "./values.ts";

/**
 * Resource versions: numbers of this node alone, rising with every change of what it shows, also across
 * restarts. Another node's numbers mean nothing here, which is why a watch from one is told to start over.
 */
export type Versions = {
  readonly current: () => number;
  /** The number of the latest change of an object; those unchanged since the start share the first. */
  readonly of: (kind: string, uidOrKey: string) => number;
  /** Oldest number from which a watch can go on. */
  readonly oldest: number;
  /** Calls back, coalesced, after changes. */
  readonly subscribe: (listener: () => void) => () => void;
};

const judgedWithinMs = 1_000;

export function createVersions(deps: ApiDeps): Versions {
  const start = Date.now() * 1000;
  let last = start;
  let scheduled = false;
  const touched = new Map<string, number>();
  const listeners = new Set<() => void>();
  const touch = (kind: string, key: string): void => {
    touched.set(`${kind} ${key}`, last);
  };
  const apply = (what: readonly Changed[]): void => {
    last = Math.max(last + 1, Date.now() * 1000);
    for (const change of what) touchAll(deps, change, touch);
    if (scheduled) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      for (const listener of listeners) listener();
    });
  };
  deps.onChanged((what) => {
    apply(what);
    // Whether a place still answers is judged once nobody of it has for a while.
    const outside = what.filter((change) => change.type === "node" && isOutside(deps, change.node));
    if (outside.length > 0) setTimeout(() => apply(outside), lostAfter + judgedWithinMs).unref();
  });
  return {
    current: () => last,
    of: (kind, key) => touched.get(`${kind} ${key}`) ?? start,
    oldest: start,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

const isOutside = ({ view }: ApiDeps, node: NodeId): boolean =>
  view.member(node) === undefined && view.memberBody(node) !== undefined;

type Touch = (kind: string, key: string) => void;

/** A change touches what is computed from it, too: a pod its workload's status and its services' endpoints. */
function touchAll({ view }: ApiDeps, change: Changed, touch: Touch): void {
  if (change.type === "object") {
    const { kind, namespace, name } = change.ref;
    touch(kind, `${namespace}/${name}`);
    if (kind === "Service") touch("EndpointSlice", `${namespace}/${name}`);
    return;
  }
  if (change.type === "node") {
    const member = view.member(change.node)?.member;
    if (member === undefined) return touchPlaceOf(view, change.node, touch);
    touch("Node", `/${member.name}`);
    touch("Site", `/${member.site}`);
    for (const region of regionsAround(member.region)) touch("Region", `/${region}`);
    for (const pod of view.pods()) if (pod.node === change.node) touchPod(view, pod.body, touch);
    return;
  }
  if (change.type === "job") {
    for (const { uid, ref } of view.objects("batch", "Job"))
      if (uid === change.uid) touch("Job", `${ref.namespace}/${ref.name}`);
    return;
  }
  if (change.type === "pod") {
    const body = view.pod(change.uid)?.body;
    if (body !== undefined) touchPod(view, body, touch);
    return;
  }
  const isSite = change.type === "site";
  if (isSite) touch("Site", `/${change.name}`);
  for (const inner of isSite ? view.regionsOfSite(change.name) : [change.name])
    for (const region of regionsAround(inner)) touch("Region", `/${region}`);
  for (const key of change.workloads) touchWorkload(key, touch);
}

/** Of a node whose detail is not kept here: it may have been the last of its place that answers, or the first. */
function touchPlaceOf(view: ApiDeps["view"], node: NodeId, touch: Touch): void {
  const member = view.memberBody(node);
  if (member === undefined) return;
  touch("Site", `/${member.site}`);
  for (const region of regionsAround(member.region)) touch("Region", `/${region}`);
  for (const { kind, name, summary } of placesTold(view)) {
    const isInside = kind === "site" ? member.site === name : isWithin(member.region, name);
    if (isInside) for (const workload of summary.workloads) touchWorkload(workload.name, touch);
  }
}

/** @param key `group/kind/namespace/name`. */
function touchWorkload(key: string, touch: Touch): void {
  const [, kind = "", namespace = "", name = ""] = key.split("/");
  touch(kind, `${namespace}/${name}`);
}

function touchPod(
  view: ApiDeps["view"],
  body: NonNullable<ReturnType<ApiDeps["view"]["pod"]>>["body"],
  touch: Touch,
): void {
  touch("Pod", `${body.namespace}/${body.name}`);
  touch(body.workload.kind, `${body.workload.namespace}/${body.workload.name}`);
  for (const service of view.objects("", "Service")) {
    const selector: JsonObject = child(child(service.value, "spec"), "selector");
    if (
      service.ref.namespace === body.namespace &&
      matches(selectorOfLabels(strings(selector)), body.labels)
    ) {
      touch("EndpointSlice", `${service.ref.namespace}/${service.ref.name}`);
    }
  }
}
