import { equalBytes } from "../kernel/bytes.ts";
import { between } from "../kernel/random.ts";
import { seconds, type Duration, type Instant } from "../kernel/time.ts";
import { wallOf } from "../kernel/hybrid-clock.ts";
import { jsonBytes } from "../kernel/json.ts";
import { regionSummaryKey, siteSummaryKey } from "../records/keys.ts";
import { regionsAround, scopeAround } from "../records/scope.ts";
import type { RegionSummary } from "../records/summaries.ts";
import { paceOf } from "../records/link-class.ts";
import { rankOf, speakersOf } from "./contacts.ts";
import { makeRoom } from "./guests.ts";
import { detailOf, peersSoon } from "./levels.ts";
import { levelsOf, partIdsIn } from "./parts.ts";
import { publishSummary } from "./own-records.ts";
import { isMember, type IndexChange, type Summary } from "./records-index.ts";
import type { NodeState } from "./state.ts";
import { shareChanged } from "./summary-change.ts";
import { regionSummaryOf, siteSummaryOf } from "./summary-content.ts";
import type { Turn } from "./turn.ts";

/**
 * Who speaks for a place, and when. A summary is written when what is true differs from what is said, not
 * more often than every `siteEvery` or `regionEvery`, and once in `refreshEvery` in any case, so that its
 * age says something.
 */

export const siteEvery: Duration = seconds(10);
export const regionEvery: Duration = seconds(30);
/** Everybody hears of every site of its region, and of every region: more of them share what the words of so many would cost. */
const sitesAtFullPace = 20;
const regionsAtFullPace = 8;
const refreshEvery: Duration = seconds(2 * 3600);
/** Nobody speaks for a place any more, or not to us: every speaker has written its word anew long before. */
export const silentAfter: Duration = 3 * refreshEvery;
/**
 * A change of this share of a region is told at its usual pace; of less, so many times later as it is smaller, or
 * once nothing else has changed for a while.
 */
export const noticeable = 1 / 50;
const patienceMax = 10;
const settledAfter: Duration = seconds(60);
/** How often guests that are of no use are looked for. */
const roomEvery: Duration = seconds(60);
/** After a start the links within the site come first. */
const hearFirst: Duration = seconds(4);
/** Sites of a region stand by in an order: each waits so much longer than the one before. */
const regionStep: Duration = seconds(20);
const standbyMax = 8;
/** So many of each region stand by for the one it stands in. */
const understudies = 2;
/** What came so late after its author was lost was not on its way before. */
const onItsWayMax: Duration = seconds(10);
/** Two who keep replacing each other's word leave more and more time between, up to 2^6 times as much. */
const duelsMax = 6;

export function firstSummary(turn: Turn): void {
  const { state, env } = turn;
  if (detailOf(state) === "mesh") return;
  state.levels.contactsAt = env.now;
  state.levels.summariesAt = env.now + hearFirst;
}

/** Somebody spoke for a place: for ours, or for one whose gateways we may want links with. */
export function summaryHeard({ state, env }: Turn, changes: readonly IndexChange[]): void {
  if (changes.some(({ gateways }) => gateways === true)) peersSoon(state, env.now);
  const own = changes.some(
    ({ parts }) => parts.type === "site-summary" && parts.place === state.identity.site,
  );
  if (own) state.levels.siteHeardAt = env.now;
}

export function tendSummaries(turn: Turn): void {
  const { state, env } = turn;
  const { levels } = state;
  if (!state.booted || env.now < levels.summariesAt) return;
  if (env.now >= levels.roomAt) {
    levels.roomAt = env.now + roomEvery;
    makeRoom(turn);
  }
  const pace = paceOf[state.config.uplink];
  const share = Math.max(1, state.index.siteSummaries.size / sitesAtFullPace);
  levels.summariesAt = env.now + between(env.random("summaries"), 0.9, 1.1) * pace * share * siteEvery;
  const [speaker] = speakersOf(state);
  if (speaker !== state.identity.id || state.status === undefined || !levels.ownPlace.heard) {
    for (const word of levels.regionWords.values()) word.staleSince = undefined;
    return;
  }
  if (detailOf(state) === "site") speakForSite(turn);
  for (const region of regionsAround(state.identity.region).toReversed()) speakForRegion(turn, region, pace);
}

