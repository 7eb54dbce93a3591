import type { IncomingMessage, ServerResponse } from "node:http";
import type { NodeId } from "../core/records/record.ts";

/**
 * One HTTP exchange. Over HTTP/2 these are node:http2's compatibility objects, which have the same shape
 * but for what HTTP/2 does not have (status messages, upgrades).
 */
export type HttpRequest = IncomingMessage;
export type HttpResponse = ServerResponse;

/**
 * Who is on the other side of a connection, as TLS proved it. A certificate that the mesh CA did not
 * sign, or that has expired, counts as anonymous.
 */
export type Client =
  /** `outOfDate` when it gave a certificate that is not good at this machine's time; who signed it is not said. */
  | { readonly type: "anonymous"; readonly outOfDate?: true }
  /** A person or tool: `CN` is the user, each `O` a group (Kubernetes' convention). */
  | { readonly type: "user"; readonly name: string; readonly groups: readonly string[] }
  /** A member of the mesh, checked against the roster. */
  | { readonly type: "node"; readonly id: NodeId; readonly name: string };

/** The whole answer to a short question. */
export type Answer = { readonly status: number; readonly text: string };

/** Serves everything on the node's port that is not a link. Never throws; answers every request. */
export type HttpHandler = (request: HttpRequest, response: HttpResponse, client: Client) => void;
