import type { DialFailure, LinkEnd, LinkId } from "../core/membership/contract.ts";
import { spoken } from "../core/records/protocol.ts";
import type { NodeId } from "../core/records/record.ts";
import { frameBytesMax, type Transport, type TransportEvents } from "./transport.ts";

/** A network in memory: the test twin of a transport. Addresses are any strings. */
export type MemoryNetwork = {
  readonly start: (options: MemoryTransportOptions) => Transport;
};

export type MemoryTransportOptions = {
  readonly self: NodeId;
  readonly tlsKey: string;
  readonly address: string;
  readonly admits: (peer: NodeId, tlsKey: string) => boolean;
  readonly events: TransportEvents;
};

type Host = MemoryTransportOptions & { readonly ends: Map<LinkId, End>; readonly newLink: () => LinkId };
type End = {
  readonly host: Host;
  readonly link: LinkId;
  other: End | undefined;
  sentBytes: number;
  /** The two links that carry this one. */
  readonly through: readonly End[];
};

export function createMemoryNetwork(): MemoryNetwork {
  const hostByAddress = new Map<string, Host>();

  const start = (options: MemoryTransportOptions): Transport => {
    let lastLink = 0;
    const host: Host = { ...options, ends: new Map(), newLink: () => ++lastLink };
    hostByAddress.set(host.address, host);

    const dial = (peer: NodeId, addresses: readonly string[], relays: readonly NodeId[]): void => {
      let failure: { readonly why: DialFailure; readonly detail: string } = {
        why: "unreachable",
        detail: "no address of it is known",
      };
      for (const address of addresses) {
        const found = hostByAddress.get(address);
        if (found === undefined) {
          if (failure.why === "unreachable") failure = { why: "refused", detail: `${address}: refused` };
          continue;
        }
        if (found.self !== peer) failure = { why: "untrusted", detail: `${address}: ${found.self} answers` };
        else if (!host.admits(peer, found.tlsKey))
          failure = { why: "untrusted", detail: "we do not admit it" };
        else if (!found.admits(host.self, host.tlsKey))
          failure = { why: "untrusted", detail: "it does not admit us" };
        else return join(host, found, []);
      }
      for (const relay of relays) {
        const near = directEnd(host, relay);
        const far = near?.other === undefined ? undefined : directEnd(near.other.host, peer);
        const found = far?.other?.host;
        if (near === undefined || far === undefined || found === undefined) continue;
        if (host.admits(peer, found.tlsKey) && found.admits(host.self, host.tlsKey))
          return join(host, found, [near, far]);
      }
      host.events.dialFailed(peer, failure.why, failure.detail);
    };

    return {
      dial: (peer, addresses, relays = []) => setImmediate(dial, peer, addresses, relays),
      send: (link, bytes) => {
        const end = host.ends.get(link);
        if (end === undefined) return;
        if (bytes.length > frameBytesMax) return part(end);
        end.sentBytes += bytes.length;
        const { other } = end;
        const copy = bytes.slice();
        if (other !== undefined) setImmediate(() => deliver(other, copy));
      },
      sentBytes: (link) => host.ends.get(link)?.sentBytes ?? 0,
      ownEndUp: (link) => (host.ends.has(link) ? true : undefined),
      close: (link) => {
        const end = host.ends.get(link);
        if (end !== undefined) part(end);
      },
      stop: async () => {
        if (hostByAddress.get(host.address) === host) hostByAddress.delete(host.address);
        for (const end of host.ends.values()) part(end);
        await new Promise((resolve) => setImmediate(resolve));
      },
    };
  };

  return { start };
}

function join(from: Host, to: Host, through: readonly End[]): void {
  const near: End = { host: from, link: from.newLink(), other: undefined, sentBytes: 0, through };
  const far: End = { host: to, link: to.newLink(), other: near, sentBytes: 0, through };
  near.other = far;
  from.ends.set(near.link, near);
  to.ends.set(far.link, far);
  const via = through[0]?.other?.host.self;
  to.events.opened(far.link, from.self, false, { tlsKey: from.tlsKey, speaks: spoken, via });
  from.events.opened(near.link, to.self, true, { tlsKey: to.tlsKey, speaks: spoken, via });
}

function directEnd(host: Host, peer: NodeId): End | undefined {
  return [...host.ends.values()].find(
    ({ other, through }) => other?.host.self === peer && through.length === 0,
  );
}

function deliver(end: End, bytes: Uint8Array): void {
  if (end.host.ends.has(end.link)) end.host.events.frame(end.link, bytes);
}

function part(end: End): void {
  const close = (side: End | undefined, how: LinkEnd): void => {
    if (side === undefined) return;
    setImmediate(() => {
      if (side.host.ends.delete(side.link)) side.host.events.closed(side.link, how);
    });
  };
  end.host.ends.delete(end.link);
  for (const host of [end.host, end.other?.host]) {
    for (const carried of host?.ends.values() ?? [])
      if (carried.through.some((leg) => leg === end || leg === end.other)) part(carried);
  }
  setImmediate(() => end.host.events.closed(end.link, "ours"));
  close(end.other, "closed");
}