function speakForSite(turn: Turn): void {
  const { state, env } = turn;
  const { identity, index } = state;
  const summary = siteSummaryOf(state, identity.site, env);
  const standing = index.siteSummaries.get(identity.site);
  const old = standing === undefined || ageOf(turn, standing) >= refreshEvery;
  const key = siteSummaryKey(identity.site);
  if (!old && (says(state, key, jsonBytes(summary)) || isRivals(turn, standing, summary.island))) return;
  publishSummary(turn, key, `region:${identity.region}`, summary);
  peersSoon(state, env.now);
}

/**
 * Whether the standing word is that of the larger half of a site that is cut in two: its author is out of
 * our reach, and wrote it after we lost sight of it.
 */
function isRivals(
  { state }: Turn,
  { author, body }: Summary<{ readonly island: number }>,
  island: number,
): boolean {
  const { identity, index, membership, levels, awaySince, bootedAt } = state;
  if (author === identity.id || !isMember(index, author)) return false;
  if (membership.standing(author)?.verdict === "alive") return false;
  const lostAt = awaySince.get(author) ?? bootedAt;
  if (levels.siteHeardAt <= lostAt + onItsWayMax) return false;
  return body.island > island || (body.island === island && author > identity.id);
}

/** Every site's speaker could; the first of an order by hash does, and the next when it does not. */
function speakForRegion(turn: Turn, region: string, pace: number): void {
  const { state, env } = turn;
  const { identity, index, levels } = state;
  const standby = standbyOf(state, region);
  if (standby >= standbyMax) return;
  const summary = regionSummaryOf(state, region, env);
  const key = regionSummaryKey(region);
  const standing = index.regionSummaries.get(region);
  const old = standing === undefined || ageOf(turn, standing) >= refreshEvery;
  const meant = jsonBytes(summary);
  if (!old && says(state, key, meant)) {
    levels.regionWords.delete(region);
    return;
  }
  const held = levels.regionWords.get(region);
  const word = held ?? { staleSince: undefined, meant, meantSince: env.now, duels: 0 };
  if (!equalBytes(word.meant, meant)) Object.assign(word, { meant, meantSince: env.now });
  levels.regionWords.set(region, word);
  word.staleSince ??= env.now;
  const share = Math.max(1, index.regionSummaries.size / regionsAtFullPace);
  const usual = standing === undefined ? 0 : regionEvery * share * 2 ** word.duels;
  const patience = standing === undefined ? 1 : patienceOf(standing.body, summary);
  const isPast = (since: Instant, wait: Duration): boolean =>
    env.now >= since + pace * (wait + standby * regionStep);
  if (!isPast(word.staleSince, usual)) return;
  if (!isPast(word.staleSince, patience * usual) && !isPast(word.meantSince, settledAfter)) return;
  word.staleSince = undefined;
  if (standing !== undefined && standing.author !== identity.id)
    word.duels = Math.min(duelsMax, word.duels + 1);
  publishSummary(turn, key, scopeAround(region), summary);
  peersSoon(state, env.now);
}

/** What is small against the whole is told later, unless all is well again: everybody around hears every word. */
function patienceOf(said: RegionSummary, summary: RegionSummary): number {
  if (said.ready < said.nodes && summary.ready === summary.nodes) return 1;
  return Math.min(patienceMax, Math.max(1, noticeable / shareChanged(said, summary)));
}

/** Our place among those who may speak for a region that we stand in: of each of its parts the first two. */
function standbyOf(state: NodeState, region: string): number {
  const levels = levelsOf(state);
  const outermost = levels.findIndex((level) => level.region === region);
  // Where detail travels through the region, its speaker is the first of all its nodes.
  let standby = 0;
  for (const { region: around, own } of levels.slice(0, outermost + 1)) {
    const place = rankOf(own, partIdsIn(state, around), "speaker");
    if (standby >= understudies) return standbyMax;
    standby += place * (around === state.identity.region ? 1 : understudies);
  }
  return standby;
}

function says(state: NodeState, key: string, meant: Uint8Array): boolean {
  const standing = state.store.bySlot.get(key);
  return standing !== undefined && equalBytes(standing.body, meant);
}

const ageOf = ({ env }: Turn, { version }: Summary<unknown>): Duration => env.wall - wallOf(version);
