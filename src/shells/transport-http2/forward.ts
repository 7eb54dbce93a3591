import type { ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import { constants } from "node:http2";
import type { HttpRequest, HttpResponse } from "../../ports/http.ts";
import type { ClientSession } from "./client-sessions.ts";
import { DialError } from "./dial.ts";

/** Until the member's answer must have begun; its body may then go on for ever. */
const answerTimeoutMs = 30_000;
/** While it has not begun, the session is asked this often whether its other end is still there. */
const lookEveryMs = 1_000;

/**
 * Passes a request on over a session to another member and streams the answer back. The member sees us,
 * a node, as the client: who the user is was settled here, so credentials do not travel.
 *
 * Fails with a Kubernetes `Status`: 502 when the member cannot be reached or breaks off, 504 when it does
 * not answer. What only reads is asked once more over another session when the first one breaks off, since
 * the way to a member may have gone a moment before. Once the answer has begun, a failure cuts it off
 * visibly. An abort of either side ends both.
 */
export function forwardRequest(
  open: () => Promise<ClientSession>,
  request: HttpRequest,
  response: HttpResponse,
): void {
  let again = isRead(request);
  let aborted = false;
  response.on("close", () => (aborted = true));
  const attempt = (): void => {
    open().then(
      (session) => pass(session, request, response, brokeOff),
      (error: unknown) => {
        const why = error instanceof DialError ? error.why : "unreachable";
        const detail = error instanceof Error ? error.message : String(error);
        refuse(response, why === "unreachable" ? 504 : 502, `the node cannot be reached: ${detail}`);
      },
    );
  };
  const brokeOff = (): void => {
    if (aborted) return;
    if (!again) return refuse(response, 502, "the node broke off before it answered");
    again = false;
    attempt();
  };
  attempt();
}

/** It has no body and changes nothing. */
const isRead = ({ method, headers }: HttpRequest): boolean =>
  (method === "GET" || method === "HEAD") &&
  (headers["content-length"] ?? "0") === "0" &&
  headers["transfer-encoding"] === undefined;

function pass(
  session: ClientSession,
  request: HttpRequest,
  response: HttpResponse,
  brokeOff: () => void,
): void {
  if (request.destroyed && !request.complete) return;
  const bodiless = isRead(request);
  let stream: ClientHttp2Stream;
  try {
    stream = session.request(
      {
        ...travelling(request.headers),
        ":method": request.method ?? "GET",
        ":path": request.url ?? "/",
        "starlight-forwarded": "1",
      },
      bodiless,
    );
  } catch {
    return brokeOff();
  }
  const timer = setTimeout(() => {
    refuse(response, 504, `the node did not answer within ${answerTimeoutMs / 1000} s`);
    stream.close(constants.NGHTTP2_CANCEL);
  }, answerTimeoutMs);
  const look = setInterval(() => void session.answers(), lookEveryMs);
  const begun = (): void => {
    clearTimeout(timer);
    clearInterval(look);
  };

  stream.on("response", (answer) => {
    begun();
    response.writeHead(Number(answer[":status"] ?? 502), travelling(answer));
    stream.pipe(response);
  });
  stream.on("error", () => undefined);
  stream.on("close", () => {
    begun();
    request.unpipe(stream);
    if (!response.headersSent) brokeOff();
    else if (!stream.readableEnded || stream.rstCode !== constants.NGHTTP2_NO_ERROR) breakOff(response);
  });
  response.on("close", () => stream.close(constants.NGHTTP2_CANCEL));
  if (!bodiless) request.pipe(stream);
}

/** Headers of one connection only (RFC 9110, section 7.6.1), and proofs of identity. */
const notTravelling = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authorization",
  "proxy-authenticate",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
  "host",
  "authorization",
  "cookie",
]);

function travelling(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  const named = new Set((headers.connection ?? "").split(",").map((name) => name.trim().toLowerCase()));
  const kept: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(":") || notTravelling.has(name) || named.has(name)) continue;
    kept[name] = value;
  }
  return kept;
}

function refuse(response: HttpResponse, code: 502 | 504, message: string): void {
  if (response.headersSent || response.destroyed) return;
  const status = {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason: code === 504 ? "Timeout" : "ServiceUnavailable",
    code,
  };
  response.writeHead(code, { "content-type": "application/json" });
  response.end(JSON.stringify(status));
}

/** An answer that was begun and cannot be finished must not look whole. */
function breakOff(response: HttpResponse): void {
  if (response.writableEnded) return;
  const { stream } = response as { readonly stream?: ClientHttp2Stream };
  if (stream === undefined) response.destroy();
  else stream.close(constants.NGHTTP2_INTERNAL_ERROR);
}
