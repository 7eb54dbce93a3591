import type { Json, JsonObject } from "../core/kernel/json.ts";
import type { Change, MergedObject } from "../core/intents/contract.ts";
import type { Forecast, Moment, PlaceNode, PlacementInput, Workload } from "../core/placement/contract.ts";
import { groupOf } from "../core/node/workloads.ts";
import { forecast } from "../core/placement/decide.ts";
import { objectKey, type ObjectRef } from "../core/records/keys.ts";
import type { NodeView } from "../core/node/contract.ts";
import { isWithin, regionsAround } from "../core/records/scope.ts";
import { sortedBy } from "./by-name.ts";
import type { ApiDeps } from "./contract.ts";
import { copiesElsewhere } from "./copies-elsewhere.ts";
import { whyNode } from "./evidence.ts";
import { podNamed } from "./pod-named.ts";
import { whyNoSite } from "./sites-selected.ts";
import { nodeNames, slotsNamed } from "./slot-names.ts";
import { badRequest, errorOfWrite, notFound } from "./status.ts";
import { child } from "./values.ts";
import { whyWaiting } from "./why-waiting.ts";
import { whyPlace } from "./why-place.ts";

/** Placement explained: why here, why not there, and what would be if. */

export type DocumentSet = {
  readonly changes: readonly Change[];
  readonly dryRun: boolean;
  readonly body: JsonObject;
};

/** `inputs=true` adds all that the answer was computed from: with it anybody can compute it again. */
export function why(deps: ApiDeps, query: URLSearchParams): JsonObject {
  const { view } = deps;
  const name = query.get("name") ?? "";
  const namespace = query.get("namespace") ?? "default";
  const kind = query.get("kind") ?? "Deployment";
  if (kind === "Node") {
    const member = view.members().find((candidate) => candidate.member.name === name);
    if (member === undefined) throw notFound("nodes", name);
    return whyNode(member, view, deps.env().now);
  }
  if (kind === "Site" || kind === "Region") return whyPlace(view, kind, name);
  const pod = kind === "Pod" ? podNamed(deps, namespace, name) : undefined;
  const ref: ObjectRef = pod?.body.workload ?? workloadNamed(kind, namespace, name);
  const object = view.object(ref);
  if (object?.exists !== true) throw notFound(ref.kind.toLowerCase(), ref.name);
  const message = ref.kind === "Job" ? whyNoPod(object, view) : whyNoSite(object, view);
  const at = momentOf(deps);
  const planner = view.placement();
  const nameByUid = new Map(view.pods().map(({ uid, body }) => [uid, body.name] as const));
  const explained = planner
    .explain(ref, at)
    .filter(({ slot }) => pod === undefined || slot === pod.body.slot);
  const slots = slotsNamed(explained, nodeNames(view)).map((slot) => ({
    ...slot,
    heldBy: slot.heldBy.map((holder) => ({ ...holder, pod: nameByUid.get(holder.uid) ?? "" })),
  }));
  const inputs = query.get("inputs") === "true" ? { inputs: planner.input(at) } : {};
  return {
    kind,
    namespace,
    name,
    workload: ref.name,
    seenBy: view.identity.name,
    slots,
    ...(message === undefined ? {} : { message }),
    ...(pod === undefined ? elsewhereOf(object, view) : {}),
    ...inputs,
  } as Json as JsonObject;
}

/** Copies in places whose detail is not kept here; nothing where there are no such places. */
function elsewhereOf(object: MergedObject, view: NodeView): JsonObject {
  if (view.identity.mesh.detail === "mesh") return {};
  const { places, unsaid } = copiesElsewhere(object.ref, view.placedAs(object)?.revision, view);
  const elsewhere = places.map(({ place, age, doubt, ...counts }) => ({
    place,
    ...counts,
    toldAgoMs: Math.round(age),
    doubt: doubt ?? null,
  }));
  return { elsewhere, unsaidBy: unsaid };
}

