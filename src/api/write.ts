import type { IncomingMessage, ServerResponse } from "node:http";
import { isObject, type Json, type JsonObject } from "../core/kernel/json.ts";
import { err, ok, type Result } from "../core/kernel/result.ts";
import type { Change, FieldProblem, ManagerClass, MergedObject } from "../core/intents/contract.ts";
import { missing, shortJson, wrongType } from "../core/intents/field-problem.ts";
import { kindOf } from "../core/intents/kinds/index.ts";
import { jsonPatch, mergePatch, strategicMergePatch } from "../core/intents/patch.ts";
import type { ObjectRef } from "../core/records/keys.ts";
import { demandClass, type User } from "./auth.ts";
import { readObject, readValue } from "./body.ts";
import type { ApiDeps } from "./contract.ts";
import { sendWritten, writeOptions } from "./durability.ts";
import { lineOf, nameMissing, nameProblems } from "./field-causes.ts";
import { child } from "./values.ts";
import { getOne, isDryRun, resourceName, type ReadContext, type Target, type WriteAnswer } from "./read.ts";
import { apiVersionOf, implicitNamespaces, metadataText } from "./resources.ts";
import { ApiError, badRequest, errorOfWrite, notFound } from "./status.ts";

/** create, update, patch, delete: everything ends in one change handed to the core. */

export const answerCreate: WriteAnswer = async (context, target, user, request, response) => {
  const value = await readObject(request);
  const name = nameOfNew(target, value);
  const ref = refOf(target, name, value);
  checkNamespace(context.deps, ref);
  const change: Change = {
    type: "update",
    ref,
    value: stripped(value),
    ...managerOf(target, user, request),
    mode: "create",
  };
  await submit(context, { ...target, name }, change, user, response, 201);
};

function nameOfNew({ resource, namespace }: Target, value: JsonObject): string {
  const { group, kind } = resource;
  const ref = { group, kind, namespace, name: "" };
  demandNames(ref, value);
  const name = metadataText(value, "name");
  if (name === "") throw errorOfWrite({ type: "invalid", ref, problems: [nameMissing(kind)] });
  return name;
}

export const answerReplace: WriteAnswer = async (context, target, user, request, response) => {
  const value = await readObject(request);
  checkVersion(context, target, metadataText(value, "resourceVersion"));
  const ref = refOf(target, target.name, value);
  const change: Change = {
    type: "update",
    ref,
    value: stripped(writable(value)),
    ...managerOf(target, user, request),
    mode: "upsert",
  };
  await submit(context, target, change, user, response, 200);
};

export const answerPatch: WriteAnswer = async (context, target, user, request, response) => {
  const type = (request.headers["content-type"] ?? "").split(";")[0] ?? "";
  const manager = managerOf(target, user, request);
  if (type === "application/apply-patch+yaml") {
    const config = await readObject(request);
    const ref = refOf(target, target.name, config);
    checkNamespace(context.deps, ref);
    const force = target.query.get("force") === "true";
    const exists = context.deps.view.object(ref)?.exists === true;
    const change: Change = { type: "apply", ref, config: stripped(config), ...manager, force };
    return submit(context, target, change, user, response, exists ? 200 : 201);
  }
  const patch = await readValue(request);
  const current = rawOf(context, target);
  const value = patched(target, type, current, patch);
  checkVersion(context, target, metadataText(value, "resourceVersion"));
  const ref = refOf(target, target.name, value);
  await submit(
    context,
    target,
    { type: "update", ref, value: stripped(value), ...manager, mode: "upsert" },
    user,
    response,
    200,
  );
};

export const answerDelete: WriteAnswer = async (context, target, user, request, response) => {
  const object = getOne(context, target);
  const ref = refOf(target, target.name, undefined);
  if (ref.kind === "Namespace" && implicitNamespaces.some((name) => name === ref.name)) {
    throw new ApiError(403, "Forbidden", `namespace ${ref.name} is always there`);
  }
  if (ref.kind === "Job" && context.deps.view.entries(ref).length === 0) {
    const message = `job ${ref.name} is made by a CronJob: delete or suspend that instead`;
    throw new ApiError(405, "MethodNotAllowed", message);
  }
  const change: Change = { type: "delete", ref, ...managerOf(target, user, request) };
  const details = {
    name: target.name,
    group: ref.group,
    kind: target.resource.plural,
    uid: metadataText(object, "uid"),
  };
  const status = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details };
  await submit(context, target, change, user, response, 200, () => status);
};

