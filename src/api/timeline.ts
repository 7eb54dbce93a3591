import { isList, isObject, type Json, type JsonObject } from "../core/kernel/json.ts";
import type { ApiDeps } from "./contract.ts";
import { nodeNames, withNodeNames } from "./slot-names.ts";
import { badRequest } from "./status.ts";

/**
 * What happened to a workload, as the nodes noted it: claims with their reasons, starts, ends, and what
 * became of nodes meanwhile. Every node keeps its latest notes in memory, so a restart forgets its part.
 */

const answerMaxMs = 2_000;
const verdictReasons: ReadonlySet<string> = new Set(["NodeReachable", "NodeUnreachable", "NodeDead"]);
const ofNodesMax = 200;

/** `own=true`: what this node noted itself; otherwise every member in view is asked. */
export async function timeline(deps: ApiDeps, query: URLSearchParams): Promise<JsonObject> {
  const name = query.get("name") ?? "";
  if (name === "") throw badRequest("name: name the workload");
  const own = entriesOf(deps, query);
  if (query.get("own") === "true") return { node: deps.view.identity.name, entries: own };
  const others = deps.view.members().filter(({ self }) => !self);
  const heard = await Promise.all(
    others.map(async ({ id, member, evidence }): Promise<{ entries: readonly Json[]; silent?: string }> => {
      if (evidence.verdict !== "alive") return { entries: [], silent: `${member.name}: ${evidence.verdict}` };
      const path = `/starlight/v1/timeline?${new URLSearchParams({ ...Object.fromEntries(query), own: "true" }).toString()}`;
      try {
        const { status, text } = await deps.ask(id, path, AbortSignal.timeout(answerMaxMs));
        const answer = status === 200 ? (JSON.parse(text) as Json) : null;
        if (isObject(answer) && isList(answer["entries"]))
          return { entries: answer["entries"].slice(0, 1_000) };
        return { entries: [], silent: `${member.name}: it answered ${status}` };
      } catch (error) {
        return {
          entries: [],
          silent: `${member.name}: ${error instanceof Error ? error.message : String(error)}`,
        };
      }
    }),
  );
  const entries = [...own, ...heard.flatMap(({ entries }) => entries)].filter(isObject);
  entries.sort((left, right) => Number(left["at"]) - Number(right["at"]));
  return {
    seenBy: deps.view.identity.name,
    name,
    entries,
    silent: heard.flatMap(({ silent }) => silent ?? []),
  };
}

function entriesOf({ notes, view }: ApiDeps, query: URLSearchParams): JsonObject[] {
  const name = query.get("name") ?? "";
  const namespace = query.get("namespace") ?? "default";
  const kind = query.get("kind") ?? "Deployment";
  const about = notes().filter(
    ({ about }) => about?.kind === kind && about.name === name && about.namespace === namespace,
  );
  const since = about[0]?.at ?? Number.POSITIVE_INFINITY;
  const verdicts = notes()
    .filter(({ reason, at }) => verdictReasons.has(reason) && at >= since)
    .slice(-ofNodesMax);
  return [...about, ...verdicts]
    .sort((left, right) => left.at - right.at)
    .map(({ at, reason, message, level }) => ({
      at,
      node: view.identity.name,
      level,
      reason,
      message: withNodeNames(message, nodeNames(view)),
    }));
}
