import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { isObject, parseJson, type Json } from "../core/kernel/json.ts";
import {
  fields,
  integer,
  list,
  oneOf,
  optional,
  text,
  wrongField,
  type Fields,
  type Shaped,
} from "../core/kernel/shape.ts";
import { shortJson } from "../core/intents/field-problem.ts";
import { err, type Result } from "../core/kernel/result.ts";
import { isNodeId } from "../core/records/record.ts";
import type { NodeView } from "../core/node/contract.ts";
import type { Client, HttpHandler, HttpRequest, HttpResponse } from "../ports/http.ts";
import { bearerOf, impersonationRefused } from "../api/auth.ts";
import { sendError } from "../api/status.ts";
import { isRegion } from "../core/records/scope.ts";
import { addressesMax } from "../shells/identity-file/names.ts";
import { explained, type AppError } from "./app-error.ts";
import type { BundleReply, BundleRoutes } from "./bundle/routes.ts";
import type { Enroller } from "./enrol/enroller.ts";
import { exitCodes } from "./exit-codes.ts";
import {
  checkPath,
  joinBytesMax,
  joinPath,
  readJoinRequest,
  type JoinRefusal,
  type JoinRequest,
} from "./enrol/join-request.ts";
import { createRateLimit } from "./enrol/rate-limit.ts";
import type { InviteOptions, MadeInvite } from "./enrol/invite-book.ts";
import { nestingRefused } from "./enrol/region-nesting.ts";
import { ambiguous, siteRefused } from "./enrol/site-book.ts";
import type { StreamBackup } from "./stream-backup.ts";
import type { TokenUser } from "./tokens.ts";

/**
 * The requests that change who belongs, in front of the API: joining is open to strangers who show an
 * invite; the others are for the group `system:masters`.
 *
 *     POST /starlight/v1/join                                        see enrol/join-request.ts
 *     POST /starlight/v1/join/check                                  the same, and nothing is changed
 *     POST /starlight/v1/invites      {site?, region?, ttlMs?, uses?, grants?, addresses?} -> {invite, site, region}
 *     POST /starlight/v1/revocations  {node, reason?}   node: id or name
 *     POST /starlight/v1/leave        {reason?}
 *     POST /starlight/v1/backup       -> the node's records, one SQLite file
 *     POST /starlight/v1/bundle/...                                  see bundle/routes.ts
 */
export type RoutesDeps = {
  readonly view: NodeView;
  readonly enroller: Enroller;
  readonly invite: (options: Omit<InviteOptions, "directory" | "now">) => MadeInvite;
  /** Where a site stands, as far as this enroller knows. */
  readonly regionsOf: (site: string) => readonly string[];
  /** `host:port` on which newcomers reach this node, when the request names none. */
  readonly addresses: () => readonly string[];
  readonly leave: (reason: string) => Promise<boolean>;
  readonly backup: StreamBackup;
  readonly userOfToken: (token: string) => TokenUser | undefined;
  readonly bundles: BundleRoutes;
  /** Everything else. */
  readonly api: HttpHandler;
};

const backupPath = "/starlight/v1/backup";
const mastersGroup = "system:masters";
const suspicious: ReadonlySet<JoinRefusal["refusal"]> = new Set(["malformed", "unknown-invite", "proof"]);
const ttlDefaultMs = 24 * 3_600_000;
const bodyTimeoutMs = 10_000;

const inviteFields = {
  site: optional(text(63)),
  region: optional(text(63)),
  // How much is too much, the invite book says in words.
  ttlMs: optional(integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)),
  uses: optional(integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)),
  grants: optional(list(oneOf("enrol", "write"), 8)),
  addresses: optional(list(text(300), addressesMax)),
};
const revocationFields = { node: text(253), reason: optional(text(1024)) };
const leaveFields = { reason: optional(text(1024)) };
/** Completes "must be ...". */
const takes: { readonly [field in keyof (typeof inviteFields & typeof revocationFields)]: string } = {
  site: "a string of at most 63 characters",
  region: "a string of at most 63 characters",
  ttlMs: "an integer",
  uses: "an integer",
  grants: 'a list of "enrol" and "write"',
  addresses: `a list of at most ${addressesMax} strings, HOST:PORT each`,
  node: "a string of at most 253 characters",
  reason: "a string of at most 1024 characters",
};

type Reply = { readonly status: number; readonly body: Json };
type Ask = (request: JoinRequest) => Promise<Result<Json | undefined, JoinRefusal>>;