/** `deployments/NAME/scale` in the form of autoscaling/v1. */
export function scaleOf(object: JsonObject): JsonObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = child(object, "metadata");
  const labels = child(child(child(object, "spec"), "selector"), "matchLabels");
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: {
      name: name ?? "",
      namespace: namespace ?? "",
      uid: uid ?? "",
      resourceVersion: resourceVersion ?? "",
      creationTimestamp: creationTimestamp ?? "",
    },
    spec: { replicas: child(object, "spec")["replicas"] ?? 1 },
    status: {
      replicas: child(object, "status")["replicas"] ?? 0,
      selector: Object.entries(labels)
        .map(([key, value]) => `${key}=${String(value)}`)
        .join(","),
    },
  };
}

export const answerScale: WriteAnswer = async (context, target, user, request, response) => {
  const current = getOne(context, target);
  const body = await readValue(request);
  const merged = request.method === "PUT" ? body : mergePatch(scaleOf(current), body);
  const replicas = isObject(merged) ? child(merged, "spec")["replicas"] : undefined;
  const ref = refOf(target, target.name, undefined);
  if (typeof replicas !== "number") {
    const what =
      replicas === undefined || replicas === null
        ? missing("spec.replicas", "give the number of copies")
        : wrongType("spec.replicas", replicas, "an integer");
    throw errorOfWrite({ type: "invalid", ref, problems: [what] });
  }
  const value = rawOf(context, target);
  const next = { ...value, spec: { ...child(value, "spec"), replicas } };
  const change: Change = {
    type: "update",
    ref,
    value: next,
    ...managerOf(target, user, request),
    mode: "upsert",
  };
  const shown = (): JsonObject => scaleOf(getOne(context, target));
  await submit(context, target, change, user, response, 200, shown);
};

/** Writes the change and answers with `shown`: the object, unless somebody wants something else. */
async function submit(
  context: ReadContext,
  target: Target,
  change: Change,
  user: User,
  response: ServerResponse,
  code: number,
  shown = (planned: MergedObject | undefined): JsonObject => planned?.value ?? getOne(context, target),
): Promise<void> {
  const options = writeOptions(target.query, context.deps.view);
  const dryRun = isDryRun(target);
  const reply = await context.deps.write([change], user.name, { dryRun });
  if (!reply.ok) throw errorOfWrite(reply.error);
  const answer = shown(dryRun ? reply.value.objects[0] : undefined);
  await sendWritten(context.deps, options, dryRun ? undefined : reply.value, response, code, answer);
}

function patched(target: Target, type: string, current: JsonObject, patch: Json): JsonObject {
  const kind = kindOf(target.resource.group, target.resource.kind);
  const notObject = err([wrongType("patch", patch, "an object")]);
  const outcome = ((): Result<Json, readonly FieldProblem[]> => {
    if (type === "application/merge-patch+json")
      return isObject(patch) ? ok(mergePatch(current, patch)) : notObject;
    if (type === "application/strategic-merge-patch+json" && kind !== undefined)
      return isObject(patch) ? strategicMergePatch(kind.schema, current, patch) : notObject;
    if (type === "application/json-patch+json") return jsonPatch(current, patch);
    throw new ApiError(415, "UnsupportedMediaType", `patch type ${type} is not supported`);
  })();
  if (!outcome.ok) {
    const { group, kind: kindName } = target.resource;
    const ref = { group, kind: kindName, namespace: target.namespace, name: target.name };
    throw errorOfWrite({ type: "invalid", ref, problems: outcome.error });
  }
  if (!isObject(outcome.value)) throw badRequest("the patch leaves no object");
  return outcome.value;
}

/** The object as people wrote it, without defaults and status: what a patch is made on. */
function rawOf(context: ReadContext, target: Target): JsonObject {
  const shown = getOne(context, target);
  const object = context.deps.view.object(refOf(target, target.name, undefined));
  const { resourceVersion } = child(shown, "metadata");
  const written: JsonObject =
    object?.exists === true
      ? object.value
      : {
          apiVersion: apiVersionOf(target.resource),
          kind: target.resource.kind,
          metadata: { name: target.name },
        };
  return { ...written, metadata: { ...child(written, "metadata"), resourceVersion: resourceVersion ?? "" } };
}

