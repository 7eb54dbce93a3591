import { connect } from "node:tls";
import type { NodeId } from "../../core/records/record.ts";
import type { Identity } from "../../ports/identity.ts";
import { parseAddress } from "../identity-file/address.ts";
import { memberTls } from "./member-tls.ts";
import { identityOf } from "./peer-certificate.ts";

export type WhoOptions = {
  readonly identity: Identity;
  readonly admits: (peer: NodeId, tlsKey: string) => boolean;
  readonly localAddress?: string | undefined;
  readonly signal: AbortSignal;
};

const timeoutMs = 3_000;

/** The member that answers at an address and proves it with the key that the roster names; nobody else. */
export function whoAnswers(text: string, options: WhoOptions): Promise<NodeId | undefined> {
  const { identity, admits, localAddress, signal } = options;
  const address = parseAddress(text);
  if (address === undefined || signal.aborted) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const socket = connect({
      ...address,
      ...(localAddress === undefined ? {} : { localAddress }),
      // The identity is compared below, where the answer is at hand.
      ...memberTls(identity, () => undefined),
    });
    const end = (node: NodeId | undefined): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      socket.destroy();
      resolve(node);
    };
    const abort = (): void => end(undefined);
    const timer = setTimeout(abort, timeoutMs);
    signal.addEventListener("abort", abort);
    socket.on("error", () => end(undefined));
    socket.once("secureConnect", () => {
      const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
      const found = certificate === undefined ? undefined : identityOf(certificate);
      const known =
        found?.type === "node" && found.mesh === identity.node.mesh.id && admits(found.id, found.tlsKey);
      end(known ? found.id : undefined);
    });
  });
}
