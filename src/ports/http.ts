import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { NodeId } from "../core/records/record.ts";

/** One HTTP exchange, HTTP/1.1 or HTTP/2 alike. */
export type HttpRequest = IncomingMessage | Http2ServerRequest;
export type HttpResponse = ServerResponse | Http2ServerResponse;

/**
 * Who is on the other side of a connection, as TLS proved it. A certificate that the mesh CA did not
 * sign, or that has expired, counts as anonymous.
 */
export type Client =
  | { readonly type: "anonymous" }
  /** A person or tool: `CN` is the user, each `O` a group (Kubernetes' convention). */
  | { readonly type: "user"; readonly name: string; readonly groups: readonly string[] }
  /** A member of the mesh, checked against the roster. */
  | { readonly type: "node"; readonly id: NodeId; readonly name: string };

/** Serves everything on the node's port that is not a link. Never throws; answers every request. */
export type HttpHandler = (request: HttpRequest, response: HttpResponse, client: Client) => void;
