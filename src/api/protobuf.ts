import { isList, type Json, type JsonObject } from "../core/kernel/json.ts";
import { Reader, textOf } from "../core/kernel/bytes.ts";
import { ApiError, badRequest } from "./status.ts";

/**
 * Kubernetes' protobuf envelope (`k8s\0` and runtime.Unknown) for the kinds that kubectl and helm send in
 * it whatever the server prefers. Answers are JSON, which those clients accept.
 */

type Field = readonly [
  name: string,
  type: "text" | "texts" | "bool" | "int" | { readonly [number: number]: Field },
];
type Message = { readonly [number: number]: Field };

const resourceAttributes: Message = {
  1: ["namespace", "text"],
  2: ["verb", "text"],
  3: ["group", "text"],
  4: ["version", "text"],
  5: ["resource", "text"],
  6: ["subresource", "text"],
  7: ["name", "text"],
};

const messages: { readonly [kind: string]: Message } = {
  SelfSubjectAccessReview: {
    2: [
      "spec",
      {
        1: ["resourceAttributes", resourceAttributes],
        2: ["nonResourceAttributes", { 1: ["path", "text"], 2: ["verb", "text"] }],
      },
    ],
  },
  SelfSubjectRulesReview: { 2: ["spec", { 1: ["namespace", "text"] }] },
  Eviction: {
    1: ["metadata", { 1: ["name", "text"], 3: ["namespace", "text"] }],
    2: [
      "deleteOptions",
      {
        1: ["gracePeriodSeconds", "int"],
        2: ["preconditions", { 1: ["uid", "text"] }],
        5: ["dryRun", "texts"],
      },
    ],
  },
  Namespace: { 1: ["metadata", { 1: ["name", "text"], 3: ["namespace", "text"] }] },
};

const envelope: Message = { 1: ["typeMeta", { 1: ["apiVersion", "text"], 2: ["kind", "text"] }] };

export function protobufToJson(bytes: Uint8Array): JsonObject {
  if (textOf(bytes.subarray(0, 4)) !== "k8s\0") throw badRequest("the body is not Kubernetes protobuf");
  const outer = read(bytes.subarray(4), envelope);
  const typeMeta = outer.json["typeMeta"] as { apiVersion?: string; kind?: string } | undefined;
  const message = messages[typeMeta?.kind ?? ""];
  const raw = outer.raw.get(2);
  if (message === undefined || raw === undefined) {
    throw new ApiError(
      415,
      "UnsupportedMediaType",
      `protobuf is not supported for ${typeMeta?.kind ?? "this kind"}: send JSON`,
    );
  }
  return { ...typeMeta, ...read(raw, message).json };
}

function read(bytes: Uint8Array, message: Message): { json: JsonObject; raw: Map<number, Uint8Array> } {
  const reader = new Reader(bytes);
  const json: { [name: string]: Json } = {};
  const raw = new Map<number, Uint8Array>();
  while (!reader.done && !reader.failed) {
    const tag = reader.uint();
    const number = Math.floor(tag / 8);
    const field = message[number];
    if (tag % 8 === 0) {
      const value = reader.uint();
      if (field?.[1] === "bool") json[field[0]] = value !== 0;
      if (field?.[1] === "int") json[field[0]] = value;
    } else if (tag % 8 === 2) {
      const run = reader.bytes(bytes.length);
      raw.set(number, run);
      if (field === undefined) continue;
      const before = json[field[0]];
      if (field[1] === "texts") json[field[0]] = [...(isList(before) ? before : []), textOf(run) ?? ""];
      else json[field[0]] = typeof field[1] === "object" ? read(run, field[1]).json : (textOf(run) ?? "");
    } else throw badRequest("the protobuf body cannot be read");
  }
  if (reader.failed) throw badRequest("the protobuf body is cut short");
  return { json, raw };
}
