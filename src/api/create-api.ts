import type { IncomingMessage, ServerResponse } from "node:http";
import type { JsonObject } from "../core/kernel/json.ts";
import type { Client } from "../ports/http.ts";
import { demand, isAllowed, userOf, type User, type Verb } from "./auth.ts";
import { readObject } from "./body.ts";
import type { ApiDeps, CreateApi } from "./contract.ts";
import { answerFence, fencePath } from "./fence.ts";
import { discovery, openApi } from "./discovery.ts";
import { child, timeOf } from "./values.ts";
import { answerEviction, answerPodDelete } from "./evict.ts";
import { answerLogs, proxyPod, proxyService } from "./proxy.ts";
import { answerGet, answerList, answerWatch, getOne, type ReadContext, type Target } from "./read.ts";
import { findResource, type Resource } from "./resources.ts";
import { starlightRoute } from "./starlight-routes.ts";
import { ApiError, badRequest, sendError, sendJson } from "./status.ts";
import { createVersions } from "./versions.ts";
import { answerCreate, answerDelete, answerPatch, answerReplace, answerScale, scaleOf } from "./write.ts";

/** The Kubernetes-shaped API of a node, from its own view. */
export const createApi: CreateApi = (deps) => {
  const context: ReadContext = { deps, versions: createVersions(deps) };
  return (request, response, client) => {
    answer(context, request, response, client).catch((error: unknown) =>
      sendError(response, outOfDate(error, client, deps) ?? error),
    );
  };
};

/** Who gave a certificate is not asked for one: it has expired, or this machine's clock is wrong. */
function outOfDate(error: unknown, client: Client, { view }: ApiDeps): ApiError | undefined {
  if (!(error instanceof ApiError) || error.code !== 401) return undefined;
  if (client.type !== "anonymous" || client.outOfDate !== true) return undefined;
  const [here, told] = [Date.now(), view.clocks().wall].map(timeOf);
  const fix =
    here?.slice(0, 10) === told?.slice(0, 10)
      ? "make a new one with `starlight kubeconfig` on a machine that admits others"
      : `set the clock, the peers say ${told}`;
  const message = `the client certificate is not valid by this machine's clock, which says ${here}: ${fix}`;
  return new ApiError(401, "Unauthorized", message);
}

const openPaths = new Set(["/healthz", "/livez", "/readyz"]);

async function answer(
  context: ReadContext,
  request: IncomingMessage,
  response: ServerResponse,
  client: Client,
): Promise<void> {
  const { deps } = context;
  const url = urlOf(request);
  const { pathname } = url;
  if (openPaths.has(pathname)) {
    response.writeHead(200, { "content-type": "text/plain" });
    response.end("ok");
    return;
  }
  if (pathname === "/version") return sendJson(response, 200, versionOf(deps.version));
  if (pathname.startsWith(fencePath)) return answerFence(deps, pathname, request, response);
  const user = userOf(request, client, deps);
  if (pathname.startsWith("/starlight/v1/")) {
    if (await starlightRoute(deps, url, user, request, response)) return;
    throw noRoute(request);
  }
  if (user === undefined) demand(user, "get", pathname);
  const document = discovery(pathname, request.headers.accept ?? "") ?? openApiAnswer(pathname);
  if (document !== undefined) {
    return sendJson(
      response,
      200,
      document.body,
      document.type === undefined ? {} : { "content-type": document.type },
    );
  }
  if (pathname === "/openapi/v2") {
    // kubectl only looks whether it parses: an empty document in its protobuf form.
    response.writeHead(200, { "content-type": "application/com.github.proto-openapi.spec.v2.v1.0+protobuf" });
    response.end(Buffer.from("0a03322e30", "hex"));
    return;
  }
  if (pathname.startsWith("/apis/authorization.k8s.io/v1/")) return review(user, pathname, request, response);
  await resourceRoute(context, url, user, request, response);
}

function urlOf(request: IncomingMessage): URL {
  const path = request.url ?? "/";
  if (!URL.canParse(path, "https://node")) throw badRequest("the path is not one of a URL");
  return new URL(path, "https://node");
}

function openApiAnswer(pathname: string): { body: JsonObject; type?: string } | undefined {
  const body = openApi(pathname);
  return body === undefined ? undefined : { body };
}

type Path = {
  readonly resource: Resource;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
  readonly rest: string;
};

