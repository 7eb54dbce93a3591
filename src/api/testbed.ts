import { readFileSync } from "node:fs";
import { request as httpsRequest, type RequestOptions } from "node:https";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { bareParts, createTestBed, type MeshOptions } from "../app/testbed.ts";
import { createToken } from "../app/tokens.ts";
import { isObject, type Json, type JsonObject } from "../core/kernel/json.ts";
import { administrators, viewers } from "./auth.ts";
import { createApi } from "./create-api.ts";

/** What the tests of this folder share: a mesh of one node that runs nothing, and a client. */

export type Answer = {
  readonly status: number;
  readonly type: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: JsonObject;
  readonly text: string;
};

export type CallOptions = {
  /** A bearer token; the administrator's by default, none when empty. */
  readonly token?: string;
  /** Content type of the body. */
  readonly type?: string;
  readonly accept?: string;
  readonly agent?: string;
  /** Of the request, besides those above. */
  readonly headers?: { readonly [name: string]: string };
  readonly tls?: Pick<RequestOptions, "key" | "cert">;
};

export type Watch = {
  /** The next event; rejects after 20 s. */
  readonly next: () => Promise<{ readonly type: string; readonly object: JsonObject }>;
  readonly close: () => void;
};

export type ApiBed = {
  readonly directory: string;
  readonly server: string;
  readonly admin: string;
  readonly viewer: string;
  readonly call: (
    method: string,
    path: string,
    body?: Json | string | Buffer,
    options?: CallOptions,
  ) => Promise<Answer>;
  readonly watch: (path: string, options?: CallOptions) => Promise<Watch>;
  readonly close: () => Promise<void>;
};

const deadlineMs = 20_000;

export async function createApiBed(name: string, options: MeshOptions = {}): Promise<ApiBed> {
  const bed = createTestBed();
  const directory = await bed.mesh(name, options);
  const { port } = await bed.agent(directory, { parts: { ...bareParts, api: createApi } });
  const ca = readFileSync(join(directory, "identity", "ca.crt"));
  const admin = createToken(directory, { name: "alice", groups: [administrators] }, Date.now());
  const viewer = createToken(directory, { name: "victor", groups: [viewers] }, Date.now());

  const send = (
    method: string,
    path: string,
    body: Json | string | Buffer | undefined,
    {
      token = admin,
      type = "application/json",
      accept,
      agent = "test/1",
      headers: more = {},
      tls = {},
    }: CallOptions,
  ): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const headers = {
        "user-agent": agent,
        ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
        ...(accept === undefined ? {} : { accept }),
        ...(body === undefined ? {} : { "content-type": type }),
        ...more,
      };
      const request = httpsRequest({
        host: "127.0.0.1",
        port,
        path,
        method,
        headers,
        ca,
        servername: "starlight",
        agent: false,
        timeout: deadlineMs,
        ...tls,
      });
      request.on("timeout", () =>
        request.destroy(new Error(`${method} ${path}: no answer in ${deadlineMs} ms`)),
      );
      request.on("error", reject);
      request.on("response", resolve);
      request.end(typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body));
    });

  return {
    directory,
    server: `127.0.0.1:${port}`,
    admin,
    viewer,
    call: async (method, path, body, options = {}) => {
      const response = await send(method, path, body, options);
      const { statusCode = 0, headers } = response;
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      const text = Buffer.concat(chunks).toString();
      const type = headers["content-type"] ?? "";
      const json: unknown = type.startsWith("application/json") ? JSON.parse(text) : {};
      return {
        status: statusCode,
        type,
        headers,
        text,
        body: isObject(json as Json) ? (json as JsonObject) : {},
      };
    },
    watch: async (path, options = {}) => linesOf(await send("GET", path, undefined, options)),
    close: () => bed.close(),
  };
}

function linesOf(response: IncomingMessage): Watch {
  const lines = (async function* () {
    let rest = "";
    for await (const chunk of response.setEncoding("utf8")) {
      const parts = (rest + String(chunk)).split("\n");
      rest = parts.pop() ?? "";
      yield* parts;
    }
  })();
  return {
    next: async () => {
      const timer = setTimeout(() => response.destroy(new Error("no event")), deadlineMs);
      const line = await lines.next();
      clearTimeout(timer);
      if (line.done === true) throw new Error("the watch has ended");
      return JSON.parse(line.value) as { readonly type: string; readonly object: JsonObject };
    },
    close: () => response.destroy(),
  };
}

/** What is at a path such as `spec.template.spec.containers.0.image`. */
export function at(json: Json | undefined, path: string): Json | undefined {
  let found: unknown = json;
  for (const part of path.split(".")) {
    found = typeof found === "object" && found !== null ? Reflect.get(found, part) : undefined;
  }
  return found as Json | undefined;
}

export function configMap(name: string, data: { readonly [key: string]: string }): JsonObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data };
}

export function deployment(name: string, replicas = 1): JsonObject {
  const labels = { app: name };
  const containers = [{ name: "main", image: "shop:1", command: ["sleep", "1000"] }];
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, labels },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers } },
    },
  };
}

/** A deployment that this node's runtime can run. */
export function running(name: string, replicas: number, more: JsonObject = {}): JsonObject {
  const labels = { app: name };
  const containers = [{ name: "main", image: "shop:1", command: ["sleep", "1000"] }];
  const spec = { runtimeClassName: "none", terminationGracePeriodSeconds: 0, containers, ...more };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  };
}
