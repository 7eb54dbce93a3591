import { kindOf } from "../core/intents/kinds/index.ts";
import { withDefaults } from "../core/intents/validate.ts";
import type { MergedObject } from "../core/intents/contract.ts";
import type { Json, JsonObject } from "../core/kernel/json.ts";
import type { NodeView, PodView } from "../core/node/contract.ts";
import { isCopy } from "../core/node/summary-content.ts";
import { revisionOf } from "../core/node/workloads.ts";
import { objectKey, type ObjectRef } from "../core/records/keys.ts";
import { copiesElsewhere, countedElsewhere, doubtsOf, type Copies } from "./copies-elsewhere.ts";
import { membersInView, selectedBy, sitesOf, whyNoSite } from "./sites-selected.ts";
import { nodeNames, slotsNamed } from "./slot-names.ts";
import { child, condition, few } from "./values.ts";

/** The status of workloads: their pods as they are seen from here, counted as Kubernetes counts them. */

/** The slots a Deployment asks for, in its own number and in all: copies in every matching site. */
function wantedCopies(
  object: MergedObject,
  view: NodeView,
): { perSite: boolean; replicas: number; total: number } {
  const spec = child(object.value, "spec");
  const replicas = typeof spec["replicas"] === "number" ? spec["replicas"] : 1;
  const selected = selectedBy(object);
  const { perSite } = selected;
  if (!perSite) return { perSite, replicas, total: replicas };
  return { perSite, replicas, total: replicas * sitesOf(selected, view.members()).length };
}

/**
 * Of mesh-wide workloads copies count wherever they are, those in places that are only told of as these say.
 *
 * For `perSite` workloads `replicas` in the status counts copies per site: the least of all sites in
 * view, so that `kubectl rollout status` is done when the last site is. The annotation has the sum.
 */
export function deploymentStatus(object: MergedObject, view: NodeView): JsonObject {
  const { perSite, replicas, total } = wantedCopies(object, view);
  const pods = podsOf(object.ref, view).filter(({ current }) => current);
  const revision = view.placedAs(object)?.revision;
  const elsewhere = perSite ? undefined : copiesElsewhere(object.ref, revision, view);
  const told = elsewhere === undefined ? nothing : countedElsewhere(elsewhere);
  const sites = perSite ? sitesOf(selectedBy(object), membersInView(view)) : [""];
  const noSite = whyNoSite(object, view);
  const least = (test: (pod: PodView) => boolean): number =>
    sites.length === 0
      ? // Of sites that are only told of, each says itself how it stands.
        noSite === undefined
        ? replicas
        : 0
      : Math.min(
          ...sites.map(
            (site) =>
              pods.filter((pod) => (site === "" || view.member(pod.node)?.member.site === site) && test(pod))
                .length,
          ),
        );
  const isReady = ({ body }: PodView): boolean => body.ready && isCopy(body);
  const ready = told.ready + least(isReady);
  const updated = told.updated + least(({ body }) => body.revision === revision && isCopy(body));
  const running = told.copies + least(({ body }) => isCopy(body));
  const readyTotal = told.ready + pods.filter(isReady).length;
  const inEach = perSite ? ` in the sites in view, ${replicas} in each site` : "";
  const counted = `${readyTotal} of ${total} copies are ready${inEach}`;
  const doubts = elsewhere === undefined || readyTotal >= total ? [] : doubtsOf(elsewhere);
  const message = noSite ?? [counted, ...doubts].join("; ");
  const done = ready >= replicas;
  return {
    observedGeneration: 1,
    replicas: running,
    updatedReplicas: updated,
    readyReplicas: ready,
    availableReplicas: ready,
    unavailableReplicas: Math.max(0, replicas - ready),
    conditions: [
      condition(
        "Available",
        done ? "True" : "False",
        done ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
        message,
        object.createdAt,
      ),
      condition(
        "Progressing",
        "True",
        updated >= replicas ? "NewReplicaSetAvailable" : "ReplicaSetUpdated",
        message,
        object.createdAt,
      ),
      ...degraded(object, view),
    ],
  };
}

const nothing: Copies = { copies: 0, updated: 0, ready: 0 };
const noRoom = "no node has room";

