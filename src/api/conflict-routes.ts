import type { IncomingMessage, ServerResponse } from "node:http";
import type { Json, JsonObject } from "../core/kernel/json.ts";
import { wholeObject } from "../core/intents/conflicts.ts";
import type { Before, Change, ConflictSide, FieldConflict } from "../core/intents/contract.ts";
import { kindOf } from "../core/intents/kinds/index.ts";
import { planResolve, sidesOf, type Choice, type ResolveError } from "../core/intents/resolve.ts";
import type { ObjectRef } from "../core/records/keys.ts";
import type { User } from "./auth.ts";
import { readObject } from "./body.ts";
import type { ApiDeps } from "./contract.ts";
import { flagIn, textIn } from "./field-errors.ts";
import {
  authorship,
  listed,
  namedObject,
  namespaceFlag,
  pathNamed,
  shellWord,
  shortName,
  valueOrGone,
} from "./named-object.ts";
import { ApiError, badRequest, errorOfWrite, sendJson } from "./status.ts";

/** Conflicts, for people to read and to end. */

type Found = { readonly ref: ObjectRef; readonly conflict: FieldConflict };

export function conflictsOf(deps: ApiDeps): JsonObject[] {
  return allConflicts(deps).map(({ ref, conflict }) => {
    const side = (one: ConflictSide): JsonObject => ({ ...valueOrGone(one.value), ...authorship(deps, one) });
    return {
      group: ref.group,
      kind: ref.kind,
      namespace: ref.namespace,
      name: ref.name,
      field: conflict.path,
      winner: side(conflict.winner),
      losers: conflict.losers.map(side),
      base: baseJson(conflict.base),
      otherSide: commandFor(ref, conflict, conflict.losers.length === 1 ? "loser" : "2"),
    };
  });
}

export const baseJson = (base: Before): JsonObject =>
  base.type === "unknown" ? { known: false } : { known: true, ...valueOrGone(base.value) };

function commandFor(ref: ObjectRef, { path }: FieldConflict, take: string): string {
  const object = shellWord(`${ref.kind.toLowerCase()}/${ref.name}`);
  return `starlight resolve ${object} ${shellWord(path)} --take ${take}${namespaceFlag(ref)}`;
}

const allConflicts = ({ view }: ApiDeps): readonly Found[] =>
  view.conflicts().map(({ object, conflict }) => ({ ref: object.ref, conflict }));

/** `{ kind, name, field, take | value }` ends one conflict, `{ all: true, take }` many. */
export async function resolve(
  deps: ApiDeps,
  user: User,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await readObject(request);
  const dryRun = flagIn(body, "dryRun");
  const choices = flagIn(body, "all") ? chosenMany(deps, body) : [chosenOne(deps, body)];
  const changes = choices.map((choice) => planned(deps, choice));
  if (changes.length > 0) {
    const reply = await deps.write(changes, user.name, { dryRun });
    if (!reply.ok) throw errorOfWrite(reply.error);
  }
  const resolved = choices.map(({ found: { ref, conflict }, choice }): JsonObject => {
    const side = choice.type === "take" ? sidesOf(conflict)[choice.side] : undefined;
    const written = choice.type === "value" ? choice.value : side?.value;
    return { ...ref, field: conflict.path, ...valueOrGone(written) };
  });
  sendJson(response, 200, { resolved, left: deps.view.conflicts().length });
}

type Chosen = { readonly found: Found; readonly choice: Choice };

function chosenOne(deps: ApiDeps, body: JsonObject): Chosen {
  const { ref } = namedObject(deps, body);
  const conflicts = conflictsAbout(deps, ref);
  const name = shortName(ref);
  if (conflicts.length === 0) {
    const others = [...new Set(allConflicts(deps).map((found) => shortName(found.ref)))];
    const hint = others.length === 0 ? "and nothing else has any" : `conflicts are in ${listed(others)}`;
    throw new ApiError(404, "NotFound", `${name} has no conflicts; ${hint}`);
  }
  const paths = conflicts.map(({ conflict }) => conflict.path);
  const field = textIn(body, "field");
  if (field === "") throw badRequest(`which field of ${name}? It has conflicts at ${listed(paths)}`);
  const path = pathNamed(field, paths);
  const found = conflicts.find(({ conflict }) => conflict.path === path);
  if (found === undefined) {
    throw new ApiError(404, "NotFound", `${name} has no conflict at ${field}; it has: ${listed(paths)}`);
  }
  return { found, choice: choiceOf(body, found) };
}

