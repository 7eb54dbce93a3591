import { hash53 } from "../kernel/hash.ts";
import type { Instant } from "../kernel/time.ts";
import type { NodeId } from "../records/record.ts";
import type { Place } from "../records/scope.ts";
import type { LinkEnd, LinkId } from "./contract.ts";
import { explain, type Link, type PeerState } from "./peer-state.ts";
import type { State, Step } from "./state.ts";

/**
 * Ways to a peer: its own addresses, and members that have a link with us and one with it.
 *
 * A link through a relay works like any other and proves less: its end may be the relay's, so it is no
 * evidence against the peer, and our links fact does not name it, so that nobody relays over it. While one
 * is in use the addresses are still tried, and a direct link takes over the moment it shows life.
 */
/** How many relays a dial is given. */
const relaysMax = 3;

function isRelayed(peer: PeerState, link: LinkId): boolean {
  return peer.links.get(link)?.via !== undefined;
}

/** How the way is told of in evidence. */
export function throughWhom({ peers }: State, { via }: Link): string {
  return via === undefined ? "" : ` through ${peers.get(via)?.peer.name ?? via}`;
}

/** What the end of a link proves: the kernel that closed a relayed one may be the relay's. */
export function provenEnd({ via }: Link, end: LinkEnd): LinkEnd {
  return end === "closed" && via !== undefined ? "silent" : end;
}

/** Not while it is reached directly; a link through a relay is no reason to give up on its addresses. */
export function mayDial({ wanted, dialingSince, links }: PeerState): boolean {
  if (!wanted || dialingSince !== undefined) return false;
  for (const { via } of links.values()) if (via === undefined) return false;
  return true;
}

/** When it is dialled next, if it may be: who ended our last links at once waits, whatever else speaks for it. */
export const dialAt = ({ redialAt, pausedUntil }: PeerState): Instant => Math.max(redialAt, pausedUntil);

/**
 * The peers that our links fact names: those we reach without anybody's help, or would but for a restart. Not those
 * of spare links: of a large site's voters everybody would have to say that they are lost. A spare link is told of
 * while nobody before us says that it reaches the peer.
 */
export function directPeers(state: State, now: Instant): NodeId[] {
  return [...state.tended]
    .filter(([, peer]) => (peer.active === undefined ? now < peer.awayUntil : !isRelayed(peer, peer.active)))
    .filter(([id, { spare }]) => !spare || !isReported(state, id, (observer) => observer < state.config.self))
    .map(([id]) => id)
    .sort();
}

/** Whether somebody alive, of those that count, says that it has a link with the peer. */
export function isReported(
  { reports, peers }: State,
  id: NodeId,
  counts: (observer: NodeId) => boolean,
): boolean {
  for (const [observer, told] of reports)
    if (told.peers.has(id) && counts(observer) && peers.get(observer)?.verdict === "alive") return true;
  return false;
}

/** A direct link beside a relayed one waits for life, however lively the relayed one is. */
export function isBetterPath(newer: Link, active: Link): boolean {
  return active.via !== undefined && newer.via === undefined;
}

/** A newer link takes the place of the one in use when that one stays silent. */
export function waitsForSilence({ active, links }: PeerState, link: Link): boolean {
  if (links.size < 2 || active === undefined) return false;
  const used = links.get(active);
  return used !== undefined && used !== link && !isBetterPath(link, used);
}

/**
 * Members that can carry something to a peer: we have a direct link with them and they say they have one
 * with it. Those of the two sites first, then those of the regions; then by a hash of all three, so that
 * many pairs do not meet at one relay.
 */
export function relaysTo(state: State, id: NodeId): readonly NodeId[] {
  const target = state.peers.get(id);
  if (target === undefined) return [];
  const { place } = state;
  const distance = ({ site, region }: Place): number => {
    if (site === place.site || site === target.peer.site) return 0;
    return region === place.region || region === target.peer.region ? 1 : 2;
  };
  const found: { readonly id: NodeId; readonly far: number; readonly score: number }[] = [];
  for (const [relay, known] of state.tended) {
    const { active, peer } = known;
    if (active === undefined || isRelayed(known, active) || relay === id) continue;
    if (state.reports.get(relay)?.peers.has(id) !== true) continue;
    const ends = [state.config.self, id].sort().join(" ");
    found.push({ id: relay, far: distance(peer), score: hash53(`${ends} ${relay}`) });
  }
  found.sort(
    (left, right) => left.far - right.far || right.score - left.score || (left.id < right.id ? -1 : 1),
  );
  return found.slice(0, relaysMax).map(({ id: relay }) => relay);
}

/**
 * The relays of a link with this peer. None where a member with links to both keeps all that the two keep:
 * what a relay would carry, that member passes on anyway, as a record. So two nodes of a site that see each
 * other only through another site get a link, and a fleet behind many routers does not get one for each pair.
 */
export function linkRelays(state: State, id: NodeId): readonly NodeId[] {
  const target = state.peers.get(id)?.peer;
  const { place } = state;
  if (target === undefined || target.region !== place.region) return [];
  const sameSite = target.site === place.site;
  const relays = relaysTo(state, id);
  const passesOn = (relay: NodeId): boolean => {
    const at = state.peers.get(relay)?.peer;
    return at !== undefined && (sameSite ? at.site === place.site : at.region === place.region);
  };
  return relays.some(passesOn) ? [] : relays;
}

/** Our own network is another one: whom we could not reach we may reach now, and links may stand on nothing. */
export function networkChanged({ state, now }: Step): void {
  for (const peer of state.peers.values()) {
    peer.tryingSince = now;
    peer.redialAt = now;
    for (const link of peer.links.values()) {
      link.nextPingAt = now;
      link.doubted = true;
    }
  }
}

/** The link policy, as the peers were told last. Closes what it forbids now, and says why. */
export function enforcePolicy({ state, now }: Step, close: (link: LinkId) => void): void {
  for (const peer of state.peers.values()) {
    const { forbidden } = peer.peer;
    if (forbidden === undefined) continue;
    peer.wanted = false;
    for (const link of peer.links.keys()) close(link);
    explain(peer, now, forbidden);
  }
}