/** `Degraded` while slots wait for room or run less than the best variant; it goes by itself. */
function degraded(object: MergedObject, view: NodeView): Json[] {
  const standing = view.placement().standing(object.ref, view.clocks());
  if (standing === undefined) return [];
  const waiting = slotsNamed(standing.waiting, nodeNames(view));
  const smaller = slotsNamed(standing.smaller, nodeNames(view));
  const slotsByWhy = Map.groupBy(waiting, ({ outOfReach = noRoom }) => outOfReach);
  const waits = [...slotsByWhy].map(([why, slots]) => `${why} for ${few(slots.map(({ slot }) => slot))}`);
  const less = smaller.map(({ slot, variant }) => `${slot} as ${variant}`);
  const runs = less.length === 0 ? [] : [`smaller variants run: ${few(less)}`];
  const failing = failingOn(object, view);
  const fails = failing.length === 0 ? [] : [`started again too often on ${few(failing)}`];
  const found = [
    ...(slotsByWhy.has(noRoom) ? ["NoRoom"] : []),
    ...(waits.length > 0 ? ["OutOfReach"] : []),
    ...(fails.length > 0 ? ["Failing"] : []),
    ...(runs.length > 0 ? ["SmallerVariant"] : []),
  ];
  const is = found.length > 0;
  const [reason = "AsWanted"] = found;
  const message = [...waits, ...fails, ...runs].join("; ");
  return [condition("Degraded", is ? "True" : "False", reason, message, object.createdAt)];
}

/** Nodes that struck the workload off, while copies of it are still not ready. */
function failingOn({ ref }: MergedObject, view: NodeView): readonly string[] {
  const pods = podsOf(ref, view).filter(({ current }) => current);
  if (pods.every(({ body }) => body.ready)) return [];
  const revisions = new Set(pods.map(({ body }) => body.revision));
  const { wall } = view.clocks();
  return view.members().flatMap(({ member, health }) => {
    const isStruck = health?.strikes?.some(
      ({ workload, revision, until }) =>
        until > wall && revisions.has(revision) && objectKey(workload) === objectKey(ref),
    );
    return isStruck === true ? [member.name] : [];
  });
}

/** As for a Deployment, the least of all sites in view with `perSite`. */
export function statefulSetStatus(object: MergedObject, view: NodeView): JsonObject {
  const status = deploymentStatus(object, view);
  const { perSite, replicas: wanted } = wantedCopies(object, view);
  const spec = child(withDefaultsOf(object), "spec");
  const revision = revisionOf(child(spec, "template"));
  const strategy = child(child(spec, "updateStrategy"), "rollingUpdate");
  const partition = typeof strategy["partition"] === "number" ? strategy["partition"] : 0;
  const told = perSite ? nothing : countedElsewhere(copiesElsewhere(object.ref, revision, view));
  const pods = podsOf(object.ref, view).filter(({ current, body }) => current && isCopy(body));
  const updated = told.updated + pods.filter(({ body }) => body.revision === revision).length;
  const copies = told.copies + pods.length;
  const old = pods.find(({ body }) => body.revision !== revision)?.body.revision ?? revision;
  const done = updated >= copies && copies >= wanted;
  return {
    observedGeneration: 1,
    replicas: status["replicas"] ?? 0,
    readyReplicas: status["readyReplicas"] ?? 0,
    availableReplicas: status["availableReplicas"] ?? 0,
    currentReplicas: done ? updated : copies - updated,
    updatedReplicas: Math.min(updated, Math.max(0, wanted - partition)),
    currentRevision: `${object.ref.name}-${done ? revision : old}`,
    updateRevision: `${object.ref.name}-${revision}`,
    collisionCount: 0,
  };
}

function withDefaultsOf(object: MergedObject): JsonObject {
  const kind = kindOf(object.ref.group, object.ref.kind);
  return kind === undefined ? object.value : withDefaults(kind, object.value);
}

export function daemonSetStatus(object: MergedObject, view: NodeView): JsonObject {
  const pods = podsOf(object.ref, view).filter(({ current }) => current);
  const ready = pods.filter(({ body }) => body.ready).length;
  const revision = newestRevision(object.ref, view);
  const { now, wall } = view.clocks();
  const desired = view.placement().standing(object.ref, { now, wall })?.wanted ?? 0;
  return {
    observedGeneration: 1,
    currentNumberScheduled: pods.length,
    desiredNumberScheduled: desired,
    numberAvailable: ready,
    numberMisscheduled: 0,
    numberUnavailable: Math.max(0, desired - ready),
    numberReady: ready,
    updatedNumberScheduled: pods.filter(({ body }) => body.revision === revision).length,
    conditions: degraded(object, view),
  };
}

/** The revision of the youngest claim: what the nodes are moving to. */
function newestRevision(ref: ObjectRef, view: NodeView): string | undefined {
  let newest: PodView | undefined;
  for (const pod of podsOf(ref, view)) {
    if (newest === undefined || pod.body.claimedAt > newest.body.claimedAt) newest = pod;
  }
  return newest?.body.revision;
}

/** The pods of a workload, also those on nodes out of view. */
export function podsOf(ref: ObjectRef, view: NodeView): PodView[] {
  return view.pods().filter(({ body: { workload } }) => sameRef(workload, ref));
}

function sameRef(left: ObjectRef, right: ObjectRef): boolean {
  return (
    left.group === right.group &&
    left.kind === right.kind &&
    left.namespace === right.namespace &&
    left.name === right.name
  );
}
