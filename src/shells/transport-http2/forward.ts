import type { ClientHttp2Session } from "node:http2";
import type { HttpRequest, HttpResponse } from "../../ports/http.ts";

/** Headers that belong to one connection, or prove an identity that does not travel. */
const notForwarded = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
  "te",
  "host",
  "authorization",
  "http2-settings",
]);

/** Sends a request on over a session and streams the answer back; failures become 502 with a Status. */
export function forwardRequest(
  session: Promise<ClientHttp2Session>,
  request: HttpRequest,
  response: HttpResponse,
): void {
  session.then(
    (ready) => pass(ready, request, response),
    (error: unknown) => fail(response, 504, `the node cannot be reached: ${messageOf(error)}`),
  );
}

function pass(session: ClientHttp2Session, request: HttpRequest, response: HttpResponse): void {
  const headers: { [name: string]: string | string[] } = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined && !name.startsWith(":") && !notForwarded.has(name)) headers[name] = value;
  }
  const stream = session.request({
    ...headers,
    ":method": request.method ?? "GET",
    ":path": request.url ?? "/",
    "starlight-forwarded": "1",
  });
  stream.on("response", (answer) => {
    const back: { [name: string]: string | string[] } = {};
    for (const [name, value] of Object.entries(answer)) {
      if (value !== undefined && !name.startsWith(":") && !notForwarded.has(name)) back[name] = String(value);
    }
    response.writeHead(Number(answer[":status"] ?? 502), back);
    stream.on("data", (chunk: Buffer) => {
      if (!response.write(chunk)) stream.pause();
    });
    response.on("drain", () => stream.resume());
    stream.on("end", () => response.end());
  });
  stream.on("error", (error) => fail(response, 502, `the node broke off: ${error.message}`));
  response.on("close", () => stream.close());
  request.on("data", (chunk: Buffer) => {
    if (!stream.write(chunk)) request.pause();
  });
  stream.on("drain", () => request.resume());
  request.on("end", () => stream.end());
}

function fail(response: HttpResponse, code: number, message: string): void {
  if (response.headersSent) {
    response.end();
    return;
  }
  response.writeHead(code, { "content-type": "application/json" });
  const status = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, code };
  response.end(JSON.stringify({ ...status, reason: code === 504 ? "Timeout" : "InternalError" }));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