/** What people may write back of a whole node: its own fields are not theirs. */
function writable(object: JsonObject): JsonObject {
  if (object["kind"] !== "Node") return object;
  const metadata = child(object, "metadata");
  const own = Object.fromEntries(
    Object.entries(child(metadata, "labels")).filter(
      ([name]) => !/^(kubernetes\.io|topology\.kubernetes\.io)\/|^starlight\.dev\/tier$/.test(name),
    ),
  );
  const annotations = Object.fromEntries(
    Object.entries(child(metadata, "annotations")).filter(([name]) => !nodesOwnAnnotations.has(name)),
  );
  const spec = child(object, "spec");
  const taints = Array.isArray(spec["taints"]) ? (spec["taints"] as readonly JsonObject[]) : [];
  const kept = taints.filter(({ key }) => key !== "node.kubernetes.io/unschedulable");
  return {
    ...object,
    metadata: { ...metadata, labels: own, annotations },
    spec: { ...spec, ...(taints.length > 0 ? { taints: kept } : {}) },
  };
}

/** What present-node.ts adds. */
const nodesOwnAnnotations: ReadonlySet<string> = new Set(
  ["verdict", "seen-by", "uplink", "battery-percent"].map((name) => `starlight.dev/${name}`),
);

/** The status is what the nodes say, never what a client sends. */
function stripped(value: JsonObject): JsonObject {
  const { status: _status, ...rest } = value;
  return rest;
}

function checkVersion(context: ReadContext, target: Target, wanted: string): void {
  if (wanted === "") return;
  const held = metadataText(getOne(context, target), "resourceVersion");
  if (held === wanted) return;
  const message = `Operation cannot be fulfilled on ${resourceName(target.resource)} "${target.name}": the object has been modified; please apply your changes to the latest version and try again`;
  throw new ApiError(409, "Conflict", message, { name: target.name, kind: target.resource.plural });
}

/** Throws where an object's namespace neither exists nor is `created` with it. */
export function checkNamespace(
  { view }: ApiDeps,
  { namespace }: ObjectRef,
  created: ReadonlySet<string> = new Set(),
): void {
  if (namespace === "" || created.has(namespace) || implicitNamespaces.some((name) => name === namespace))
    return;
  const object = view.object({ group: "", kind: "Namespace", namespace: "", name: namespace });
  if (object?.exists !== true) throw notFound("namespaces", namespace);
}

function refOf({ resource, namespace }: Target, name: string, value: JsonObject | undefined): ObjectRef {
  const ref = { group: resource.group, kind: resource.kind, namespace, name };
  if (value === undefined) return ref;
  demandNames(ref, value);
  const { kind, apiVersion } = value;
  const differ: readonly (readonly [string, Json | undefined, string, string])[] = [
    ["metadata.name", metadataText(value, "name") || undefined, "says", name],
    ["metadata.namespace", metadataText(value, "namespace") || undefined, "says", namespace],
    ["kind", kind, "is for", resource.kind],
    ["apiVersion", apiVersion, "is for", apiVersionOf(resource)],
  ];
  const problems = differ.flatMap(([field, given, says, wanted]) => {
    const problem = `the path ${says} ${JSON.stringify(wanted)}`;
    const fix = "write that, or leave it out";
    return given === undefined || given === wanted ? [] : [{ field, value: shortJson(given), problem, fix }];
  });
  if (problems.length > 0) throw badRequest(problems.map(lineOf).join("; "));
  return ref;
}

/** Throws where what says which object it is has the wrong type. */
export function demandNames(ref: ObjectRef, value: JsonObject): void {
  const problems = nameProblems(value);
  if (problems.length > 0) throw errorOfWrite({ type: "invalid", ref, problems });
}

/**
 * Who manages the fields: as asked, else the first word of the client's name, as in Kubernetes. What was
 * asked for is taken or refused as it is (core/intents/manager.ts); a client's name is made to fit, and is
 * never of a class above users.
 */
function managerOf(
  { query }: Target,
  user: User,
  request: IncomingMessage,
): { manager: string; class: ManagerClass } {
  const agent = (request.headers["user-agent"] ?? "").split(/[/ ]/)[0] || "unknown";
  const fitting = agent.replaceAll(/[^\x21-\x7e]|:/g, "_").slice(0, 128);
  const manager = query.get("fieldManager") || fitting;
  return { manager, class: demandClass(user, manager) };
}
