import type { IncomingMessage } from "node:http";
import { isList, isObject, parseJson, type Json, type JsonObject } from "../core/kernel/json.ts";
import { shortJson } from "../core/intents/field-problem.ts";
import { ApiError, badRequest } from "./status.ts";
import { protobufToJson } from "./protobuf.ts";

const bodyBytesMax = 3 * 1024 * 1024;

export function readBody(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > bodyBytesMax)
        reject(new ApiError(413, "RequestEntityTooLarge", `the body has more than ${bodyBytesMax} bytes`));
      else chunks.push(chunk);
    });
    request.on("error", reject);
    request.on("end", () => resolve(Buffer.concat(chunks)));
  });
}

/**
 * The object in a request: JSON, YAML, or Kubernetes' protobuf for the kinds that clients send so.
 *
 * @param empty What an empty body stands for, where it may be empty.
 */
export async function readObject(request: IncomingMessage, empty?: JsonObject): Promise<JsonObject> {
  const bytes = await readBody(request);
  if (bytes.length === 0 && empty !== undefined) return empty;
  const type = (request.headers["content-type"] ?? "application/json").split(";")[0]?.trim() ?? "";
  const json = await decode(bytes, type);
  if (isObject(json)) return json;
  const what = isList(json) ? "a list" : json === null ? "empty" : shortJson(json);
  throw badRequest(`the body is ${what}: send an object`);
}

/** Any JSON value: a JSON patch is a list. */
export async function readValue(request: IncomingMessage): Promise<Json> {
  const bytes = await readBody(request);
  const type = (request.headers["content-type"] ?? "application/json").split(";")[0]?.trim() ?? "";
  return decode(bytes, type);
}

async function decode(bytes: Buffer, type: string): Promise<Json> {
  if (bytes.length === 0) return null;
  if (type === "application/vnd.kubernetes.protobuf") return protobufToJson(bytes);
  if (/^application\/([\w.-]+\+)?json$/.test(type) || type === "") {
    const json = parseJson(bytes);
    if (json === undefined) throw badRequest(`the body is not valid JSON${whyNotJson(bytes)}`);
    return json;
  }
  if (type === "application/yaml" || type === "application/apply-patch+yaml") {
    const direct = parseJson(bytes);
    if (direct !== undefined) return direct;
    const { parse } = await import("yaml");
    try {
      return parse(bytes.toString(), { maxAliasCount: 100 }) as Json;
    } catch (error) {
      throw badRequest(
        `the body is not valid YAML: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
  throw new ApiError(
    415,
    "UnsupportedMediaType",
    `content type ${type} is not supported: use application/json or application/yaml`,
  );
}

/** Where it breaks; empty where it nests too deeply. */
function whyNotJson(bytes: Buffer): string {
  try {
    JSON.parse(bytes.toString());
    return "";
  } catch (error) {
    return `: ${error instanceof Error ? error.message : String(error)}`;
  }
}
