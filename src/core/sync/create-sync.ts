import { asleep, type Wake } from "../kernel/time.ts";
import type { LinkId } from "../membership/contract.ts";
import {
  answerEnded,
  answerWants,
  compare,
  compareArrived,
  freshRounds,
  headsArrived,
  headsAsked,
  noteCovers,
  offerArrived,
} from "./compare.ts";
import type { Sync, SyncConfig, SyncEffect, SyncEvent } from "./contract.ts";
import { decodeFrame, type SyncFrame } from "./frames.ts";
import { answerItems, answerSymbols, symbolsArrived } from "./repair.ts";
import { haveArrived, pushArrived, spread, spreadWake, tendSpread } from "./spread.ts";
import { confirm, type Peer, type State, type Step } from "./state.ts";

/**
 * State exchange with every linked peer. Two nodes that meet compare a hash per scope; where they differ,
 * each learns how far the other knows every log and sends what is missing (compare.ts). What is new is
 * pushed along a tree (spread.ts). Where hashes differ although the logs agree, a sketch of the set finds
 * the difference (repair.ts).
 */
export function createSync(config: SyncConfig): Sync {
  const state: State = { config, peers: new Map(), sketches: { byScope: new Map() } };
  let wake: Wake = asleep;
  return {
    handle: (event, env) => {
      const out: SyncEffect[] = [];
      const step: Step = { state, env, out };
      take(step, event);
      for (const [link, peer] of state.peers) tend(step, link, peer);
      wake = nextWake(state);
      return out;
    },
    wake: () => wake,
    inStep: (link) => state.peers.get(link)?.inStep ?? false,
  };
}

function take(step: Step, event: SyncEvent): void {
  const { peers } = step.state;
  switch (event.type) {
    case "peer-up":
      peers.set(event.link, newPeer(step, event));
      return;
    case "peer-down":
      peers.delete(event.link);
      return;
    case "frame":
      return frameArrived(step, event.link, event.bytes);
    case "stored":
      return spread(step, event.records, event.from);
    case "wake":
      return;
  }
}

function newPeer({ state, env }: Step, { peer, place }: Extract<SyncEvent, { type: "peer-up" }>): Peer {
  const asks = state.config.self < peer;
  return {
    id: peer,
    place,
    asks,
    eager: true,
    compareAt: asks ? env.now : Number.POSITIVE_INFINITY,
    rounds: freshRounds,
    inStep: false,
    reported: false,
    sent: 0,
    received: 0,
    asked: new Map(),
    announced: new Map(),
    owed: new Map(),
    announceAt: Number.POSITIVE_INFINITY,
    repair: undefined,
    restarts: 0,
    shown: undefined,
  };
}

function frameArrived(step: Step, link: LinkId, bytes: Uint8Array): void {
  const peer = step.state.peers.get(link);
  if (peer === undefined) return;
  const frame = decodeFrame(bytes, step.env.crypto);
  if (frame === undefined) {
    const detail = "a sync frame that cannot be read";
    step.out.push({ type: "protocol-error", link, detail });
    return;
  }
  answer(step, link, peer, frame);
}

function answer(step: Step, link: LinkId, peer: Peer, frame: SyncFrame): void {
  switch (frame.type) {
    case "compare":
      return compareArrived(step, link, peer, frame);
    case "heads":
      return headsArrived(step, link, peer, frame);
    case "heads-want":
      return headsAsked(step, link, peer, frame.scope);
    case "offer":
      return offerArrived(step, link, peer, frame.logs);
    case "wants":
      if (frame.graft) peer.eager = true;
      return answerWants(step, link, peer, frame.logs);
    case "records":
      return recordsArrived(step, link, peer, frame);
    case "have":
      return haveArrived(step, peer, frame.logs);
    case "prune":
      peer.eager = false;
      return;
    case "symbols-want":
      return answerSymbols(step, link, peer, frame);
    case "symbols":
      return symbolsArrived(step, link, peer, frame);
    case "items-want":
      return answerItems(step, link, peer, frame);
    case "unknown":
      return;
  }
}

function recordsArrived(
  step: Step,
  link: LinkId,
  peer: Peer,
  { mode, records, covers }: Extract<SyncFrame, { type: "records" }>,
): void {
  peer.received += records.length;
  // Progress earns further comparisons: a large repair takes several.
  if (records.length > 0) peer.rounds = freshRounds;
  noteCovers(peer, covers);
  if (mode === "push") pushArrived(step, link, peer, records, covers);
  if (records.length + covers.length > 0) step.out.push({ type: "received", link, records, covers });
  if (mode === "found") confirm(step, peer);
  if (mode === "end" || mode === "cut") answerEnded(step, link, peer, mode === "cut");
}

function tend(step: Step, link: LinkId, peer: Peer): void {
  if (step.env.now >= peer.compareAt) compare(step, link, peer);
  tendSpread(step, link, peer);
}

function nextWake({ peers }: State): Wake {
  let at = Number.POSITIVE_INFINITY;
  let why = asleep.why;
  for (const peer of peers.values()) {
    if (peer.compareAt < at) [at, why] = [peer.compareAt, "comparison with a peer"];
    const news = spreadWake(peer);
    if (news < at) [at, why] = [news, "news for or from a peer"];
  }
  return { at, why };
}