/** Of a job: that it has ended, or is to start nothing, or what keeps its pods from being placed. */
function whyNoPod(job: MergedObject, view: NodeView): string | undefined {
  const { ended, suspended, bases } = view.job(job);
  if (ended !== undefined) return `it has ended: ${ended.as}, ${ended.why}`;
  if (suspended) return "it is suspended: nothing runs until spec.suspend is false";
  const { wall } = view.clocks();
  const retries = bases.filter(({ notBefore, outcome }) => outcome === undefined && notBefore > wall);
  const backoff = retries.map(({ base, failures, notBefore }) => {
    const times = failures === 1 ? "once" : `${failures} times`;
    return `${base} failed ${times}, and is tried again in ${Math.ceil((notBefore - wall) / 1_000)} s`;
  });
  return whyWaiting(job, view)?.message ?? (backoff.length > 0 ? backoff.join("; ") : undefined);
}

export function whyNot(deps: ApiDeps, query: URLSearchParams): JsonObject {
  const { view } = deps;
  const name = query.get("name") ?? "";
  const namespace = query.get("namespace") ?? "default";
  const kind = query.get("kind") ?? "Deployment";
  const node = query.get("node") ?? "";
  const ref = workloadNamed(kind, namespace, name);
  if (view.object(ref)?.exists !== true) throw notFound(kind.toLowerCase(), name);
  const slots = view.placement().whyNot(ref, node, momentOf(deps));
  if (slots === undefined) throw notFound("nodes", node);
  const seenBy = view.identity.name;
  return {
    kind,
    namespace,
    name,
    node,
    seenBy,
    slots: slotsNamed(slots, nodeNames(view)),
  } as Json as JsonObject;
}

function workloadNamed(kind: string, namespace: string, name: string): ObjectRef {
  const group = groupOf(kind);
  if (group !== undefined) return { group, kind, namespace, name };
  if (kind === "CronJob")
    throw badRequest("kind CronJob: it has no pods of its own; name one of its Jobs (kubectl get jobs)");
  const takes = "a Deployment, DaemonSet, StatefulSet, Job or Pod";
  throw badRequest(`kind ${kind}: ${takes} is explained; \`why\` also takes a Node, Site or Region`);
}

/** The clocks of this node, as placement reads them. */
function momentOf({ env }: ApiDeps): Moment {
  const { now, wall } = env();
  return { now, wall };
}

/**
 * Where everything would be with these objects applied; `without` a site that is gone, or as both sides
 * of a `cutOff` site would see it, once their patience is over. Nothing is written.
 */
export async function forecastFor(deps: ApiDeps, { changes, body }: DocumentSet): Promise<JsonObject> {
  const { view } = deps;
  const reply = await deps.write(changes, "plan", { dryRun: true });
  if (!reply.ok) throw errorOfWrite(reply.error);
  const { objects } = reply.value;
  const planned = objects.flatMap((object) => view.placedAs(object) ?? []);
  const input = withWorkloads(view.placement().input(momentOf(deps)), planned);
  const before = forecast(view.placement().input(momentOf(deps)));
  const without = placeIn(view, input, body, "without");
  const cutOff = placeIn(view, input, body, "cutOff");
  const lost = (of: (node: PlaceNode) => boolean, verdict: PlaceNode["verdict"]): PlacementInput => ({
    ...input,
    nodes: input.nodes.map((node) =>
      of(node) ? { ...node, verdict, verdictSince: Number.MIN_SAFE_INTEGER } : node,
    ),
  });
  const views: readonly (readonly [string, PlacementInput])[] =
    without !== undefined
      ? [[`without ${without.label}`, lost(without.has, "dead")]]
      : cutOff !== undefined
        ? [
            ["the rest", lost(cutOff.has, "unreachable")],
            [`inside ${cutOff.label}`, lost((node) => !cutOff.has(node), "unreachable")],
          ]
        : [["all", input]];
  const answer = views.map(([as, seen]) => ({
    as,
    slots: sortedBy(slotsNamed(changed(forecast(seen), before, planned), nodeNames(view)), forecastKey),
  }));
  const shown = answer.flatMap(({ slots }) => slots.map(({ workload }) => objectKey(workload)));
  const notes = objects.flatMap((object) => {
    const noSite = view.placedAs(object) === undefined ? undefined : whyNoSite(object, view);
    return noSite === undefined
      ? (unforeseen(object, new Set(shown)) ?? [])
      : `${object.ref.kind.toLowerCase()}/${object.ref.name}: ${noSite}`;
  });
  return { seenBy: view.identity.name, views: answer, notes } as Json as JsonObject;
}

