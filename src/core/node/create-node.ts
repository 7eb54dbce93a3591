import { carryOutFor, type HandlersOf } from "../kernel/effects.ts";
import { earliest, never, type Instant, type Wake } from "../kernel/time.ts";
import { membershipChannel, syncChannel } from "./channels.ts";
import { admitAside, admitStored, restoreFrames } from "./admission.ts";
import { bundleArrived } from "./bundles.ts";
import type { NodeConfig, NodeEvent, NodeIdentity, NodeMachine } from "./contract.ts";
import {
  absorb,
  flush,
  frameArrived,
  peersOf,
  tellMembership,
  tellRemembered,
  tellPeers,
  tellSync,
  tendUplink,
} from "./links.ts";
import { settleSent } from "./uplink.ts";
import { endOrphansIfDue } from "./orphans.ts";
import { noteDayIfDue } from "./day-count.ts";
import { coverOwnLogs, noteHeadsIfDue } from "./heads.ts";
import { touchedLinkPolicy } from "./link-policy.ts";
import { tendHeld } from "./held.ts";
import { rememberHealth, stalled, tendHealth } from "./health.ts";
import { memoryMeasured } from "./pressure.ts";
import { countRestarts, tendStrikes } from "./strikes.ts";
import { evictPod } from "./evict.ts";
import { persisted, persistFailed, storeAgainIfDue } from "./durable.ts";
import {
  leasesStored,
  publishExclusives,
  releaseLease,
  restoreLeases,
  tellElectorates,
  tellLeases,
} from "./exclusive.ts";
import { publishLeave, publishStatus } from "./own-records.ts";
import { placeIfDue } from "./placing.ts";
import { rememberTime } from "./absence.ts";
import { factsOf, isMember } from "./records-index.ts";
import { wallOf } from "../kernel/hybrid-clock.ts";
import { spoken } from "../records/protocol.ts";
import { adoptPods, podGone, podReported, reconcileOwnFacts } from "./pods.ts";
import { tendReunion } from "./reunion.ts";
import { newState, type NodeState } from "./state.ts";
import { introductionArrived, linkClosed, linkOpened, strangersWake, tendStrangers } from "./strangers.ts";
import { firstSummary, tendSummaries } from "./summaries.ts";
import { tendTombstones } from "./tombstones.ts";
import { withTrustedWall } from "./wall.ts";
import { lagMin, note, placeSoon, type Turn } from "./turn.ts";
import { declaredClass } from "./uplink-class.ts";
import { createView, type Given } from "./view.ts";
import { writeAsked, writeFailed, writeStored } from "./writes.ts";

/**
 * One machine of the mesh: membership, sync, intents, placement and trust, composed. It holds no clock,
 * no chance and no IO: it is told what happened and says what is to be done.
 */
export function createNode(identity: NodeIdentity, config: NodeConfig, speaks = spoken): NodeMachine {
  const state = newState(identity, config, speaks);
  const given: Given = { now: 0, wall: 0, crypto: undefined };
  // In an object, where a number is changed in place.
  const promised = { at: never };
  /**
   * The next deadline but those of membership and sync, and but those of membership; undefined when they are to be
   * found anew, and as long as we have not settled.
   */
  let others: Wake | undefined;
  let beyondMembership: Wake | undefined;
  // Empty in most turns: made once, and emptied after those that may have used them.
  const floorMatches = new Map<string, boolean>();
  const voided = new Set<string>();
  return {
    handle: (event, world) => {
      const env = withTrustedWall(state, world);
      given.now = env.now;
      given.wall = env.wall;
      given.crypto = env.crypto;
      const lag = Math.max(0, env.now - promised.at);
      const turn: Turn = { state, env, lag, out: [], fresh: [], floorMatches, voided };
      settleSent(turn);
      if (beyondMembership !== undefined && isForMembership(state, event) && env.now < beyondMembership.at) {
        if (!membershipHeard(turn, event)) return turn.out;
      } else {
        beyondMembership = undefined;
        if (others === undefined || env.now >= others.at || !isBetweenPeers(state, event))
          carryOutFor(turn, handlers, event);
        else if (!peersHeard(turn, event)) return turn.out;
      }
      beyondMembership = undefined;
      others = undefined;
      if (touchedLinkPolicy(turn)) tellPeers(turn);
      settleIfReady(turn);
      tendStrikes(turn);
      tendHealth(turn);
      placeIfDue(turn);
      tellElectorates(turn);
      publishExclusives(turn);
      tendReunion(turn);
      storeAgainIfDue(turn);
      endOrphansIfDue(turn);
      noteHeadsIfDue(turn);
      noteDayIfDue(turn);
      tendTombstones(turn);
      tendStrangers(turn);
      tendSummaries(turn);
      tendUplink(turn);
      flush(turn);
      tendHeld(turn);
      floorMatches.clear();
      voided.clear();
      return turn.out;
    },
    wake: () => {
      let beyond = beyondMembership;
      if (beyond === undefined) {
        const rest = others ?? othersWake(state);
        beyond = earliest(state.sync.wake(), rest);
        if (hasSettled(state)) {
          others = rest;
          beyondMembership = beyond;
        }
      }
      const next = earliest(state.membership.wake(), beyond);
      promised.at = next.at;
      return next;
    },
    view: createView(state, given),
  };
}

