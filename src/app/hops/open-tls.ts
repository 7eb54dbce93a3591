import type { Socket } from "node:net";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";

/** TLS over a connection that is open; rejects when the handshake fails or is not through in time. */
export function openTls(socket: Socket, options: ConnectionOptions, timeoutMs: number): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const tls = connect({ ...options, socket });
    const timer = setTimeout(() => tls.destroy(new Error("no answer in time")), timeoutMs);
    // It stays, so that a later error of the connection does not end the process.
    tls.on("error", reject);
    tls.once("close", () => {
      clearTimeout(timer);
      reject(new Error("it closed the connection"));
    });
    tls.once("secureConnect", () => {
      clearTimeout(timer);
      resolve(tls);
    });
  });
}
