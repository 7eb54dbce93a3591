import { createWriteStream, existsSync, readFileSync, rmSync } from "node:fs";
import { request as httpsRequest } from "node:https";
import type { IncomingMessage } from "node:http";
import { text as textOf } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import { CommandError } from "./command-error.ts";
import { layoutOf } from "../shells/identity-file/layout.ts";

/** Talks to a node's API with the credentials of a kubeconfig. */
export type Client = {
  readonly server: string;
  /** JSON in, JSON out; throws a `CommandError` with the server's message. */
  readonly call: (method: string, path: string, body?: unknown, options?: CallOptions) => Promise<Answer>;
  /** A file there, a file back, each as a stream of bytes; fails like `call`. */
  readonly exchange: (path: string, body: Readable | undefined) => Promise<IncomingMessage>;
  /** The answer as a stream of text chunks: logs and watches. */
  readonly stream: (path: string, onChunk: (text: string) => void, options?: CallOptions) => Promise<void>;
  /** The answer to a POST, into a file that is removed again when not all of it came. */
  readonly download: (path: string, file: string) => Promise<void>;
};

export type CallOptions = {
  readonly accept?: string | undefined;
  readonly contentType?: string | undefined;
  readonly timeoutMs?: number | undefined;
};

export type Answer = {
  readonly status: number;
  readonly text: string;
  readonly headers: IncomingMessage["headers"];
};

type Credentials = {
  readonly server: string;
  readonly ca: string;
  readonly servername: string;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly token?: string | undefined;
};

export type ConnectOptions = {
  readonly data: string;
  readonly kubeconfig?: string | undefined;
  /** `host:port` */
  readonly server?: string | undefined;
};

export async function connect(options: ConnectOptions): Promise<Client> {
  const path = options.kubeconfig ?? process.env["STARLIGHT_KUBECONFIG"] ?? layoutOf(options.data).kubeconfig;
  if (!existsSync(path)) {
    throw new CommandError(
      "notInitialised",
      `no kubeconfig at ${path}: run this where the mesh was made, or give --kubeconfig FILE (copy it from the first node's admin/ folder)`,
    );
  }
  const credentials = await readKubeconfig(path, options.server);
  return {
    server: credentials.server,
    call: (...args) => call(credentials, ...args),
    exchange: (path, body) => exchange(credentials, path, body),
    stream: (...args) => stream(credentials, ...args),
    download: (...args) => download(credentials, ...args),
  };
}