function conflictsAbout(deps: ApiDeps, ref: ObjectRef): readonly Found[] {
  const about = JSON.stringify(ref);
  return allConflicts(deps).filter((found) => JSON.stringify(found.ref) === about);
}

const changesMax = 1_000;

/** One change per conflict; where an object is to go or to come back as a whole, that is the only one. */
function chosenMany(deps: ApiDeps, body: JsonObject): readonly Chosen[] {
  const wanted = ["group", "kind", "namespace", "name"].filter((key) => textIn(body, key) !== "");
  const choices: Chosen[] = [];
  const seen = new Set<string>();
  for (const found of allConflicts(deps)) {
    const { ref, conflict } = found;
    if (wanted.some((key) => ref[key as keyof ObjectRef] !== body[key])) continue;
    const object = JSON.stringify(ref);
    const key = `${object}${conflict.path}`;
    if (seen.has(object) || seen.has(key)) continue;
    const choice = choiceOf(body, found);
    seen.add(key);
    if (conflict.path === wholeObject && !staysAsItIs(deps, found, choice)) seen.add(object);
    choices.push({ found, choice });
  }
  if (choices.length > changesMax) {
    throw badRequest(`${choices.length} conflicts are more than ${changesMax} at once: choose a namespace`);
  }
  return choices;
}

function staysAsItIs({ view }: ApiDeps, { ref, conflict }: Found, choice: Choice): boolean {
  const side = choice.type === "take" ? sidesOf(conflict)[choice.side] : undefined;
  return view.object(ref)?.exists === true && side?.value !== undefined;
}

function choiceOf(body: JsonObject, { ref, conflict }: Found): Choice {
  const { take, value } = body;
  const sides = sidesOf(conflict);
  const where = `${shortName(ref)} ${conflict.path}`;
  if ((take === undefined) === (value === undefined)) {
    throw badRequest(`${where}: say either take (winner, loser or a number) or value`);
  }
  if (value !== undefined) return { type: "value", value };
  if (take === "winner") return { type: "take", side: 0 };
  if (take === "loser" && sides.length === 2) return { type: "take", side: 1 };
  const number = Number(take);
  if (take !== "loser" && Number.isInteger(number) && number >= 1 && number <= sides.length) {
    return { type: "take", side: number - 1 };
  }
  const shown = sides.map((side, at) => `${at + 1} is ${sideText(side.value)} by ${side.actor}`);
  throw badRequest(
    `${where}: take ${String(take)} is none of its ${sides.length} sides: ${shown.join(", ")}`,
  );
}

function planned({ view }: ApiDeps, { found: { ref, conflict }, choice }: Chosen): Change {
  const kind = kindOf(ref.group, ref.kind);
  if (kind === undefined) throw badRequest(`kind ${ref.kind} is not supported`);
  const change = planResolve(kind, ref, view.entries(ref), conflict, choice);
  if (change.ok) return change.value;
  throw badRequest(`${shortName(ref)} ${conflict.path}: ${reasonOf(change.error)}`);
}

function reasonOf(error: ResolveError): string {
  switch (error.type) {
    case "no-such-side":
      return `it has ${error.sides} sides`;
    case "not-a-field":
      return "a value can be given for a field only; take a side, and edit the object then";
    case "forgotten":
      return "the records do not hold enough of that side any more; apply the object again";
  }
}

/** Short, for messages. */
function sideText(value: Json | undefined): string {
  if (value === undefined) return "gone";
  const json = JSON.stringify(value);
  return json.length > 60 ? `${json.slice(0, 57)}...` : json;
}