export function createRoutes(deps: RoutesDeps): HttpHandler {
  const guesses = createRateLimit(30, 1_000);
  const overall = createRateLimit(200, 100);

  /** Many newcomers may share one address behind a NAT: only what looks like guessing counts against it. */
  const joinReply = async (request: HttpRequest, ask: Ask): Promise<Reply> => {
    const now = performance.now();
    const from = request.socket.remoteAddress ?? "";
    if (!guesses.allows(from, now) || !overall.allows("", now)) {
      return refusal({ refusal: "busy", detail: "too many join requests; try again in a minute" });
    }
    overall.charge("", now);
    const body = await readBody(request, joinBytesMax);
    const asked = body === undefined ? undefined : readJoinRequest(body);
    const joined =
      asked === undefined
        ? err<JoinRefusal>({ refusal: "malformed", detail: "not a join request" })
        : await ask(asked);
    if (joined.ok) return { status: 200, body: joined.value ?? {} };
    if (suspicious.has(joined.error.refusal)) guesses.charge(from, now);
    return refusal(joined.error);
  };

  const masters: { readonly [path: string]: (body: Uint8Array) => Promise<Reply> | Reply } = {
    "/starlight/v1/invites": shaped(inviteFields, (options) => {
      const { ttlMs = ttlDefaultMs, addresses = deps.addresses(), ...given } = options;
      const { site = deps.view.identity.site } = given;
      const known = deps.regionsOf(site);
      if (given.region === undefined && known.length > 1) return problem(409, ambiguous(site, known));
      // A site that exists says itself which region it is in.
      const region = given.region ?? known[0];
      // What is no region, the invite book says in words.
      const refused =
        region === undefined || !isRegion(region)
          ? undefined
          : (siteRefused({ site, region }, known) ?? nestingRefused(region, deps.view));
      if (refused !== undefined) return problem(409, refused);
      return { status: 201, body: deps.invite({ ...given, site, region, ttlMs, addresses }) };
    }),
    "/starlight/v1/revocations": shaped(revocationFields, async ({ node, reason = "" }) => {
      const found = deps.view.members().find(({ id, member }) => id === node || member.name === node);
      // Of a site whose detail stays there, members are known by their ids alone.
      const elsewhere = isNodeId(node) && deps.view.identity.mesh.detail !== "mesh";
      const id = found?.id ?? (elsewhere ? node : undefined);
      if (id === undefined) return problem(404, `no member is called ${node}`);
      return done(await deps.enroller.revoke(id, reason), { node: id });
    }),
    "/starlight/v1/leave": shaped(leaveFields, async ({ reason = "" }) => {
      const stored = await deps.leave(reason);
      return stored ? { status: 200, body: {} } : problem(507, "the disk refused; nothing was published");
    }),
  };

  const masterReply = async (path: string, request: HttpRequest, client: Client): Promise<Reply> => {
    if (!isMaster(request, client, deps.userOfToken)) return forMasters;
    const body = await readBody(request, joinBytesMax);
    return body === undefined ? problem(413, "the request is too long") : (masters[path]?.(body) ?? notFound);
  };

  const backupReply = async (
    request: HttpRequest,
    response: HttpResponse,
    client: Client,
  ): Promise<Reply | undefined> => {
    if (!isMaster(request, client, deps.userOfToken)) return forMasters;
    request.resume();
    try {
      return (await deps.backup(response)) ? undefined : problem(409, "another backup is under way");
    } catch (error) {
      const known = explained(error);
      if (known === undefined) throw error;
      return problem(507, known.what);
    }
  };

  const bundleReply = async (
    reply: () => Promise<BundleReply>,
    request: HttpRequest,
    client: Client,
  ): Promise<BundleReply> => {
    if (!isMaster(request, client, deps.userOfToken)) return forMasters;
    try {
      return await reply();
    } catch (error) {
      const { bundleProblem } = await import("./bundle/routes.ts");
      const known = bundleProblem(error);
      if (known === undefined) throw error;
      return known;
    }
  };

  return (request, response, client) => {
    const refused = impersonationRefused(request);
    if (refused !== undefined) return sendError(response, refused);
    const [path = "", query = ""] = (request.url ?? "").split("?");
    const bundle = Object.hasOwn(deps.bundles, path) ? deps.bundles[path] : undefined;
    const known =
      path === joinPath || path === checkPath || path === backupPath || Object.hasOwn(masters, path);
    if (!known && bundle === undefined) return deps.api(request, response, client);
    if (request.method !== "POST") return answer(response, problem(405, "POST it"));
    const reply = replyTo();
    reply.then(
      (value) => value !== undefined && answer(response, value),
      (error: unknown) => answer(response, problem(500, explained(error)?.what ?? "internal error")),
    );

    function replyTo(): Promise<Reply | BundleReply | undefined> {
      if (bundle !== undefined)
        return bundleReply(() => bundle(request, new URLSearchParams(query)), request, client);
      if (path === joinPath) return joinReply(request, deps.enroller.join);
      if (path === checkPath) return joinReply(request, deps.enroller.check);
      if (path === backupPath) return backupReply(request, response, client);
      return masterReply(path, request, client);
    }
  };
}

