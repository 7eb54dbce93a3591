import type { IncomingMessage, ServerResponse } from "node:http";
import { isList, isObject, type Json, type JsonObject } from "../core/kernel/json.ts";
import type { Change } from "../core/intents/contract.ts";
import { missing, wrongType } from "../core/intents/field-problem.ts";
import { kindOf, allKinds } from "../core/intents/kinds/index.ts";
import type { ObjectRef } from "../core/records/keys.ts";
import { demand, demandClass, type User } from "./auth.ts";
import { sortedBy } from "./by-name.ts";
import { sendApplied, writeOptions } from "./durability.ts";
import { healthOf } from "./health.ts";
import { lineOf, nameMissing, nameProblems } from "./field-causes.ts";
import { flagIn, textIn } from "./field-errors.ts";
import { holdsAnswer } from "./holders.ts";
import { readObject } from "./body.ts";
import { conflictsOf, resolve } from "./conflict-routes.ts";
import type { ApiDeps } from "./contract.ts";
import { doctor, hello } from "./doctor-routes.ts";
import { history, undo } from "./history-routes.ts";
import { statusOf } from "./starlight-status.ts";
import { topologyOf } from "./topology.ts";
import { release } from "./release-route.ts";
import { metadataText } from "./resources.ts";
import { badRequest, errorOfWrite, notFound, sendJson } from "./status.ts";
import { timeline } from "./timeline.ts";
import { checkNamespace } from "./write.ts";
import { forecastFor, why, whyNot, type DocumentSet } from "./why.ts";

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
    case "POST release":
      await release(deps, demand(user, "patch", "deployments"), request, response);
      return true;
    case "GET heal-report": {
      demand(user, "get", "healreports");
      const wanted = url.searchParams.get("node");
      const members = view.members().filter(({ member }) => wanted === null || member.name === wanted);
      if (wanted !== null && members.length === 0) throw notFound("nodes", wanted);
      const nodes = sortedBy(members, ({ member }) => member.name).map(({ id, member, factAge }) => ({
        node: member.name,
        site: member.site,
        factAgeMs: factAge === undefined ? null : Math.round(factAge),
        reports: view.heals(id) as unknown as Json,
      }));
      sendJson(response, 200, { seenBy: view.identity.name, nodes });
      return true;
    }
    case "GET health":
      demand(user, "get", "health");
      sendJson(response, 200, healthOf(deps, url.searchParams));
      return true;
    case "GET hello":
      sendJson(response, 200, hello(deps, demand(user, "get", "hello")));
      return true;
    case "GET doctor":
      demand(user, "get", "doctor");
      await doctor(deps, url.searchParams, request, response);
      return true;
    case "GET topology":
      demand(user, "get", "topology");
      sendJson(response, 200, topologyOf(deps));
      return true;
    case "GET why":
      demand(user, "get", "explanations");
      sendJson(response, 200, why(deps, url.searchParams));
      return true;
    case "GET why-not":
      demand(user, "get", "explanations");
      sendJson(response, 200, whyNot(deps, url.searchParams));
      return true;
    case "GET timeline":
      demand(user, "get", "timelines");
      sendJson(response, 200, await timeline(deps, url.searchParams));
      return true;
    case "POST plan":
      sendJson(
        response,
        200,
        await forecastFor(deps, await readSet(deps, demand(user, "get", "explanations"), request)),
      );
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

const setMax = 1_000;

/** A document set, applied whole or not at all. */
async function applySet(
  deps: ApiDeps,
  { searchParams }: URL,
  user: User,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { wait } = writeOptions(searchParams, deps.view);
  const { changes, dryRun } = await readSet(deps, user, request);
  const before = changes.map(({ ref }) => {
    const object = deps.view.object(ref);
    return object?.exists === true ? object.version : undefined;
  });
  const reply = await deps.write(changes, user.name, { dryRun });
  if (!reply.ok) throw errorOfWrite(reply.error);
  const results = changes.map(({ ref }, at) => {
    const now = reply.value.objects.find((object) => JSON.stringify(object.ref) === JSON.stringify(ref));
    const was = before[at];
    return {
      ...ref,
      result: was === undefined ? "created" : now?.version === was ? "unchanged" : "configured",
    };
  });
  await sendApplied(deps, wait, dryRun ? undefined : reply.value, response, results);
}

/** A document set in a request, as changes. */
async function readSet(deps: ApiDeps, user: User, request: IncomingMessage): Promise<DocumentSet> {
  const body = await readObject(request);
  const { objects } = body;
  const [force, dryRun] = [flagIn(body, "force"), flagIn(body, "dryRun")];
  // Taken or refused as it is: see core/intents/manager.ts.
  const name = body["manager"] === undefined ? "starlight" : textIn(body, "manager");
  const managerClass = demandClass(user, name);
  if (!isList(objects) || objects.length === 0 || objects.length > setMax) {
    const must = `a list of 1 to ${setMax} objects`;
    throw badRequest(lineOf(wrongType("objects", objects ?? null, must)));
  }
  const created = new Set(
    objects.flatMap((object) =>
      isObject(object) && object["kind"] === "Namespace" ? [metadataText(object, "name")] : [],
    ),
  );
  const changes = objects.map((object, at): Change => {
    if (!isObject(object)) throw badRequest(lineOf(wrongType(`objects[${at}]`, object, "an object")));
    const ref = refOf(object, at);
    checkNamespace(deps, ref, created);
    return {
      type: "apply",
      ref,
      config: object,
      manager: name,
      class: managerClass,
      force,
    };
  });
  return { changes, dryRun, body };
}

function refOf(object: JsonObject, at: number): ObjectRef {
  const where = `objects[${at}]`;
  const apiVersion = textIn(object, "apiVersion", `${where}.apiVersion`);
  const kindName = textIn(object, "kind", `${where}.kind`);
  if (kindName === "")
    throw badRequest(lineOf(missing(`${where}.kind`, "say what it is, such as ConfigMap")));
  const group = apiVersion.includes("/") ? (apiVersion.split("/")[0] ?? "") : "";
  const kind = kindOf(group, kindName);
  if (kind === undefined || apiVersion !== (group === "" ? kind.version : `${group}/${kind.version}`)) {
    const known = allKinds().map(
      ({ group: of, version, kind: name }) => `${name} (${of === "" ? version : `${of}/${version}`})`,
    );
    const what = JSON.stringify(kindName);
    throw badRequest(
      `${where}.kind: Unsupported value: ${what} of apiVersion ${JSON.stringify(apiVersion)}: supported are ${known.join(", ")}`,
    );
  }
  const name = metadataText(object, "name");
  const named = nameProblems(object);
  const problems = named.length === 0 && name === "" ? [nameMissing(kindName)] : named;
  const lines = problems.map((problem) => lineOf({ ...problem, field: `${where}.${problem.field}` }));
  if (lines.length > 0) throw badRequest(lines.join("; "));
  return {
    group,
    kind: kindName,
    namespace: kind.namespaced ? metadataText(object, "namespace") || "default" : "",
    name,
  };
}
