import type { ServerResponse } from "node:http";
import { parseDuration } from "../core/intents/quantity.ts";
import type { Json, JsonObject } from "../core/kernel/json.ts";
import { isWithin, type Detail } from "../core/records/scope.ts";
import type { MemberView, NodeView, WriteReply } from "../core/node/contract.ts";
import type { ApiDeps } from "./contract.ts";
import { askUntilHeld, type Heard } from "./holders.ts";
import { badRequest, sendJson } from "./status.ts";

/**
 * How durable a write is, said with every answer to one:
 *
 *     Starlight-Durability = "local" "; site=" COUNT [ "; " SCOPE "=" COUNT ]
 *                            [ "; wait=" ( "reached" / "timed-out" ) ] [ "; missing=" NAMES ]
 *                          / "none"                        ; a dry run
 *     COUNT = HAVE "/" OF      SCOPE = "region" / "all"
 *     NAMES = NAME *( "," NAME ) [ ",+" NUMBER ]           ; at most 16, then how many more
 *
 * HAVE counts the members that said that they hold the write on their disk, the answering one included;
 * without `wait` nobody else was asked.
 */
export type Durability = {
  readonly local: true;
  readonly site: Count;
  /** What was waited for; not there when nobody asked for it. */
  readonly wait?: { readonly scope: WaitScope; readonly reached: boolean } & Count;
  /** Names of the nodes that hold it, this one first. */
  readonly seenBy: readonly string[];
  /** Those that were waited for and have not said so. */
  readonly missing: readonly { readonly node: string; readonly why: string }[];
};

export type Count = { readonly have: number; readonly of: number };
export type WaitScope = "site" | "region" | "all";

/** What the query of a write says: `wait=site|region|all`, `waitTimeout=10s`, `durability=body`. */
export type WriteOptions = {
  readonly wait: { readonly scope: WaitScope; readonly timeoutMs: number } | undefined;
  /** Answer `{result, durability}` instead of the result alone. */
  readonly inBody: boolean;
};

type Written = Extract<WriteReply, { ok: true }>["value"];

const scopes: readonly WaitScope[] = ["site", "region", "all"];
/** Whom a node can ask: the members whose detail it keeps. */
const answerableBy: { readonly [detail in Detail]: readonly WaitScope[] } = {
  mesh: scopes,
  region: ["site", "region"],
  site: ["site"],
};
const waitDefaultMs = 10_000;
const waitMaxMs = 600_000;
const namesMax = 16;

/** To be read before the write is done: what cannot be understood changes nothing. */
export function writeOptions(query: URLSearchParams, { identity }: Pick<NodeView, "identity">): WriteOptions {
  const asked = query.get("wait");
  const timeout = query.get("waitTimeout");
  const where = query.get("durability");
  if (where !== null && where !== "body") throw badRequest(`durability=${where}: use body, or leave it out`);
  const scope = scopes.find((name) => name === asked);
  if (asked !== null && scope === undefined)
    throw badRequest(`wait=${asked}: use ${scopes.join(", ")}, or leave it out`);
  const answerable = answerableBy[identity.mesh.detail];
  if (scope !== undefined && !answerable.includes(scope))
    throw badRequest(
      `wait=${scope}: in this mesh a node knows the members of its ${identity.mesh.detail} alone and can ask no others; use wait=${answerable.join(" or ")}`,
    );
  const timeoutMs = timeout === null ? waitDefaultMs : parseDuration(timeout);
  if (timeoutMs === undefined || timeoutMs > waitMaxMs)
    throw badRequest(`waitTimeout=${timeout ?? ""}: use a duration up to 10m, such as 500ms or 10s`);
  return { wait: scope === undefined ? undefined : { scope, timeoutMs }, inBody: where === "body" };
}

/** Answers a write that was taken: once it is held where it was asked to be, or when time is up. */
export async function sendWritten(
  deps: ApiDeps,
  { wait, inBody }: WriteOptions,
  written: Written | undefined,
  response: ServerResponse,
  code: number,
  result: JsonObject,
): Promise<void> {
  const durability = await spreadOf(deps, wait, written, response);
  const body = inBody ? { result, ...inBodyOf(durability) } : result;
  sendJson(response, code, body, headersOf(durability));
}

/** The same for a set of documents, whose answer always says how durable it is. */
export async function sendApplied(
  deps: ApiDeps,
  wait: WriteOptions["wait"],
  written: Written | undefined,
  response: ServerResponse,
  results: Json,
): Promise<void> {
  const durability = await spreadOf(deps, wait, written, response);
  sendJson(response, 200, { results, ...inBodyOf(durability) }, headersOf(durability));
}

/** Undefined for a dry run. Who asked and went away is not waited for. */
async function spreadOf(
  deps: ApiDeps,
  wait: WriteOptions["wait"],
  written: Written | undefined,
  response: ServerResponse,
): Promise<Durability | undefined> {
  if (written === undefined) return undefined;
  const gone = new AbortController();
  const abort = (): void => gone.abort();
  response.once("close", abort);
  try {
    return await durabilityOf(deps, written, wait, gone.signal);
  } finally {
    response.off("close", abort);
  }
}

const inBodyOf = (durability: Durability | undefined): JsonObject =>
  durability === undefined ? {} : { durability: durability as unknown as Json };

const headersOf = (durability: Durability | undefined): { [name: string]: string } => ({
  "starlight-durability": durability === undefined ? "none" : headerOf(durability),
});

async function durabilityOf(
  deps: ApiDeps,
  { durability, slots }: Written,
  wait: WriteOptions["wait"],
  signal: AbortSignal,
): Promise<Durability> {
  const { view } = deps;
  const { site, region, name } = view.identity;
  if (wait === undefined) return { local: true, site: durability.site, seenBy: [name], missing: [] };
  const concerned = view.members().filter(({ self, member }) => {
    if (self) return false;
    if (wait.scope === "region") return isWithin(member.region, region);
    return wait.scope === "all" || member.site === site;
  });
  const asked = await askUntilHeld(deps, concerned, slots, wait.timeoutMs, signal);
  // Who left the mesh meanwhile is not waited for.
  const heard = asked.filter(({ member }) => view.member(member.id) !== undefined);
  const nameOf = ({ member }: MemberView): string => member.name;
  const holders = heard.filter(({ holds }) => holds).map((one) => one.member);
  const missing = heard.filter(({ holds }) => !holds);
  const inSite = (members: readonly MemberView[]): number =>
    members.filter(({ member }) => member.site === site).length;
  return {
    local: true,
    site: { have: 1 + inSite(holders), of: 1 + inSite(heard.map(({ member }) => member)) },
    wait: {
      scope: wait.scope,
      reached: missing.length === 0,
      have: 1 + holders.length,
      of: 1 + heard.length,
    },
    seenBy: [name, ...holders.map(nameOf).sort()],
    missing: missing
      .map(({ member, why }: Heard) => ({ node: nameOf(member), why }))
      .sort((left, right) => (left.node < right.node ? -1 : 1)),
  };
}

function headerOf({ site, wait, missing }: Durability): string {
  const parts = ["local", `site=${site.have}/${site.of}`];
  if (wait === undefined) return parts.join("; ");
  if (wait.scope !== "site") parts.push(`${wait.scope}=${wait.have}/${wait.of}`);
  parts.push(`wait=${wait.reached ? "reached" : "timed-out"}`);
  const names = missing.slice(0, namesMax).map(({ node }) => node);
  if (missing.length > namesMax) names.push(`+${missing.length - namesMax}`);
  if (names.length > 0) parts.push(`missing=${names.join(",")}`);
  return parts.join("; ");
}