/**
 * What only membership and sync have to hear of, while nothing else is due: a comparison, a dial in vain, and the
 * time for ours. Unless they find something out, the rest of the node has nothing to do.
 */
function isBetweenPeers({ peerByLink }: NodeState, event: NodeEvent): boolean {
  if (event.type === "wake" || event.type === "dial-failed") return true;
  if (event.type !== "frame" || !peerByLink.has(event.link)) return false;
  return event.bytes[0] === membershipChannel || event.bytes[0] === syncChannel;
}

/** Who is not sure yet who is in its own place learns that from comparisons. */
function hasSettled({ booted, settling, levels }: NodeState): boolean {
  return booted && !settling && levels.ownPlace.heard && !levels.ownPlace.elders;
}

/** Most of what happens: a peer's beat, and the time for ours, of which only membership has to hear. */
function isForMembership({ peerByLink }: NodeState, event: NodeEvent): boolean {
  if (event.type === "wake") return true;
  return event.type === "frame" && event.bytes[0] === membershipChannel && peerByLink.has(event.link);
}

/** @returns whether the rest of the node has to do with it. */
function membershipHeard(turn: Turn, event: NodeEvent): boolean {
  if (event.type === "frame") return frameArrived(turn, event.link, event.bytes);
  return tellMembership(turn, wake);
}
const wake = { type: "wake" } as const;

/** @returns whether the rest of the node has to do with it. */
function peersHeard(turn: Turn, event: NodeEvent): boolean {
  if (event.type === "frame") return frameArrived(turn, event.link, event.bytes);
  if (event.type === "dial-failed") return tellMembership(turn, event);
  const found = tellMembership(turn, wake);
  return turn.env.now >= turn.state.sync.wake().at ? tellSync(turn, wake) || found : found;
}

const handlers: HandlersOf<Turn, NodeEvent> = {
  boot,
  measured: (turn, { status }) => {
    const { state } = turn;
    const before = declaredClass(state);
    const moved = state.status !== undefined && state.status.addresses.join() !== status.addresses.join();
    state.status = status;
    if (moved) tellMembership(turn, { type: "network-changed" });
    publishStatus(turn);
    if (declaredClass(state) !== before) tellPeers(turn);
    placeSoon(turn);
  },
  "link-opened": linkOpened,
  "link-closed": linkClosed,
  "dial-failed": (turn, { peer, why, detail }) => {
    turn.state.dialFailed.add(peer);
    tellMembership(turn, { type: "dial-failed", peer, why, detail });
  },
  frame: (turn, { link, bytes }) => {
    if (!introductionArrived(turn, link, bytes)) frameArrived(turn, link, bytes);
  },
  write: writeAsked,
  bundle: bundleArrived,
  enrolled: (turn, { frame }) => {
    absorb(turn, admitStored(turn, frame), undefined);
    // It is ours and outside of our chain of parcels: what we write next follows it.
    if (turn.state.ownLogsWhole) coverOwnLogs(turn);
  },
  leave: (turn, { reason }) => publishLeave(turn, reason),
  "pod-report": (turn, { report }) => {
    const before = podReported(turn, report);
    if (before !== undefined) countRestarts(turn, report.uid, before);
  },
  memory: (turn, { sample }) => memoryMeasured(turn, sample),
  "pod-gone": (turn, { uid }) => {
    const pod = turn.state.pods.get(uid);
    podGone(turn, uid);
    if (pod !== undefined) releaseLease(turn, pod);
  },
  evict: evictPod,
  stored: (turn, { ticket }) => {
    if (leasesStored(turn, ticket, "stored")) return;
    persisted(turn, ticket);
    writeStored(turn, ticket);
  },
  "store-failed": (turn, { ticket, detail }) => {
    if (leasesStored(turn, ticket, "store-failed")) return;
    writeFailed(turn, ticket, detail);
    persistFailed(turn, ticket, detail);
  },
  stopping: (turn) => void tellMembership(turn, { type: "stopping" }),
  stalled: (turn, { by }) => {
    note(turn, "warning", "Stalled", `this process stood still for ${Math.round(by)} ms`);
    stalled(turn, by);
    tellMembership(turn, { type: "stalled", by });
  },
  wake: (turn) => {
    const { state, env } = turn;
    tellMembership(turn, wake);
    if (env.now >= state.sync.wake().at) tellSync(turn, wake);
    if (env.now >= state.leases.wake().at) tellLeases(turn, wake);
    if (env.now >= state.retryAsideAt) absorb(turn, admitAside(turn), undefined);
  },
};