function isMaster(request: HttpRequest, client: Client, userOfToken: RoutesDeps["userOfToken"]): boolean {
  if (client.type === "user") return client.groups.includes(mastersGroup);
  const token = bearerOf(request);
  return client.type === "anonymous" && token !== undefined
    ? (userOfToken(token)?.groups.includes(mastersGroup) ?? false)
    : false;
}

function shaped<F extends Fields>(
  shapes: F,
  reply: (body: Shaped<ReturnType<typeof fields<F>>>) => Promise<Reply> | Reply,
): (body: Uint8Array) => Promise<Reply> {
  const shape = fields(shapes);
  return async (bytes) => {
    const json = bytes.length === 0 ? {} : parseJson(bytes, 8);
    const body = shape(json);
    if (body === undefined) return problem(400, whyRefused(shapes, json));
    try {
      return await reply(body);
    } catch (error) {
      const known = explained(error);
      if (known === undefined) throw error;
      return problem(statusOf(known), [known.what, known.fix].filter((part) => part !== "").join(". "));
    }
  };
}

function whyRefused(shapes: Fields, json: Json | undefined): string {
  const field = isObject(json) ? wrongField(shapes, json) : undefined;
  if (!isObject(json) || field === undefined) return "the body is not a JSON object: send one";
  const must = `must be ${Object.entries(takes).find(([name]) => name === field)?.[1] ?? "something else"}`;
  const value = json[field];
  return `${field}: ${value === undefined ? "Required value" : `Invalid value: ${shortJson(value)}`}: ${must}`;
}

/** Only what the caller wrote wrong is 422; the command line ends with a usage error then. */
function statusOf({ exitCode }: AppError): number {
  if (exitCode === exitCodes.usage) return 422;
  return exitCode === exitCodes.notAllowed ? 403 : 507;
}

/** The whole body; undefined when it is longer than allowed, broken off, or slower than it may be. */
function readBody(request: HttpRequest, bytesMax: number): Promise<Uint8Array | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const timer = setTimeout(() => resolve(undefined), bodyTimeoutMs);
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= bytesMax) chunks.push(chunk);
      else resolve(undefined);
    });
    request.on("end", () => resolve(bytes <= bytesMax ? Buffer.concat(chunks) : undefined));
    request.on("close", () => {
      clearTimeout(timer);
      resolve(undefined);
    });
  });
}

const statusByRefusal: { readonly [refusal in JoinRefusal["refusal"]]: number } = {
  malformed: 400,
  "unknown-invite": 403,
  expired: 403,
  "used-up": 403,
  "name-taken": 409,
  region: 409,
  clock: 422,
  proof: 403,
  busy: 429,
  "not-an-enroller": 501,
  storage: 507,
};

const refusal = (body: JoinRefusal): Reply => ({ status: statusByRefusal[body.refusal], body });

const done = (result: Result<undefined, JoinRefusal>, body: Json): Reply =>
  result.ok ? { status: 200, body } : problem(statusByRefusal[result.error.refusal], result.error.detail);

/** RFC 9457. */
const problem = (status: number, detail: string): Reply => ({
  status,
  body: { type: "about:blank", status, detail },
});
const notFound = problem(404, "no such path");
const forMasters = problem(403, `this is for the group ${mastersGroup}`);

function answer(response: HttpResponse, reply: BundleReply): void {
  if (response.headersSent || response.destroyed) return;
  const { status } = reply;
  if ("stream" in reply) {
    response.writeHead(status, { "content-type": "application/octet-stream" });
    // The end of the file says that it is whole; a reader that never gets it knows.
    pipeline(Readable.from(reply.stream), response).catch(() => response.destroy());
    return;
  }
  const type = status < 400 ? "application/json" : "application/problem+json";
  response.writeHead(status, { "content-type": type });
  response.end(JSON.stringify(reply.body));
}
