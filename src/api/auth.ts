import type { IncomingMessage } from "node:http";
import type { ManagerClass } from "../core/intents/contract.ts";
import { classNamed } from "../core/intents/manager.ts";
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
/** Write objects, as users. */
export const editors = "starlight:editors";
/** Write objects, also in the class `git`. */
export const gitWriters = "starlight:git";
/** Write objects, also in the class `override`. */
export const overriders = "starlight:overriders";
const nodes = "system:nodes";
/** Nodes that may write objects: they could scale a workload away, so they may evict its pods too. */
const writingNodes = "starlight:writing-nodes";

/** The user behind a request: client certificate first, then bearer token. */
export function userOf(request: IncomingMessage, client: Client, deps: ApiDeps): User | undefined {
  if (client.type === "user") return { name: client.name, groups: client.groups };
  if (client.type === "node") {
    const writes = deps.view.memberBody(client.id)?.grants.includes("write") === true;
    return { name: `system:node:${client.name}`, groups: writes ? [nodes, writingNodes] : [nodes] };
  }
  const token = bearerOf(request);
  return token === undefined ? undefined : deps.userOfToken(token);
}

export const bearerOf = ({ headers }: Pick<IncomingMessage, "headers">): string | undefined =>
  /^Bearer (\S{1,512})$/.exec(headers.authorization ?? "")?.[1];

/**
 * What is said to who asks to act as somebody else (`kubectl --as`); undefined when nobody does. To do it with
 * the asker's own rights would be the opposite of what was asked for.
 */
export function impersonationRefused({ headers }: Pick<IncomingMessage, "headers">): ApiError | undefined {
  const header = Object.keys(headers).find((name) => name.startsWith("impersonate-"));
  if (header === undefined) return undefined;
  const asked = headers["impersonate-user"];
  const user = typeof asked === "string" && /^[\w.:@-]+$/.test(asked) ? asked : "NAME";
  const message = `impersonation is not supported, and the request has the header ${header}: leave out --as and the like, or use a kubeconfig of that user, which \`starlight kubeconfig --user ${user} --group GROUP --out FILE\` makes on a machine that admits others`;
  return new ApiError(403, "Forbidden", message);
}

/**
 * Whether a user may do it; nodes may read logs and timelines, use proxies and have ways examined, on behalf
 * of users they have checked, and greet each other.
 * Those that may write objects evict pods on behalf of users.
 * Who holds a write is told to anyone we know.
 */
export function isAllowed(user: User, verb: Verb, resource: string): boolean {
  if (user.groups.includes(administrators)) return true;
  if (verb === "get" && resource === "holds") return true;
  const writes = [editors, gitWriters, overriders].some((group) => user.groups.includes(group));
  if (writes && verb !== "proxy" && verb !== "deletecollection") return true;
  if (user.groups.includes(viewers)) return verb === "get" || verb === "list" || verb === "watch";
  if (user.groups.includes(writingNodes) && takesPodsAway(verb, resource)) return true;
  const forNodes = new Set(["pods/log", "timelines", "doctor", "hello"]).has(resource) || verb === "proxy";
  return user.groups.includes(nodes) && forNodes;
}

const takesPodsAway = (verb: Verb, resource: string): boolean =>
  (verb === "create" && resource === "pods/eviction") || (verb === "delete" && resource === "pods");

export function demand(user: User | undefined, verb: Verb, resource: string): User {
  if (user === undefined) {
    throw new ApiError(401, "Unauthorized", "give a client certificate of this mesh or a bearer token");
  }
  if (isAllowed(user, verb, resource)) return user;
  const message = `User "${user.name}" cannot ${verb} resource "${resource}": ${whoMay(verb, resource)}`;
  throw new ApiError(403, "Forbidden", message);
}

/** The groups of people that may do it: nobody gets into those of nodes. */
function whoMay(verb: Verb, resource: string): string {
  const groups = [administrators, editors, gitWriters, overriders, viewers].filter((group) =>
    isAllowed({ name: "", groups: [group] }, verb, resource),
  );
  const last = groups.at(-1) ?? administrators;
  return groups.length < 2 ? `group ${last} may` : `groups ${groups.slice(0, -1).join(", ")} and ${last} may`;
}

/** Refuses a manager of a class that the user may not write; `user` is everybody's who may write at all. */
export function demandClass(user: User, manager: string): ManagerClass {
  const wanted = classNamed(manager);
  const group = wanted === "override" ? overriders : gitWriters;
  if (wanted === "user" || user.groups.includes(administrators) || user.groups.includes(group)) return wanted;
  const message = `User "${user.name}" cannot write as field manager "${manager}": class ${wanted} is for groups ${administrators} and ${group}`;
  throw new ApiError(403, "Forbidden", message);
}
