import { constants } from "node:http2";
import type { Answer } from "../../ports/http.ts";
import type { ClientSession } from "./client-sessions.ts";

const answerBytesMax = 64 * 1024;

/**
 * A short question of ours, as a node, to another member's API. Rejects with an `Error` for people when
 * there is no whole answer: no connection, an end before the end, more than 64 KiB, or the signal.
 */
export async function askMember(
  session: Promise<ClientSession>,
  path: string,
  signal: AbortSignal,
): Promise<Answer> {
  const ready = await unlessAborted(session, signal);
  const stream = ready.request({ ":method": "GET", ":path": path, accept: "application/json" }, true);
  return new Promise((resolve, reject) => {
    let status = 0;
    let bytes = 0;
    const chunks: Buffer[] = [];
    const giveUp = (why: string): void => {
      signal.removeEventListener("abort", abort);
      reject(new Error(why));
      stream.close(constants.NGHTTP2_CANCEL);
    };
    const abort = (): void => giveUp("no answer in time");
    signal.addEventListener("abort", abort, { once: true });
    stream.on("response", (headers) => {
      status = Number(headers[":status"] ?? 0);
    });
    stream.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > answerBytesMax) giveUp("its answer is too long");
      else chunks.push(chunk);
    });
    stream.on("end", () => {
      signal.removeEventListener("abort", abort);
      if (status !== 0) resolve({ status, text: Buffer.concat(chunks).toString() });
    });
    stream.on("error", () => undefined);
    // After a whole answer this comes too late to matter.
    stream.on("close", () => giveUp("it broke off before it answered"));
  });
}

/** Others may share the attempt to connect, so it goes on when we no longer wait for it. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(new Error("no connection in time"));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
