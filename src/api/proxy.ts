import { request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { PodView } from "../core/node/contract.ts";
import { regionsAround, regionsShared, type Place } from "../core/records/scope.ts";
import type { ApiDeps } from "./contract.ts";
import { endpointsOf, servicePort } from "./present.ts";
import { podNamed } from "./pod-named.ts";
import { ApiError, notFound, sendError } from "./status.ts";

/**
 * The API server's proxy to services and pods: plain HTTP to a ready copy, the nearest first. A copy on
 * another node is asked directly, and through that node's own API when its port cannot be reached.
 */

const connectTimeoutMs = 3_000;
const hopByHop = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
  "te",
  "authorization",
  "host",
]);

type Endpoint = { readonly pod: PodView; readonly port: number };

export function proxyService(
  deps: ApiDeps,
  namespace: string,
  reference: string,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { name, port } = readReference(reference);
  const service = deps.view.object({ group: "", kind: "Service", namespace, name });
  if (service?.exists !== true) throw notFound("services", name);
  const wanted = endpointsOf(service, deps.view, (pod, spec) => {
    const fits = port === "" || spec["name"] === port || String(spec["port"]) === port;
    return fits ? servicePort(pod, spec) : undefined;
  });
  const endpoints = wanted.flatMap(({ pod, ports: [first] }) =>
    first === undefined ? [] : [{ pod, port: first.port }],
  );
  if (endpoints.length === 0) {
    throw new ApiError(503, "ServiceUnavailable", `no endpoints available for service "${reference}"`);
  }
  pass(deps, nearestFirst(deps, endpoints), path, request, response);
}

export function proxyPod(
  deps: ApiDeps,
  namespace: string,
  reference: string,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { name, port } = readReference(reference);
  const pod = podNamed(deps, namespace, name);
  const ports = pod.body.containers.flatMap((container) => container.ports);
  const open = ports.find((entry) => port === "" || entry.name === port || String(entry.port) === port);
  if (open === undefined) throw new ApiError(503, "ServiceUnavailable", `pod ${name} has no port ${port}`);
  pass(deps, [{ pod, port: open.hostPort }], path, request, response);
}

function readReference(reference: string): { name: string; port: string } {
  const parts = reference.split(":");
  const [scheme = "", name = "", port = ""] = parts.length === 3 ? parts : ["http", ...parts];
  if (scheme !== "" && scheme !== "http") {
    throw new ApiError(400, "BadRequest", `the proxy speaks http, not ${scheme}`);
  }
  return { name, port };
}

/** Own node and site, own region, those around it outwards, the rest; within each in turns, so that every copy gets its share. */
function nearestFirst({ view }: ApiDeps, endpoints: readonly Endpoint[]): Endpoint[] {
  const distance = ({ pod }: Endpoint): number =>
    distanceTo(view.identity, pod.node === view.identity.id ? view.identity : view.member(pod.node)?.member);
  turn++;
  return endpoints
    .map((endpoint, at) => ({ endpoint, distance: distance(endpoint), at: (at + turn) % endpoints.length }))
    .sort((left, right) => left.distance - right.distance || left.at - right.at)
    .map(({ endpoint }) => endpoint);
}
let turn = 0;

/** 0 within a site, 1 within the innermost region of `here`, and one more for each region further out. */
export function distanceTo(here: Place, there: Place | undefined): number {
  if (there?.site === here.site) return 0;
  const shared = there === undefined ? 0 : regionsShared(here.region, there.region);
  return 1 + regionsAround(here.region).length - shared;
}

function pass(
  deps: ApiDeps,
  endpoints: readonly Endpoint[],
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const [first, ...others] = endpoints;
  if (first === undefined) {
    return sendError(response, new ApiError(503, "ServiceUnavailable", "no endpoint could be reached"));
  }
  const headers = Object.fromEntries(
    Object.entries(request.headers).filter(([name]) => !hopByHop.has(name) && !name.startsWith(":")),
  );
  const { address } = first.pod.body;
  const upstream = httpRequest(
    {
      host: address,
      port: first.port,
      path,
      method: request.method,
      headers: {
        ...headers,
        host: `${address}:${first.port}`,
        "x-forwarded-for": request.socket.remoteAddress ?? "",
      },
      agent: false,
    },
    (answer) => {
      const back = Object.fromEntries(Object.entries(answer.headers).filter(([name]) => !hopByHop.has(name)));
      response.writeHead(answer.statusCode ?? 502, back);
      answer.pipe(response);
    },
  );
  const safe = request.method === "GET" || request.method === "HEAD";
  let connected = false;
  upstream.setTimeout(connectTimeoutMs, () => upstream.destroy(new Error("no connection in time")));
  upstream.on("socket", (socket) =>
    socket.once("connect", () => {
      connected = true;
      upstream.setTimeout(0);
      if (!safe) request.pipe(upstream);
    }),
  );
  upstream.on("error", () => {
    if (response.headersSent) return response.destroy();
    // Once it may have read the request, only what changes nothing is asked again.
    const canRetry = safe || !connected;
    const elsewhere =
      first.pod.node !== deps.view.identity.id && request.headers["starlight-forwarded"] === undefined;
    if (elsewhere && canRetry) return deps.forward(first.pod.node, request, response);
    if (canRetry && others.length > 0) return pass(deps, others, path, request, response);
    sendError(
      response,
      new ApiError(502, "ServiceUnavailable", `pod ${first.pod.body.name} does not answer`),
    );
  });
  response.on("close", () => upstream.destroy());
  if (safe) upstream.end();
  else upstream.flushHeaders();
}

/** `GET pods/NAME/log`: from here, or from the node that runs it. */
export function answerLogs(
  deps: ApiDeps,
  namespace: string,
  name: string,
  query: URLSearchParams,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const pod = podNamed(deps, namespace, name);
  for (const option of ["previous", "timestamps", "sinceTime", "sinceSeconds", "limitBytes"]) {
    const value = query.get(option);
    if (value !== null && value !== "false")
      throw new ApiError(400, "BadRequest", `${option} is not supported for logs`);
  }
  if (pod.node !== deps.view.identity.id) {
    if (!pod.current) {
      throw new ApiError(
        504,
        "Timeout",
        `pod ${name} ran on ${deps.view.member(pod.node)?.member.name ?? pod.node}, which is out of view`,
      );
    }
    return deps.forward(pod.node, request, response);
  }
  const tail = query.get("tailLines");
  const stop = new AbortController();
  const lines = deps.logs(pod.uid, {
    container: query.get("container") ?? undefined,
    follow: query.get("follow") === "true",
    tailLines: tail === null ? undefined : Number(tail),
    signal: stop.signal,
  });
  if (lines === undefined) throw notFound("pods/log", name);
  response.writeHead(200, { "content-type": "text/plain; charset=utf-8" });
  response.on("close", () => stop.abort());
  void send(lines, response);
}

async function send(lines: AsyncIterable<Uint8Array>, response: ServerResponse): Promise<void> {
  response.flushHeaders();
  for await (const chunk of lines) {
    if (response.destroyed) return;
    if (!response.write(chunk))
      await new Promise((resolve) => response.once("drain", resolve).once("close", resolve));
  }
  response.end();
}
