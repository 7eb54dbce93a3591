import type { ServerResponse } from "node:http";
import type { Json, JsonObject } from "../core/kernel/json.ts";
import { conflictMessage, managerText } from "../core/intents/conflict-message.ts";
import { kindOf } from "../core/intents/kinds/index.ts";
import { apiVersionOf } from "../core/intents/kinds/kind.ts";
import { causeOf } from "./field-causes.ts";
import type { WriteError } from "../core/node/contract.ts";
import type { ObjectRef } from "../core/records/keys.ts";

/** A refused request, as Kubernetes says it: HTTP code, reason, message, causes. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: number;
  readonly reason: string;
  readonly details: JsonObject | undefined;

  constructor(code: number, reason: string, message: string, details?: JsonObject) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.details = details;
  }
}

export const notFound = (resource: string, name: string): ApiError =>
  new ApiError(404, "NotFound", `${resource} "${name}" not found`, { name, kind: resource });

export const badRequest = (message: string): ApiError => new ApiError(400, "BadRequest", message);

export function sendJson(
  response: ServerResponse,
  code: number,
  body: Json,
  headers: { [name: string]: string } = {},
): void {
  if (response.headersSent) return;
  response.writeHead(code, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

export function sendError(response: ServerResponse, error: unknown): void {
  const known = error instanceof ApiError ? error : new ApiError(500, "InternalError", String(error));
  if (response.headersSent) {
    response.end();
    return;
  }
  sendJson(response, known.code, statusOf(known));
}

export function statusOf({ code, reason, message, details }: ApiError): JsonObject {
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason,
    ...(details === undefined ? {} : { details }),
    code,
  };
}

/** What the core refused, in the API's words. */
export function errorOfWrite(error: WriteError): ApiError {
  switch (error.type) {
    case "invalid": {
      const what = nameOf(error.ref);
      const causes = error.problems.map(causeOf);
      const lines = causes.map(({ field, message }) => `${field}: ${message}`).join("; ");
      const details = { name: error.ref.name, group: error.ref.group, kind: error.ref.kind, causes };
      return new ApiError(422, "Invalid", `${what} is invalid: ${lines}`, details);
    }
    case "conflict": {
      const { ref, fields } = error;
      const kind = kindOf(ref.group, ref.kind);
      const apiVersion = kind === undefined ? ref.group : apiVersionOf(kind);
      const causes = fields.map((field) => ({
        reason: "FieldManagerConflict",
        message: `conflict with ${managerText(field, apiVersion)}`,
        field: `.${field.path}`,
      }));
      const message = conflictMessage(fields, apiVersion);
      return new ApiError(409, "Conflict", message, { causes });
    }
    case "already-exists":
      return new ApiError(409, "AlreadyExists", `${nameOf(error.ref)} already exists`, {
        name: error.ref.name,
      });
    case "not-found":
      return new ApiError(404, "NotFound", `${nameOf(error.ref)} not found`, { name: error.ref.name });
    case "not-a-member": {
      const why =
        "this node has left the mesh or was revoked: nothing written here would count; use another node";
      return new ApiError(403, "Forbidden", why);
    }
    case "storage":
      return new ApiError(507, "InternalError", `nothing was stored: ${error.detail}`);
  }
}

const nameOf = ({ group, kind, name }: ObjectRef): string =>
  `${kind}${group === "" ? "" : `.${group}`} "${name}"`;
