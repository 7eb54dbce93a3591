import type { IncomingMessage, ServerResponse } from "node:http";
import { isObject, type JsonObject } from "../core/kernel/json.ts";
import { matches, parseSelector } from "../core/intents/selector.ts";
import type { Requirement } from "../core/kernel/labels.ts";
import type { User } from "./auth.ts";
import type { ApiDeps } from "./contract.ts";
import { child, strings } from "./values.ts";
import { apiVersionOf, metadataText, nameOf, type Resource } from "./resources.ts";
import { ApiError, badRequest, notFound, sendJson, statusOf } from "./status.ts";
import { tableOf } from "./tables.ts";
import type { Versions } from "./versions.ts";

/** get, list and watch. */

export type ReadContext = { readonly deps: ApiDeps; readonly versions: Versions };
export type Target = {
  readonly resource: Resource;
  readonly namespace: string;
  readonly name: string;
  readonly query: URLSearchParams;
};

export const isDryRun = ({ query }: Target): boolean => query.get("dryRun") === "All";

/** Answers a request that changes what `target` names, or throws an `ApiError`. */
export type WriteAnswer = (
  context: ReadContext,
  target: Target,
  user: User,
  request: IncomingMessage,
  response: ServerResponse,
) => Promise<void>;

/** Bytes a watcher may leave unread before it is cut off. */
const watchBufferMax = 4 * 1024 * 1024;
/** After each look a watch rests for so many times what it took. */
const restShare = 4;
const restMaxMs = 250;
const bookmarkEveryMs = 60_000;

export function getOne({ deps, versions }: ReadContext, target: Target): JsonObject {
  const found = versioned(target.resource, deps, versions).find(
    (object) => nameOf(object) === target.name && metadataText(object, "namespace") === target.namespace,
  );
  if (found === undefined) throw notFound(resourceName(target.resource), target.name);
  return found;
}

export function answerGet(
  context: ReadContext,
  target: Target,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const object = getOne(context, target);
  const table = tableWanted(request);
  const version = metadataText(object, "resourceVersion");
  const include = target.query.get("includeObject") ?? "Metadata";
  sendJson(
    response,
    200,
    table === undefined ? object : tableOf(target.resource, [object], version, include, table),
  );
}

export function answerList(
  context: ReadContext,
  target: Target,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { resource, query } = target;
  const all = listOf(context, target);
  const limit = Number(query.get("limit") ?? 0);
  const from = Number(query.get("continue") ?? 0) || 0;
  const items = limit > 0 ? all.slice(from, from + limit) : all;
  const rest = all.length - from - items.length;
  const resourceVersion = String(context.versions.current());
  const table = tableWanted(request);
  const metadata = {
    resourceVersion,
    ...(limit > 0 && rest > 0 ? { continue: String(from + items.length), remainingItemCount: rest } : {}),
  };
  if (table !== undefined) {
    const body = tableOf(resource, items, resourceVersion, query.get("includeObject") ?? "Metadata", table);
    return sendJson(response, 200, { ...body, metadata });
  }
  sendJson(response, 200, {
    kind: `${resource.kind}List`,
    apiVersion: apiVersionOf(resource),
    metadata,
    items,
  });
}

