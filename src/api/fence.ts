import type { IncomingMessage, ServerResponse } from "node:http";
import type { ApiDeps } from "./contract.ts";
import { ApiError, notFound, sendJson } from "./status.ts";

/**
 * `GET /starlight/v1/fence/POD`, by name, `namespace/name` or uid: whether a pod of this very node holds its
 * name now, under which token, and for how long yet. For workloads, so it asks for no credentials and
 * answers on the loopback address only.
 */
export const fencePath = "/starlight/v1/fence/";

export const isLoopback = (address: string): boolean => /^(127\.|::1$|::ffff:127\.)/.test(address);

export function answerFence(
  { view, env }: ApiDeps,
  pathname: string,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  if (request.method !== "GET") {
    throw new ApiError(405, "MethodNotAllowed", "a fence is only read: use GET");
  }
  if (!isLoopback(request.socket.remoteAddress ?? "")) {
    throw new ApiError(403, "Forbidden", "fences are answered on the loopback address only");
  }
  const wanted = pathname.slice(fencePath.length);
  const pod = view
    .pods()
    .filter(({ node, body }) => node === view.identity.id && body.fence !== undefined)
    .find(({ uid, body }) => [uid, body.name, `${body.namespace}/${body.name}`].includes(wanted));
  if (pod === undefined) throw notFound("exclusive pods of this node", wanted);
  const { workload, slot, fence = 0, name, namespace } = pod.body;
  const lease = `${workload.group}/${workload.kind}/${workload.namespace}/${workload.name} ${slot}`;
  const held = view.leases.holding().get(lease);
  const leftMs = held?.epoch === fence ? Math.max(0, Math.floor(held.until - env().now)) : 0;
  sendJson(response, 200, {
    pod: name,
    namespace,
    uid: pod.uid,
    lease,
    token: fence,
    held: leftMs > 0,
    leftMs,
  });
}
