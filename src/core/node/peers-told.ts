import type { Peer, Permits } from "../membership/contract.ts";

/** Who our peers are, as membership was told last: most of what makes us look again changes nothing of it. */
export type PeersTold = { readonly peers: readonly Peer[]; readonly permits: Permits | undefined };

/** Of two lists in one order. */
export const areSamePeers = (left: readonly Peer[], right: readonly Peer[]): boolean =>
  left.length === right.length &&
  left.every((peer, at) => {
    const other = right[at];
    return other !== undefined && isSamePeer(peer, other);
  });

function isSamePeer(left: Peer, right: Peer): boolean {
  return (
    left.id === right.id &&
    left.name === right.name &&
    left.site === right.site &&
    left.region === right.region &&
    left.pace === right.pace &&
    left.contact === right.contact &&
    left.needed === right.needed &&
    left.forbidden === right.forbidden &&
    (left.addresses === right.addresses || left.addresses.join() === right.addresses.join())
  );
}
