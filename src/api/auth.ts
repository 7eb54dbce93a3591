import type { IncomingMessage } from "node:http";
import type { Client } from "../ports/http.ts";
import type { ApiDeps } from "./contract.ts";
import { ApiError } from "./status.ts";

/** Who asks, and what that lets them do. */
export type User = { readonly name: string; readonly groups: readonly string[] };

export type Verb =
  | "get"
  | "list"
  | "watch"
  | "create"
  | "update"
  | "patch"
  | "delete"
  | "deletecollection"
  | "proxy";

export const administrators = "system:masters";
export const viewers = "starlight:viewers";
const nodes = "system:nodes";

/** The user behind a request: client certificate first, then bearer token. */
export function userOf(request: IncomingMessage, client: Client, deps: ApiDeps): User | undefined {
  if (client.type === "user") return { name: client.name, groups: client.groups };
  if (client.type === "node") return { name: `system:node:${client.name}`, groups: [nodes] };
  const bearer = /^Bearer (\S{1,512})$/.exec(request.headers.authorization ?? "")?.[1];
  return bearer === undefined ? undefined : deps.userOfToken(bearer);
}

/**
 * Whether a user may do it; nodes may read logs, use proxies and have ways examined, on behalf of users they
 * have checked, and greet each other.
 * Who holds a write is told to anyone we know.
 */
export function isAllowed(user: User, verb: Verb, resource: string): boolean {
  if (user.groups.includes(administrators)) return true;
  if (verb === "get" && resource === "holds") return true;
  if (user.groups.includes(viewers)) return verb === "get" || verb === "list" || verb === "watch";
  const forNodes =
    resource === "pods/log" || resource === "doctor" || resource === "hello" || verb === "proxy";
  return user.groups.includes(nodes) && forNodes;
}

export function demand(user: User | undefined, verb: Verb, resource: string): User {
  if (user === undefined) {
    throw new ApiError(401, "Unauthorized", "give a client certificate of this mesh or a bearer token");
  }
  if (isAllowed(user, verb, resource)) return user;
  const message = `User "${user.name}" cannot ${verb} resource "${resource}": groups ${administrators} and ${viewers} may`;
  throw new ApiError(403, "Forbidden", message);
}
