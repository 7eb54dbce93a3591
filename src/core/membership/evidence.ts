import type { NodeId } from "../records/record.ts";
import type { Evidence, MeasuredTrip, Observation } from "./contract.ts";
import { lostTogether } from "./health.ts";
import type { PeerState } from "./peer-state.ts";
import type { State } from "./state.ts";

const observationsMax = 16;
/** Observers that are named for one member, besides ourselves. */
const observersMax = 8;

/** What we hold a peer for, and why; the reasons are gathered when they are read, most callers do not. */
export function evidenceOf(state: State, id: NodeId): Evidence | undefined {
  const peer = state.peers.get(id);
  if (peer === undefined) return undefined;
  const link = peer.active ?? peer.links.keys().next().value;
  return {
    verdict: peer.verdict,
    since: peer.since,
    get lostBySite() {
      return peer.verdict === "unreachable" && isLostBySite(state, peer);
    },
    link: peer.active,
    protocol: peer.links.get(link ?? -1)?.protocol,
    roundTrip: link === undefined ? undefined : peer.links.get(link)?.roundTrip,
    heardAt: Number.isFinite(peer.heardAt) ? peer.heardAt : undefined,
    answeredFrom: peer.links.get(peer.active ?? -1)?.answeredFrom,
    get observations() {
      return observationsOf(state, id, peer);
    },
  };
}

/** Of the same the round trip alone, which is looked at often. */
export function roundTripOf({ peers }: State, id: NodeId): MeasuredTrip | undefined {
  const peer = peers.get(id);
  if (peer === undefined) return undefined;
  const used = peer.links.get(peer.active ?? -1);
  const link = used ?? peer.links.values().next().value;
  return { roundTrip: link?.roundTrip, answeredFrom: used?.answeredFrom };
}

/** Whether the member is off or cut off alone, as far as its site can tell; see `Evidence.lostBySite`. */
function isLostBySite(state: State, lost: PeerState): boolean {
  const { place, peers, health } = state;
  const { site } = lost.peer;
  const ours = place.site === site;
  let [present, members] = ours ? [1, 1] : [0, 0];
  let elsewhere = !ours;
  for (const other of peers.values()) {
    const here = other.verdict === "alive" && !isLate(other);
    if (other.peer.site !== site) elsewhere ||= here && other.active !== undefined;
    else {
      members++;
      if (here) present++;
    }
  }
  const { lostAll } = health;
  if (lostAll !== undefined && Math.abs(lostAll.at - lost.since) < lostTogether) return false;
  if (members === 2) return present === 1 && (elsewhere || lost.ownEndUp === true);
  return present >= 2 && 2 * present > members;
}

/** Our link with it has been silent for too long already: it may be the next to be lost. */
const isLate = ({ active, links }: PeerState): boolean =>
  active !== undefined && links.get(active)?.askedAt !== undefined;

function observationsOf(state: State, id: NodeId, peer: PeerState): Observation[] {
  const { peers, reports, config } = state;
  const others: Observation[] = [];
  for (const [by, { peers: linked, gone, metAt, lostAt }] of reports) {
    if (peers.get(by)?.verdict !== "alive") continue;
    const met = metAt.get(id);
    const lost = lostAt.get(id);
    if (linked.has(id) && met !== undefined) others.push({ by, what: "says it has a link to it", at: met });
    else if (lost !== undefined)
      others.push({
        by,
        what: gone.has(id) ? "saw its process go: closed and refused" : "says its link to it is gone",
        at: lost,
      });
  }
  const own = peer.reasons.map(({ what, at }) => ({ by: config.self, what, at }));
  const told = others.sort(newest).slice(0, observersMax);
  // A link of others explains best why a member without a link of ours is alive.
  if (peer.verdict === "alive" && peer.links.size === 0)
    return [...told.filter(({ what }) => what.startsWith("says it has")), ...own].slice(0, observationsMax);
  return [...own, ...told].sort(newest).slice(0, observationsMax);
}

function newest(left: Observation, right: Observation): number {
  return right.at - left.at || (left.by < right.by ? -1 : left.by > right.by ? 1 : 0);
}
