import type { NodeId } from "../../core/records/record.ts";
import type { Transport, TransportEvents } from "../../ports/transport.ts";

/**
 * Addresses at which a member might answer, from the local network and from seeds. Whoever says so may lie:
 * a hint is dialled like any address, and only the member's key opens a link.
 */
export type Hints = {
  readonly add: (node: NodeId, address: string) => void;
  /** Newest first. */
  readonly of: (node: NodeId) => readonly string[];
};

export type HintsOptions = {
  /** Hints about strangers are not kept. */
  readonly isMember: (node: NodeId) => boolean;
  readonly now: () => number;
};

const perNodeMax = 4;
const nodesMax = 1_024;
const goodForMs = 180_000;

export function createHints({ isMember, now }: HintsOptions): Hints {
  const held = new Map<NodeId, readonly { readonly address: string; readonly until: number }[]>();
  const current = (node: NodeId): readonly { readonly address: string; readonly until: number }[] =>
    (held.get(node) ?? []).filter(({ until }) => until > now());
  return {
    add: (node, address) => {
      if (!isMember(node)) return;
      const others = current(node).filter((entry) => entry.address !== address);
      held.delete(node);
      held.set(node, [{ address, until: now() + goodForMs }, ...others].slice(0, perNodeMax));
      if (held.size <= nodesMax) return;
      const [oldest] = held.keys();
      if (oldest !== undefined) held.delete(oldest);
    },
    of: (node) => current(node).map(({ address }) => address),
  };
}

/**
 * A transport that tries hints too: the first dial after a link goes where the member said it is, and from
 * then on every other one goes where it was seen. Not both in one dial, because what a dial proves (nobody
 * listens there) must be about the member's own address, whatever a neighbour announces.
 */
export function withHints(
  hints: Hints,
  events: TransportEvents,
): { readonly events: TransportEvents; readonly wrap: (transport: Transport) => Transport } {
  const dials = new Map<NodeId, number>();
  return {
    events: {
      ...events,
      opened: (link, peer, outbound, about) => {
        dials.delete(peer);
        events.opened(link, peer, outbound, about);
      },
    },
    wrap: (transport) => ({
      ...transport,
      dial: (peer, addresses, relays) => {
        const dial = dials.get(peer) ?? 0;
        dials.set(peer, dial + 1);
        const found = hints.of(peer).filter((address) => !addresses.includes(address));
        transport.dial(peer, dial % 2 === 1 && found.length > 0 ? found : addresses, relays);
      },
    }),
  };
}