/** `host:port` of the node that a kubeconfig names. */
export async function serverIn(kubeconfig: string): Promise<string> {
  const { server } = await readKubeconfig(kubeconfig, undefined);
  return server.replace(/^https:\/\//, "");
}

async function readKubeconfig(path: string, server: string | undefined): Promise<Credentials> {
  const { parse } = await import("yaml");
  const config = parse(readFileSync(path, "utf8")) as {
    readonly "current-context": string;
    readonly contexts: readonly { name: string; context: { cluster: string; user: string } }[];
    readonly clusters: readonly { name: string; cluster: { [field: string]: string } }[];
    readonly users: readonly { name: string; user: { [field: string]: string } }[];
  };
  const context = config.contexts.find(({ name }) => name === config["current-context"])?.context;
  const cluster = config.clusters.find(({ name }) => name === context?.cluster)?.cluster;
  const user = config.users.find(({ name }) => name === context?.user)?.user;
  if (cluster === undefined || user === undefined)
    throw new CommandError("usage", `${path} has no usable current-context`);
  const decode = (text: string | undefined): string | undefined =>
    text === undefined ? undefined : Buffer.from(text, "base64").toString();
  return {
    server: server === undefined ? (cluster["server"] ?? "") : `https://${server}`,
    ca: decode(cluster["certificate-authority-data"]) ?? "",
    servername: cluster["tls-server-name"] ?? "starlight",
    cert: decode(user["client-certificate-data"]),
    key: decode(user["client-key-data"]),
    token: user["token"],
  };
}

/** Of the paths that are ours; Kubernetes' answer with a `Status` object. */
const problemType = "application/problem+json";

async function call(
  credentials: Credentials,
  method: string,
  path: string,
  body?: unknown,
  options: CallOptions = {},
): Promise<Answer> {
  const response = await send(credentials, method, path, body, options);
  const text = await textOf(response);
  const status = statusOf(response);
  // What is written wrong is a usage error, whether this side finds it or the node.
  if (status === 422 && response.headers["content-type"] === problemType)
    throw new CommandError("usage", messageOf(text, status));
  if (status >= 400) throw failureOf(text, status);
  return { status, text, headers: response.headers };
}

async function exchange(
  credentials: Credentials,
  path: string,
  body: Readable | undefined,
): Promise<IncomingMessage> {
  const response = await send(credentials, "POST", path, body, { timeoutMs: 0 });
  const status = statusOf(response);
  if (status < 400) return response;
  const text = await textOf(response);
  throw status === 409 ? new CommandError("wrongMesh", messageOf(text, status)) : failureOf(text, status);
}

async function stream(
  credentials: Credentials,
  path: string,
  onChunk: (text: string) => void,
  options: CallOptions = {},
): Promise<void> {
  const response = await send(credentials, "GET", path, undefined, { ...options, timeoutMs: 0 });
  const status = statusOf(response);
  if (status >= 400) throw failureOf(await textOf(response), status);
  response.setEncoding("utf8");
  for await (const chunk of response) onChunk(String(chunk));
}

const downloadIdleMsMax = 300_000;

async function download(credentials: Credentials, path: string, file: string): Promise<void> {
  const options = { accept: "*/*", timeoutMs: downloadIdleMsMax };
  const response = await send(credentials, "POST", path, undefined, options);
  const status = statusOf(response);
  if (status >= 400) throw failureOf(await textOf(response), status);
  try {
    rmSync(file, { force: true });
    await pipeline(response, createWriteStream(file, { flags: "wx", mode: 0o600, flush: true }));
  } catch (error) {
    rmSync(file, { force: true });
    throw new CommandError("failed", `${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function send(
  credentials: Credentials,
  method: string,
  path: string,
  body: unknown,
  options: CallOptions,
): Promise<IncomingMessage> {
  const { server, ca, servername, cert, key, token } = credentials;
  const url = new URL(path, server);
  const stream = body instanceof Readable ? body : undefined;
  const payload =
    body === undefined || stream !== undefined
      ? undefined
      : typeof body === "string"
        ? body
        : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      url,
      {
        method,
        ca,
        servername,
        minVersion: "TLSv1.3",
        agent: false,
        ...(cert === undefined || key === undefined ? {} : { cert, key }),
        headers: {
          accept: options.accept ?? "application/json",
          "user-agent": "starlight",
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(payload === undefined
            ? stream === undefined
              ? {}
              : { "content-type": "application/octet-stream" }
            : {
                "content-type": options.contentType ?? "application/json",
                "content-length": String(Buffer.byteLength(payload)),
              }),
        },
      },
      resolve,
    );
    const timeout = options.timeoutMs ?? 15_000;
    if (timeout > 0)
      request.setTimeout(timeout, () => request.destroy(new Error(`no answer in ${timeout} ms`)));
    request.on("error", (error) =>
      reject(
        new CommandError(
          "unreachable",
          `${server}: ${error.message}; is the agent running? choose another node with --server HOST:PORT`,
        ),
      ),
    );
    if (stream === undefined) request.end(payload);
    else stream.on("error", reject).pipe(request);
  });
}

const statusOf = ({ statusCode }: IncomingMessage): number => statusCode ?? 0;

function failureOf(text: string, status: number): CommandError {
  const refused = status === 401 || status === 403;
  return new CommandError(refused ? "notAllowed" : "failed", messageOf(text, status));
}

function messageOf(text: string, status: number): string {
  try {
    const { message, detail } = JSON.parse(text) as { message?: string; detail?: string };
    return message ?? detail ?? `the node answered ${status}`;
  } catch {
    return `the node answered ${status}: ${text.slice(0, 200)}`;
  }
}
