import type { IncomingMessage, ServerResponse } from "node:http";
import { isList, isObject, type Json, type JsonObject } from "../core/kernel/json.ts";
import type { Change } from "../core/intents/contract.ts";
import { kindOf, allKinds } from "../core/intents/kinds/index.ts";
import type { ObjectRef } from "../core/records/keys.ts";
import { demand, type User } from "./auth.ts";
import { sendApplied, writeOptions } from "./durability.ts";
import { reasonsOf, whyNode } from "./evidence.ts";
import { holdsAnswer } from "./holders.ts";
import { readObject } from "./body.ts";
import { conflictsOf, resolve } from "./conflict-routes.ts";
import type { ApiDeps } from "./contract.ts";
import { history, undo } from "./history-routes.ts";
import { implicitNamespaces, metadataText } from "./resources.ts";
import { badRequest, errorOfWrite, notFound, sendJson } from "./status.ts";

/** What Kubernetes has no words for, under `/starlight/v1/`. */
export async function starlightRoute(
  deps: ApiDeps,
  url: URL,
  user: User | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  const { view } = deps;
  const route = `${request.method ?? ""} ${url.pathname.replace("/starlight/v1/", "")}`;
  switch (route) {
    case "GET status":
      demand(user, "get", "status");
      sendJson(response, 200, statusOf(deps));
      return true;
    case "GET conflicts":
      demand(user, "list", "conflicts");
      sendJson(response, 200, { conflicts: conflictsOf(deps) });
      return true;
    case "POST resolve":
      await resolve(deps, demand(user, "patch", "conflicts"), request, response);
      return true;
    case "GET history":
      demand(user, "get", "history");
      sendJson(response, 200, history(deps, url.searchParams));
      return true;
    case "POST undo":
      await undo(deps, demand(user, "patch", "history"), request, response);
      return true;
    case "GET heal-report": {
      demand(user, "get", "healreports");
      const wanted = url.searchParams.get("node");
      const members = view.members().filter(({ member }) => wanted === null || member.name === wanted);
      if (wanted !== null && members.length === 0) throw notFound("nodes", wanted);
      const nodes = members.map(({ id, member, factAge }) => ({
        node: member.name,
        site: member.site,
        factAgeMs: factAge === undefined ? null : Math.round(factAge),
        reports: view.heals(id) as unknown as Json,
      }));
      sendJson(response, 200, { seenBy: view.identity.name, nodes });
      return true;
    }
    case "GET why":
      demand(user, "get", "explanations");
      sendJson(response, 200, why(deps, url.searchParams));
      return true;
    case "GET holds":
      demand(user, "get", "holds");
      sendJson(response, 200, holdsAnswer(deps, url.searchParams));
      return true;
    case "POST apply":
      await applySet(deps, url, demand(user, "patch", "deployments"), request, response);
      return true;
    default:
      return false;
  }
}

function statusOf({ view, version, bytesWritten }: ApiDeps): JsonObject {
  const members = view.members();
  const island = new Set(view.island());
  const bySite = new Map<string, typeof members>();
  for (const member of members)
    bySite.set(member.member.site, [...(bySite.get(member.member.site) ?? []), member]);
  const sites = [...bySite].sort().map(([name, inside]) => {
    const ages = inside.flatMap(({ factAge }) => (factAge === undefined ? [] : [Math.round(factAge)]));
    return {
      name,
      region: inside[0]?.member.region ?? "",
      nodes: inside.length,
      inView: inside.filter(({ id }) => island.has(id)).length,
      freshestMs: ages.length === 0 ? null : Math.min(...ages),
      oldestMs: ages.length === 0 ? null : Math.max(...ages),
    };
  });
  const { name, site, region, mesh, id } = view.identity;
  const { today, total } = bytesWritten();
  return {
    speaking: { node: name, id, site, region, mesh: mesh.name, meshId: mesh.id, version },
    island: {
      nodes: island.size,
      of: members.length,
      sites: sites.filter(({ inView }) => inView > 0).length,
      ofSites: sites.length,
    },
    sites,
    nodes: members.map((member) => ({
      name: member.member.name,
      id: member.id,
      site: member.member.site,
      region: member.member.region,
      self: member.self,
      verdict: member.evidence.verdict,
      roundTripMs:
        member.evidence.roundTrip === undefined ? null : Math.round(member.evidence.roundTrip * 10) / 10,
      factAgeMs: member.factAge === undefined ? null : Math.round(member.factAge),
      reasons: reasonsOf(member, view),
    })),
    records: view.records(),
    storage: { bytesWrittenToday: today, bytesWritten: total },
    uplink: view.uplink(),
    stateHash: view.stateHash(),
    conflicts: view.conflicts().length,
    pods: {
      total: view.pods().length,
      ready: view.pods().filter(({ body, current }) => body.ready && current).length,
    },
  };
}