/** Everything from our own disk, before any contact. */
function boot(turn: Turn, event: Extract<NodeEvent, { type: "boot" }>): void {
  const { state, env } = turn;
  restoreFrames(turn, event.frames);
  // Who has never run before has written nothing that could be missing here.
  const whole = event.firstLife === true || holdsOwnFacts(turn) || peersOf(turn).length === 0;
  if (whole) coverOwnLogs(turn);
  state.booted = true;
  state.bootedAt = env.now;
  rememberTime(state, env);
  const hasSitePeers = peersOf(turn).some(({ site }) => site === state.identity.site);
  state.settledAt = env.now + (hasSitePeers ? state.config.bootSettle : 0);
  state.heals = state.index.factsByNode.get(state.identity.id)?.heal?.body.reports ?? [];
  rememberAbsences(turn);
  rememberHealth(turn);
  adoptPods(turn, event.adopted);
  restoreLeases(turn, event.firstLife === true);
  reconcileOwnFacts(turn);
  tellPeers(turn);
  for (const observer of state.index.factsByNode.keys()) {
    if (observer !== state.identity.id) tellRemembered(turn, observer);
  }
  firstSummary(turn);
  placeSoon(turn);
}

/** A disk with facts of ours is the one we worked with before; an introduction has none. */
function holdsOwnFacts({ state }: Turn): boolean {
  return factsOf(state.index, state.identity.id)?.links !== undefined;
}

/** Who had no link to us when we stopped was away before we started: our last word on links says since when. */
function rememberAbsences(turn: Turn): void {
  const { state, env } = turn;
  const links = factsOf(state.index, state.identity.id)?.links;
  const before = links === undefined ? 0 : Math.max(0, env.wall - wallOf(links.version));
  for (const { id } of peersOf(turn)) {
    const wasLinked = links === undefined || links.body.peers.includes(id);
    state.awaySince.set(id, wasLinked ? env.now : env.now - before);
  }
}

/**
 * Decisions need not wait longer once every peer of the site is in step with us, or out of reach. They wait
 * longer while one that has answered is still telling what runs, which we would start a second time, and by as
 * much as our own turns are late: what was said to us meanwhile is not read yet.
 */
function settleIfReady(turn: Turn): void {
  const { state, env, lag } = turn;
  const { bootSettle } = state.config;
  if (!state.booted || !state.settling) return;
  const latest = state.bootedAt + settlesMax * bootSettle;
  const waitUntil = (at: Instant): void => {
    state.settledAt = Math.max(state.settledAt, Math.min(latest, at));
  };
  if (lag >= lagMin) waitUntil(Math.max(state.settledAt, env.now) + lag);
  let ready = true;
  const { index, identity } = state;
  for (const [id, { body }] of index.memberById) {
    if (body.site !== identity.site || id === identity.id || !isMember(index, id)) continue;
    const link = state.membership.standing(id)?.active;
    if (link === undefined) ready &&= state.dialFailed.has(id);
    else if (!state.sync.inStep(link)) {
      ready = false;
      waitUntil(env.now + bootSettle);
    }
  }
  if (ready) state.settledAt = env.now;
  state.settling = env.now < state.settledAt;
  if (!state.settling) state.levels.contactsAt = Math.min(state.levels.contactsAt, env.now);
}
/** A peer in reach is waited for up to so many times `bootSettle`. */
const settlesMax = 4;

function othersWake(state: NodeState): Wake {
  const { levels, reunion } = state;
  let first = state.leases.wake();
  const consider = (at: Instant, why: string): void => {
    if (at < first.at) first = { at, why };
  };
  consider(Math.max(state.placeAt, state.settledAt, levels.placeFrom), "placement");
  consider(state.health.lookAt, "a look at our own health");
  consider(state.orphansUntil, "pods without a record");
  consider(state.tombstonesAt, "tombstones");
  consider(strangersWake({ state }), "contacts of other places");
  consider(levels.summariesAt, "a summary of the site");
  consider(state.noteHeadsAt, "noting how far logs are known");
  consider(state.storeAgainAt, "a disk that refused");
  consider(state.retryAsideAt, "records set aside");
  consider(reunion?.closesAt ?? Number.POSITIVE_INFINITY, "end of the reunion");
  consider(reunion?.publishAt ?? Number.POSITIVE_INFINITY, "heal report");
  return first;
}
