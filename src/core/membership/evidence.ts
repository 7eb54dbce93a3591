import type { NodeId } from "../records/record.ts";
import type { Evidence } from "./contract.ts";
import { reasonsMax, type PeerState } from "./peer-state.ts";

/** What the machine knows of its peers, at first hand and from others. */
type Known = {
  readonly peers: ReadonlyMap<NodeId, PeerState>;
  readonly reports: ReadonlyMap<NodeId, readonly NodeId[]>;
};

/** What we hold a peer for, and why. */
export function evidenceOf(known: Known, id: NodeId): Evidence | undefined {
  const peer = known.peers.get(id);
  if (peer === undefined) return undefined;
  const link = peer.active ?? peer.links.keys().next().value;
  const reasons =
    peer.verdict === "alive" && link === undefined ? [witness(known, id), ...peer.reasons] : peer.reasons;
  return {
    verdict: peer.verdict,
    since: peer.since,
    link: peer.active,
    protocol: peer.links.get(link ?? -1)?.protocol,
    roundTrip: link === undefined ? undefined : peer.links.get(link)?.roundTrip,
    heardAt: peer.heardAt,
    reasons: reasons.slice(0, reasonsMax),
  };
}

function witness({ peers, reports }: Known, id: NodeId): string {
  for (const [observer, linked] of [...reports].sort(([left], [right]) => (left < right ? -1 : 1))) {
    const known = peers.get(observer);
    if (known?.verdict === "alive" && linked.includes(id))
      return `${known.peer.name} says it has a link to it`;
  }
  return "another node says it has a link to it";
}