/** What no slot in the answer shows of an object; undefined where there is nothing to add. */
function unforeseen({ ref, value }: MergedObject, shown: ReadonlySet<string>): string | undefined {
  const name = `${ref.kind.toLowerCase()}/${ref.name}`;
  const spec = child(value, "spec");
  if (ref.kind === "CronJob")
    return `${name}: its Jobs are placed when they start, by ${JSON.stringify(spec["schedule"] ?? "")}; not foreseen here`;
  if (groupOf(ref.kind) === undefined) return undefined;
  if (!shown.has(objectKey(ref))) {
    const suspended = spec["suspend"] === true;
    return `${name}: wants no pod now${suspended ? ", it is suspended" : ref.kind === "Job" ? ", it is over" : ", no node in view matches"}`;
  }
  const [completions, parallelism] = [spec["completions"] ?? 1, spec["parallelism"] ?? 1];
  if (ref.kind !== "Job" || Number(completions) <= Number(parallelism)) return undefined;
  return `${name}: ${Number(completions)} pods, ${Number(parallelism)} at a time; where those run that start later is not foreseen`;
}

/** The slots of the planned workloads, and those of others that would not be as they are. */
function changed(
  after: readonly Forecast[],
  before: readonly Forecast[],
  planned: readonly Workload[],
): readonly Forecast[] {
  const was = new Map(before.map((slot) => [forecastKey(slot), slot] as const));
  const isPlanned = ({ workload }: Forecast): boolean =>
    planned.some(({ ref }) => JSON.stringify(ref) === JSON.stringify(workload));
  return after.filter((slot) => {
    const then = was.get(forecastKey(slot));
    return isPlanned(slot) || then?.node !== slot.node || then?.outcome !== slot.outcome;
  });
}

const forecastKey = ({ workload: { kind, namespace, name }, slot }: Forecast): string =>
  `${namespace} ${kind} ${name} ${slot}`;

function withWorkloads(input: PlacementInput, planned: readonly Workload[]): PlacementInput {
  const keyOf = ({ ref: { kind, namespace, name } }: Workload): string => `${kind} ${namespace} ${name}`;
  const byKey = new Map([...input.workloads, ...planned].map((of) => [keyOf(of), of] as const));
  return { ...input, workloads: [...byKey.values()] };
}

type NamedPlace = { readonly label: string; readonly has: (node: PlaceNode) => boolean };

/** `paris`, `site=paris`, or `region=eu` with all that stands within it. */
function placeIn(
  { identity }: NodeView,
  { nodes }: PlacementInput,
  body: JsonObject,
  field: "without" | "cutOff",
): NamedPlace | undefined {
  const given = body[field];
  if (given === undefined) return undefined;
  const [, kind = "site", name = ""] = /^(?:(site|region)[=/])?(.*)$/.exec(String(given)) ?? [];
  const has = (node: PlaceNode): boolean =>
    kind === "region" ? isWithin(node.region, name) : node.site === name;
  if (nodes.some(has)) return { label: kind === "region" ? `region ${name}` : name, has };
  const known = nodes.flatMap(({ site, region }) => (kind === "region" ? regionsAround(region) : [site]));
  const { detail } = identity.mesh;
  const where = detail === "mesh" ? "" : `; of nodes in other ${detail}s nothing is foreseen here`;
  throw badRequest(
    `${field}: no ${kind} in view is called ${JSON.stringify(name)}; there are ${[...new Set(known)].sort().join(", ")}${where}; give site=NAME or region=NAME`,
  );
}