async function resourceRoute(
  context: ReadContext,
  url: URL,
  user: User | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = readPath(url.pathname);
  if (path === undefined) throw noRoute(request);
  const { resource, namespace, name, subresource } = path;
  const target: Target = { resource, namespace, name, query: url.searchParams };
  const method = request.method ?? "GET";
  const called = subresource === "" ? resource.plural : `${resource.plural}/${subresource}`;
  const verb = verbOf(method, target, subresource);
  const known = demand(user, verb, called);
  if (subresource === "proxy") {
    const proxied = `${path.rest}${url.search}`;
    const pass =
      resource.plural === "services" ? proxyService : resource.plural === "pods" ? proxyPod : undefined;
    if (pass === undefined) throw noRoute(request);
    return pass(context.deps, namespace, name, proxied, request, response);
  }
  if (subresource === "log" && resource.plural === "pods" && method === "GET") {
    return answerLogs(context.deps, namespace, name, url.searchParams, request, response);
  }
  if (subresource === "eviction" && resource.plural === "pods" && method === "POST") {
    return answerEviction(context, target, known, request, response);
  }
  if (subresource === "scale" && isScalable(resource)) {
    if (method === "GET") return sendJson(response, 200, scaleOf(getOne(context, target)));
    return answerScale(context, target, known, request, response);
  }
  if (subresource !== "") throw noRoute(request);
  if (!resource.verbs.includes(verb)) {
    throw new ApiError(
      405,
      "MethodNotAllowed",
      `${resource.plural} cannot be changed with ${verb}: ${adviceFor(resource, verb)}`,
    );
  }
  switch (verb) {
    case "watch":
      return answerWatch(context, target, request, response);
    case "list":
      return answerList(context, target, request, response);
    case "get":
      return answerGet(context, target, request, response);
    case "create":
      return answerCreate(context, target, known, request, response);
    case "update":
      return answerReplace(context, target, known, request, response);
    case "patch":
      return answerPatch(context, target, known, request, response);
    case "delete":
      if (resource.kind === "Pod") return answerPodDelete(context, target, known, request, response);
      return answerDelete(context, target, known, request, response);
    default:
      throw new ApiError(405, "MethodNotAllowed", `${verb} is not supported for ${resource.plural}`);
  }
}

const isScalable = ({ plural }: Resource): boolean => plural === "deployments" || plural === "statefulsets";

/** `/api/v1[/namespaces/NS]/PLURAL[/NAME[/SUBRESOURCE[/REST]]]`, and the same under `/apis/GROUP/VERSION`. */
function readPath(pathname: string): Path | undefined {
  const parts = pathname.split("/").slice(1).map(decoded);
  const core = parts[0] === "api";
  if (!core && parts[0] !== "apis") return undefined;
  const group = core ? "" : (parts[1] ?? "");
  const version = parts[core ? 1 : 2] ?? "";
  const after = parts.slice(core ? 2 : 3);
  const inNamespace = after[0] === "namespaces" && after.length > 2 && after[2] !== "";
  const namespace = inNamespace ? (after[1] ?? "") : "";
  const [plural = "", name = "", subresource = "", ...rest] = inNamespace ? after.slice(2) : after;
  const resource = findResource(group, version, plural);
  if (resource === undefined) return undefined;
  return { resource, namespace, name, subresource, rest: `/${rest.join("/")}` };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw badRequest(`${part} in the path is not percent-encoded text`);
  }
}

function verbOf(method: string, { name, query }: Target, subresource: string): Verb {
  if (subresource === "proxy") return "proxy";
  switch (method) {
    case "GET":
      if (query.get("watch") === "true" || query.get("watch") === "1") return "watch";
      return name === "" ? "list" : "get";
    case "POST":
      return "create";
    case "PUT":
      return "update";
    case "PATCH":
      return "patch";
    case "DELETE":
      return name === "" ? "deletecollection" : "delete";
    default:
      throw new ApiError(405, "MethodNotAllowed", `${method} is not supported`);
  }
}

function adviceFor({ kind, verbs }: Resource, verb: Verb): string {
  if (verb === "deletecollection" && verbs.includes("delete")) return "delete its objects one by one";
  if (kind === "Pod") return "a pod belongs to its node; change or scale its workload instead";
  if (kind === "Node") return "nodes come with `starlight join` and go with `starlight leave`";
  return "it is computed from other objects";
}

/** `kubectl auth can-i`. */
async function review(
  user: User | undefined,
  pathname: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const asked = demandKnown(user);
  const body = await readObject(request);
  const kind = pathname.split("/").at(-1) ?? "";
  if (kind === "selfsubjectaccessreviews") {
    const { verb, resource } = child(child(body, "spec"), "resourceAttributes");
    const allowed = isAllowed(asked, String(verb ?? "get") as Verb, String(resource ?? ""));
    return sendJson(response, 201, {
      ...body,
      kind: "SelfSubjectAccessReview",
      apiVersion: "authorization.k8s.io/v1",
      status: { allowed },
    });
  }
  const every = ["get", "list", "watch", "create", "update", "patch", "delete"] as const;
  const all = isAllowed(asked, "deletecollection", "*");
  const verbs = all ? ["*"] : every.filter((verb) => isAllowed(asked, verb, "*"));
  const rules = [{ verbs, apiGroups: ["*"], resources: ["*"] }];
  sendJson(response, 201, {
    ...body,
    status: { incomplete: false, resourceRules: rules, nonResourceRules: [] },
  });
}

function demandKnown(user: User | undefined): User {
  return user ?? demand(user, "get", "selfsubjectreviews");
}

function versionOf(version: string): JsonObject {
  return {
    major: "1",
    minor: "35",
    gitVersion: `v1.35.0+starlight.${version}`,
    gitCommit: "",
    gitTreeState: "clean",
    buildDate: "1970-01-01T00:00:00Z",
    goVersion: "",
    compiler: "",
    platform: `${process.platform}/${process.arch}`,
  };
}

function noRoute(request: IncomingMessage): ApiError {
  return new ApiError(
    404,
    "NotFound",
    `the server could not find the requested resource (${request.method ?? ""} ${request.url ?? ""})`,
  );
}
