import type { Http2Session, Http2Stream } from "node:http2";

/**
 * Closes a session that had no open stream and no traffic for `idleMs`. Node's own timeout looks at
 * traffic only, and would turn new requests away from a session whose watch is merely quiet.
 *
 * @returns Counts a stream that we opened ourselves; those of the peer are counted already.
 */
export function closeWhenIdle(session: Http2Session, idleMs: number): (stream: Http2Stream) => void {
  let open = 0;
  const count = (stream: Http2Stream): void => {
    open++;
    stream.once("close", () => open--);
  };
  session.on("stream", count);
  session.setTimeout(idleMs, () => {
    if (open === 0) session.close();
  });
  return count;
}
