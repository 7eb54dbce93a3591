import type { JsonObject } from "../core/kernel/json.ts";
import type { MemberView, Position } from "../core/node/contract.ts";
import type { ApiDeps } from "./contract.ts";
import { badRequest } from "./status.ts";

/** Who holds a write: the question to other members, and this node's answer to it. */

/** What one member said, or why it said nothing. */
export type Heard = { readonly member: MemberView; readonly holds: boolean; readonly why: string };

/** Questions under way at once, of all that wait at this node for one write. */
const askedAtOnceMax = 16;
const pauseMinMs = 20;
const pauseMaxMs = 500;
const pauseGrowth = 1.5;
/** A member that does not answer for so long makes room for the others. */
const answerMaxMs = 2_000;
const positionsMax = 64;
const path = "/starlight/v1/holds";

/**
 * Asks each member again and again until it holds these slots on its disk, or time is up. Members that are
 * out of view are not asked until they come back.
 */
export async function askUntilHeld(
  deps: ApiDeps,
  members: readonly MemberView[],
  slots: readonly string[],
  timeoutMs: number,
  given: AbortSignal,
): Promise<readonly Heard[]> {
  const deadline = performance.now() + timeoutMs;
  const signal = AbortSignal.any([given, AbortSignal.timeout(timeoutMs)]);
  const turns = createTurns(askedAtOnceMax);
  const wait = async (member: MemberView): Promise<Heard> => {
    let why = "there was no time to ask it";
    for (let pauseMs = pauseMinMs; ; pauseMs = Math.min(pauseGrowth * pauseMs, pauseMaxMs)) {
      if (deps.view.member(member.id) === undefined) return { member, holds: false, why: "it left the mesh" };
      const outOfView = whyOutOfView(deps, member.id);
      if (outOfView === undefined) {
        const answer = await turns(() => ask(deps, member, slots, signal), signal);
        if (answer === "holds") return { member, holds: true, why: "" };
        why = answer ?? why;
      } else why = outOfView;
      // The last question leaves time for its answer.
      const leftMs = deadline - performance.now() - pauseMinMs;
      if (given.aborted || leftMs <= 0) return { member, holds: false, why };
      await sleep(Math.min(pauseMs, leftMs), signal);
    }
  };
  return Promise.all(members.map(wait));
}

/** `GET holds?author=ID&version=N`, pairs repeated: whether this node holds all of it on its disk. */
export function holdsAnswer({ view }: ApiDeps, query: URLSearchParams): JsonObject {
  const authors = query.getAll("author");
  const versions = query
    .getAll("version")
    .map((text) => (/^\d{1,16}$/.test(text) ? Number(text) : Number.NaN));
  if (authors.length === 0 || authors.length !== versions.length || authors.length > positionsMax)
    throw badRequest(`give author=ID&version=N, 1 to ${positionsMax} times`);
  if (!versions.every((version) => Number.isSafeInteger(version)))
    throw badRequest("version: give the whole number that the write was stamped with");
  const { name, site, region } = view.identity;
  const holds = authors.every((author, at) => view.holds(author, versions[at] ?? Number.NaN));
  return { node: name, site, region, holds };
}

/**
 * @returns "holds", or why not; undefined when time was up before it was asked.
 */
async function ask(
  { view, ask: askMember }: ApiDeps,
  { id }: MemberView,
  slots: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const positions = view.positions(slots);
  try {
    for (let at = 0; at < positions.length; at += positionsMax) {
      const part = positions.slice(at, at + positionsMax);
      const limited = AbortSignal.any([signal, AbortSignal.timeout(answerMaxMs)]);
      const { status, text } = await askMember(id, `${path}?${queryOf(part)}`, limited);
      if (status !== 200) return `it answered ${status}`;
      if ((JSON.parse(text) as { holds?: unknown }).holds !== true) return "it does not hold it on disk yet";
    }
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  // What was replaced while the question was under way is held by nobody any more: what replaced it counts.
  return samePositions(positions, view.positions(slots)) ? "holds" : "it was written again meanwhile";
}

const queryOf = (positions: readonly Position[]): string =>
  positions.map(({ author, version }) => `author=${author}&version=${version}`).join("&");

const samePositions = (left: readonly Position[], right: readonly Position[]): boolean =>
  queryOf(left) === queryOf(right);

function whyOutOfView({ view }: ApiDeps, id: string): string | undefined {
  const evidence = view.member(id)?.evidence;
  if (evidence === undefined || evidence.verdict === "alive") return undefined;
  return `${evidence.verdict}: ${evidence.observations[0]?.what ?? "nobody in view has a link to it"}`;
}

type Turns = <T>(work: () => Promise<T>, signal: AbortSignal) => Promise<T | undefined>;

/** So many at once; the rest in the order in which they asked. Nothing is begun after the signal. */
function createTurns(atOnce: number): Turns {
  const queue: (() => void)[] = [];
  let free = atOnce;
  return async (work, signal) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => queue.push(resolve));
    try {
      return signal.aborted ? undefined : await work();
    } finally {
      const next = queue.shift();
      if (next === undefined) free++;
      else next();
    }
  };
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
  });
}