/** Streams changes, one JSON line each, from what the client already has. */
export function answerWatch(
  context: ReadContext,
  target: Target,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { versions } = context;
  const { resource, query } = target;
  const table = tableWanted(request);
  const include = query.get("includeObject") ?? "Metadata";
  const from = Number(query.get("resourceVersion") ?? 0) || 0;
  response.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" });
  // A quiet watch must look open, not like a server that does not answer.
  response.flushHeaders();
  const send = (type: string, object: JsonObject): void => {
    const version = metadataText(object, "resourceVersion");
    const shown =
      table === undefined || type === "BOOKMARK" || type === "ERROR"
        ? object
        : tableOf(resource, [object], version, include, table);
    response.write(`${JSON.stringify({ type, object: shown })}\n`);
  };
  if (from !== 0 && (from < versions.oldest || from > versions.current())) {
    send(
      "ERROR",
      statusOf(
        new ApiError(
          410,
          "Expired",
          `resource version ${from} is not from this node's present life: list again`,
        ),
      ),
    );
    response.end();
    return;
  }
  const known = new Map<string, { version: string; object: JsonObject }>();
  const sendInitial = from === 0 || query.get("sendInitialEvents") === "true";
  const update = (first: boolean): void => {
    if (response.writableLength > watchBufferMax) {
      response.destroy();
      return;
    }
    const present = new Set<string>();
    for (const object of listOf(context, target)) {
      const key = `${metadataText(object, "namespace")}/${nameOf(object)}`;
      const version = metadataText(object, "resourceVersion");
      const held = known.get(key);
      present.add(key);
      known.set(key, { version, object });
      if (held?.version === version) continue;
      if (first && !sendInitial && Number(version) <= from) continue;
      send(held === undefined ? "ADDED" : "MODIFIED", object);
    }
    for (const [key, { object }] of known) {
      if (present.has(key)) continue;
      known.delete(key);
      send("DELETED", object);
    }
  };
  const bookmark = (annotations: JsonObject = {}): void =>
    send("BOOKMARK", {
      kind: resource.kind,
      apiVersion: apiVersionOf(resource),
      metadata: {
        resourceVersion: String(versions.current()),
        ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
      },
    });
  // A watch looks at everything again: a burst of changes is told in as few steps as they take long.
  let restUntil = 0;
  let waiting: NodeJS.Timeout | undefined;
  const updateSoon = (): void => {
    if (waiting !== undefined) return;
    waiting = setTimeout(
      () => {
        waiting = undefined;
        const from = performance.now();
        update(false);
        const now = performance.now();
        restUntil = now + Math.min(restMaxMs, restShare * (now - from));
      },
      Math.max(0, restUntil - performance.now()),
    );
  };
  update(true);
  if (query.get("sendInitialEvents") === "true") bookmark({ "k8s.io/initial-events-end": "true" });
  const unsubscribe = versions.subscribe(updateSoon);
  const timer = setInterval(() => bookmark(), bookmarkEveryMs);
  const timeout = Number(query.get("timeoutSeconds") ?? 0);
  const end = timeout > 0 ? setTimeout(() => response.end(), timeout * 1000) : undefined;
  response.on("close", () => {
    unsubscribe();
    clearInterval(timer);
    clearTimeout(end);
    clearTimeout(waiting);
  });
}

function listOf({ deps, versions }: ReadContext, { resource, namespace, name, query }: Target): JsonObject[] {
  const labels = parseSelector(query.get("labelSelector") ?? "");
  if (!labels.ok) throw badRequest(`labelSelector: ${labels.error}`);
  const fields = fieldRequirements(query.get("fieldSelector") ?? "");
  return versioned(resource, deps, versions)
    .filter((object) => namespace === "" || metadataText(object, "namespace") === namespace)
    .filter((object) => name === "" || nameOf(object) === name)
    .filter((object) => labels.value.length === 0 || matchesLabels(object, labels.value))
    .filter((object) => fields.every((holds) => holds(object)))
    .sort((left, right) => (sortKey(left) < sortKey(right) ? -1 : 1));
}

function versioned(resource: Resource, deps: ApiDeps, versions: Versions): JsonObject[] {
  return resource.list(deps).map((object) => {
    const metadata = child(object, "metadata");
    const key = `${metadataText(object, "namespace")}/${nameOf(object)}`;
    return { ...object, metadata: { ...metadata, resourceVersion: String(versions.of(resource.kind, key)) } };
  });
}

function matchesLabels(object: JsonObject, selector: readonly Requirement[]): boolean {
  return matches(selector, strings(child(child(object, "metadata"), "labels")));
}

/** `a.b=c`, `a.b==c`, `a.b!=c`, joined by commas. */
function fieldRequirements(text: string): ((object: JsonObject) => boolean)[] {
  return text
    .split(",")
    .filter(Boolean)
    .map((part) => {
      const match = /^([\w.]+)(==|=|!=)(.*)$/.exec(part);
      if (match === null) throw badRequest(`fieldSelector: cannot read ${JSON.stringify(part)}`);
      const [, path = "", sign, value] = match;
      return (object) => {
        let found: unknown = object;
        for (const step of path.split("."))
          found = isObject(found as JsonObject) ? (found as JsonObject)[step] : undefined;
        return (String(found ?? "") === value) === (sign !== "!=");
      };
    });
}

/** The Table version a client asks for; undefined when it wants plain objects. */
function tableWanted(request: IncomingMessage): "v1" | "v1beta1" | undefined {
  const accept = request.headers.accept ?? "";
  if (!accept.includes("as=Table")) return undefined;
  return /as=Table;v=v1;/.test(`${accept};`) ? "v1" : "v1beta1";
}

export const resourceName = ({ plural, group }: Resource): string =>
  group === "" ? plural : `${plural}.${group}`;
const sortKey = (object: JsonObject): string => `${metadataText(object, "namespace")}/${nameOf(object)}`;
