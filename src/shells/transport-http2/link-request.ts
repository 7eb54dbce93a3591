import type { ClientHttp2Stream } from "node:http2";
import { readRange, type ProtocolRange } from "../../core/records/protocol.ts";
import { DialError } from "./dial.ts";

/** How a link is asked for: a POST whose request and response bodies both stay open and carry frames. */

export const linkPath = "/starlight/v1/link";
/** The range of protocols that each end speaks; the core says whether they have one in common. */
export const protocolHeader = "starlight-protocol";
/** Present when the end that asks takes calls (see reverse.ts). */
export const reverseHeader = "starlight-reverse";
/** The relay through which the asking end came: only it knows, and it deceives nobody but itself. */
export const viaHeader = "starlight-via";

/** Calls `open` the moment the peer has agreed to a link; rejects with a `DialError` otherwise. */
export function admitted(
  stream: ClientHttp2Stream,
  signal: AbortSignal,
  open: (speaks: ProtocolRange) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: DialError): void => {
      signal.removeEventListener("abort", timedOut);
      reject(error);
    };
    const timedOut = (): void => fail(new DialError("unreachable", "no answer to the request for a link"));
    signal.addEventListener("abort", timedOut);
    stream.once("response", (headers) => {
      if (signal.aborted) return;
      const status = Number(headers[":status"]);
      if (status === 200) {
        const speaks = readRange(String(headers[protocolHeader]));
        if (speaks === undefined)
          return fail(new DialError("untrusted", "it does not say which protocols it speaks"));
        signal.removeEventListener("abort", timedOut);
        open(speaks);
        return resolve();
      }
      let words = "";
      stream.on("data", (chunk: Buffer) => {
        words = (words + chunk.toString()).slice(0, refusalBytesMax);
      });
      stream.once("end", () => fail(refusalOf(status, words.trim())));
    });
    stream.on("error", () => undefined);
    stream.once("close", () => fail(new DialError("unreachable", "the peer closed before it answered")));
  });
}

const refusalBytesMax = 512;

function refusalOf(status: number, words: string): DialError {
  if (status === 403 && words.startsWith("link policy"))
    return new DialError("untrusted", `it says: ${words}`);
  if (status === 403) return new DialError("untrusted", "it does not admit us: our key is not on its roster");
  if (status === 503) return new DialError("unreachable", "it is stopping");
  return new DialError("untrusted", `it refused the link with status ${status}`);
}