function why(deps: ApiDeps, query: URLSearchParams): JsonObject {
  const kind = query.get("kind") ?? "Deployment";
  const name = query.get("name") ?? "";
  const namespace = query.get("namespace") ?? "default";
  if (kind === "Node") {
    const member = deps.view.members().find((candidate) => candidate.member.name === name);
    if (member === undefined) throw notFound("nodes", name);
    return whyNode(member, deps.view, deps.env().now);
  }
  const ref: ObjectRef = { group: "apps", kind, namespace, name };
  if (deps.view.object(ref)?.exists !== true) throw notFound(kind.toLowerCase(), name);
  const slots = deps.view.explain(ref, deps.env()) as unknown as Json;
  const pods = new Map(deps.view.pods().map((pod) => [pod.uid, pod.body.name] as const));
  return { kind, namespace, name, seenBy: deps.view.identity.name, slots: withPodNames(slots, pods) };
}

function withPodNames(slots: Json, names: ReadonlyMap<string, string>): Json {
  if (!isList(slots)) return slots;
  return slots.map((slot) => {
    if (!isObject(slot) || !isList(slot["heldBy"])) return slot;
    const heldBy = slot["heldBy"].map((holder) =>
      isObject(holder) ? { ...holder, pod: names.get(String(holder["uid"])) ?? "" } : holder,
    );
    return { ...slot, heldBy };
  });
}

const setMax = 1_000;

/** A document set, applied whole or not at all. */
async function applySet(
  deps: ApiDeps,
  { searchParams }: URL,
  user: User,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { wait } = writeOptions(searchParams);
  const body = await readObject(request);
  const { objects, manager, force, dryRun } = body;
  if (!isList(objects) || objects.length === 0 || objects.length > setMax) {
    throw badRequest(`objects: give a list of 1 to ${setMax} objects`);
  }
  const created = new Set(
    objects.flatMap((object) =>
      isObject(object) && object["kind"] === "Namespace" ? [metadataText(object, "name")] : [],
    ),
  );
  const changes = objects.map((object, at): Change => {
    if (!isObject(object)) throw badRequest(`objects[${at}] is not an object`);
    const ref = refOf(object, at);
    checkNamespace(deps, ref, created);
    return {
      type: "apply",
      ref,
      config: object,
      manager: managerNamed(manager),
      class: "user",
      force: force === true,
    };
  });
  const before = changes.map(({ ref }) => {
    const object = deps.view.object(ref);
    return object?.exists === true ? object.version : undefined;
  });
  const reply = await deps.write(changes, user.name, { dryRun: dryRun === true });
  if (!reply.ok) throw errorOfWrite(reply.error);
  const results = changes.map(({ ref }, at) => {
    const now = reply.value.objects.find((object) => JSON.stringify(object.ref) === JSON.stringify(ref));
    const was = before[at];
    return {
      ...ref,
      result: was === undefined ? "created" : now?.version === was ? "unchanged" : "configured",
    };
  });
  await sendApplied(deps, wait, dryRun === true ? undefined : reply.value, response, results);
}

/** Taken or refused as it is: see core/intents/manager.ts. */
function managerNamed(manager: Json | undefined): string {
  if (manager === undefined) return "starlight";
  if (typeof manager !== "string") throw badRequest("manager: give a name, such as starlight");
  return manager;
}

function refOf(object: JsonObject, at: number): ObjectRef {
  const apiVersion = String(object["apiVersion"] ?? "");
  const kindName = String(object["kind"] ?? "");
  const group = apiVersion.includes("/") ? (apiVersion.split("/")[0] ?? "") : "";
  const kind = kindOf(group, kindName);
  if (kind === undefined || apiVersion !== (group === "" ? kind.version : `${group}/${kind.version}`)) {
    const known = allKinds().map(
      ({ group: of, version, kind: name }) => `${name} (${of === "" ? version : `${of}/${version}`})`,
    );
    throw badRequest(
      `objects[${at}]: ${apiVersion} ${kindName} is not supported; supported are ${known.join(", ")}`,
    );
  }
  const name = metadataText(object, "name");
  if (name === "") throw badRequest(`objects[${at}]: metadata.name is missing: give the ${kindName} a name`);
  return {
    group,
    kind: kindName,
    namespace: kind.namespaced ? metadataText(object, "namespace") || "default" : "",
    name,
  };
}

function checkNamespace({ view }: ApiDeps, { namespace }: ObjectRef, created: ReadonlySet<string>): void {
  if (namespace === "" || created.has(namespace) || implicitNamespaces.some((name) => name === namespace))
    return;
  const object = view.object({ group: "", kind: "Namespace", namespace: "", name: namespace });
  if (object?.exists !== true) throw notFound("namespaces", namespace);
}
