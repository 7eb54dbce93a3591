import type { IncomingMessage, ServerResponse } from "node:http";
import type { Json, JsonObject } from "../core/kernel/json.ts";
import type { MemberView } from "../core/node/contract.ts";
import type { User } from "./auth.ts";
import type { ApiDeps } from "./contract.ts";
import { placesTold } from "./places.ts";
import { ApiError, notFound, sendJson } from "./status.ts";

/** `GET /starlight/v1/doctor[?from=NODE][&to=NODE]`: the ways from one node, which tries them itself. */

const atOnce = 16;
const waysMax = 200;
/** What is not tried by then is told as that. */
const deadlineMs = 20_000;
let underWay = 0;
const underWayMax = 4;

/** What a member is told that greets us: our clock and version, and what we hold of it. */
export function hello({ view, version }: ApiDeps, user: User): JsonObject {
  const asker = view.members().find(({ member }) => user.name === `system:node:${member.name}`);
  const seesYou = asker?.evidence.verdict ?? "unreachable";
  return { node: view.identity.id, version, wall: Date.now(), seesYou };
}

export async function doctor(
  deps: ApiDeps,
  query: URLSearchParams,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { view } = deps;
  const from = memberNamed(deps, query.get("from") ?? view.identity.name);
  if (!from.self) return deps.forward(from.id, request, response);
  const target = query.get("to");
  const wanted = target === null ? view.members().filter(({ self }) => !self) : [memberNamed(deps, target)];
  if (underWay >= underWayMax) throw new ApiError(429, "TooManyRequests", "other examinations are under way");
  underWay++;
  try {
    const ways = await examineAll(deps, wanted);
    const { name, site } = view.identity;
    const { detail } = view.identity.mesh;
    sendJson(response, 200, {
      seenBy: name,
      site,
      of: wanted.length,
      ways,
      detail,
      elsewhere: elsewhere(deps),
    });
  } finally {
    underWay--;
  }
}

/** Those that are out of view first: they are what one asks for. */
async function examineAll(deps: ApiDeps, members: readonly MemberView[]): Promise<readonly Json[]> {
  const rank = ({ evidence }: MemberView): number => (evidence.verdict === "alive" ? 1 : 0);
  const open = [...members].sort((left, right) => rank(left) - rank(right)).slice(0, waysMax);
  const ends = performance.now() + deadlineMs;
  const ways: Json[] = [];
  const worker = async (): Promise<void> => {
    for (let next = open.shift(); next !== undefined && performance.now() < ends; next = open.shift()) {
      const { id, member, evidence } = next;
      const way = (await deps.examine(id)) as unknown as JsonObject;
      const { name, site, region } = member;
      ways.push({
        name,
        id,
        site,
        region,
        verdict: evidence.verdict,
        ...way,
        failing: way["failing"] ?? null,
      });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return ways.sort((left, right) => (textOf(left) < textOf(right) ? -1 : 1));
}

const textOf = (way: Json): string => String((way as JsonObject)["name"]);

function memberNamed({ view }: ApiDeps, name: string): MemberView {
  const found = view.members().find(({ id, member }) => member.name === name || id === name);
  if (found !== undefined) return found;
  const { detail } = view.identity.mesh;
  if (detail === "mesh") throw notFound("nodes", name);
  const here = `${detail} ${view.identity[detail]}`;
  const others = elsewhere({ view }).map(({ place, nodes }) => `${place}: ${nodes.join(", ")}`);
  const whom = others.length === 0 ? "" : `; known of other places are ${others.join("; ")}`;
  throw new ApiError(
    404,
    "NotFound",
    `nodes "${name}" not found in ${here}, and detail stays in ${detail}s: ask a node of its ${detail} (--server ADDRESS)${whom}`,
    { name, kind: "nodes" },
  );
}

/** Who speaks for the places whose detail is not kept here, with the address where each answers first. */
function elsewhere({ view }: Pick<ApiDeps, "view">): readonly { place: string; nodes: readonly string[] }[] {
  return placesTold(view).map(({ kind, name, summary }) => ({
    place: `${kind} ${name}`,
    nodes: summary.gateways.map((gateway) => [gateway.name, ...gateway.addresses.slice(0, 1)].join(" at ")),
  }));
}
