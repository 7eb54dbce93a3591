import type { IncomingMessage, ServerResponse } from "node:http";
import { wallOf } from "../core/kernel/hybrid-clock.ts";
import type { JsonObject } from "../core/kernel/json.ts";
import { historyOf, type KnownWrite } from "../core/intents/history.ts";
import { managerParts } from "../core/intents/manager.ts";
import { pastBytesMax, pastPerFieldMax } from "../core/intents/past.ts";
import { planUndo, type UndoError } from "../core/intents/undo.ts";
import type { User } from "./auth.ts";
import { readObject } from "./body.ts";
import { baseJson } from "./conflict-routes.ts";
import type { ApiDeps } from "./contract.ts";
import { flagIn, textIn } from "./field-errors.ts";
import {
  authorship,
  listed,
  namedObject,
  namespaceFlag,
  pathNamed,
  shortName,
  valueOrGone,
} from "./named-object.ts";
import type { NamedObject } from "./named-object.ts";
import { ApiError, badRequest, errorOfWrite, sendJson } from "./status.ts";
import { timeOf } from "./values.ts";

/** The writes that an object's records still tell of, and taking them back. */

export function history(deps: ApiDeps, query: URLSearchParams): JsonObject {
  const { kind, ref, entries } = namedObject(deps, Object.fromEntries(query));
  const writes = historyOf(kind, entries).map((write): JsonObject => ({
    ...writeJson(deps, write),
    deletes: write.deletes,
    made: write.first,
    fields: write.fields.map(({ path, op, value, place, stands, before }) => ({
      field: path,
      op,
      ...(place ? { place } : {}),
      ...valueOrGone(value),
      stands,
      before: baseJson(before),
    })),
  }));
  return { ...ref, exists: deps.view.object(ref)?.exists === true, seenBy: deps.view.identity.name, writes };
}

function writeJson(deps: ApiDeps, write: KnownWrite): JsonObject {
  const { name, operation } = managerParts(write.manager);
  return authorship(deps, { ...write, manager: name, operation });
}

/** `{ kind, name, field?, to?, dryRun? }` */
export async function undo(
  deps: ApiDeps,
  user: User,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await readObject(request);
  const dryRun = flagIn(body, "dryRun");
  const object = namedObject(deps, body);
  const { kind, ref, entries } = object;
  const to = body["to"] === undefined ? undefined : Number(body["to"]);
  if (to !== undefined && !Number.isSafeInteger(to))
    throw badRequest(`to: Invalid value: ${JSON.stringify(body["to"])}: give a version of the history`);
  const field = fieldOf(object, textIn(body, "field"));
  const plan = planUndo(kind, ref, entries, { field, to });
  if (!plan.ok) throw errorOfUndo(object, plan.error);
  const { change, undoes, fields } = plan.value;
  const reply = await deps.write([change], user.name, { dryRun });
  if (!reply.ok) throw errorOfWrite(reply.error);
  sendJson(response, 200, {
    ...ref,
    undid: writeJson(deps, undoes),
    cameBack: undoes.deletes,
    fields: fields.map((changed) => ({
      field: changed.path,
      from: valueOrGone(changed.from),
      to: valueOrGone(changed.to),
    })),
    durability: reply.value.durability,
  });
}

function fieldOf({ kind, entries }: NamedObject, field: string): string | undefined {
  if (field === "") return undefined;
  const known = historyOf(kind, entries).flatMap((write) => write.fields.map(({ path }) => path));
  return pathNamed(field, known) ?? field;
}

function errorOfUndo({ ref }: NamedObject, error: UndoError): ApiError {
  const name = shortName(ref);
  const words = `${ref.kind.toLowerCase()}/${ref.name}${namespaceFlag(ref)}`;
  const see = `see starlight history ${words}`;
  switch (error.type) {
    case "not-found":
      return new ApiError(404, "NotFound", `nothing is known of ${name}`);
    case "deleted":
      return refused(`${name} is deleted; starlight undo ${words} brings it back as it was`);
    case "made-it": {
      const { actor, version } = error.write;
      const when = timeOf(wallOf(version));
      return refused(
        `the write by ${actor} at ${when} made ${name}, so there is nothing before it; starlight delete ${words} takes it away`,
      );
    }
    case "forgotten": {
      const { fields, more } = error;
      const others = more > 0 && fields.length > 0 ? ` and ${more} more` : "";
      const what = fields.length > 0 ? `${listed(fields)}${others}` : `${more} of its fields`;
      return refused(
        `what ${what} held before is no longer known: a record keeps the last ${pastPerFieldMax} overwritten values of a field and ${pastBytesMax} bytes of them; nothing was changed; ${see}, and use --field for what is known`,
      );
    }
    case "unknown-version":
      return refused(`${name} has no such version; known are ${listed(error.known.map(String))}`);
    case "unknown-field":
      return refused(
        `no later write of ${name} touched that field; there are ${listed(error.known) || "none"}`,
      );
    case "nothing-to-do":
      return refused(`${name} is already what it would be; ${see}`);
  }
}

const refused = (message: string): ApiError => new ApiError(409, "Conflict", message);
