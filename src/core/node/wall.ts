import { wallOf } from "../kernel/hybrid-clock.ts";
import type { Duration, WallTime } from "../kernel/time.ts";
import type { NodeId } from "../records/record.ts";
import type { NodeEnv } from "./contract.ts";
import { restamp } from "./restamp.ts";
import type { NodeState } from "./state.ts";
import { note, type Turn } from "./turn.ts";

/**
 * The time this node stamps with and judges stamps by. Machines without a clock battery boot in 1970, and
 * some clocks are years off: what most of the linked peers say corrects a clock that is far from it. A
 * clock that is behind the stamps on its own disk is certainly wrong, and then one peer is enough.
 */
export type WallClock = {
  /** How far each linked peer's clock is ahead of this machine's, in ms. */
  readonly aheadByPeer: Map<NodeId, Duration>;
  /** Added to the machine's clock; 0 as long as it is not far off. */
  correction: Duration;
  /** The machine's wall clock less its monotonic one, to notice when somebody sets it; NaN before the first turn. */
  base: Duration;
};

/** A clock that was set by hand or by NTP: what we knew of the others moves along. */
const stepMin: Duration = 1_000;

/** The environment with the wall clock put right. */
export function withTrustedWall(state: NodeState, env: NodeEnv): NodeEnv {
  const { clocks } = state;
  const base = env.wall - env.now;
  const step = base - clocks.base;
  clocks.base = base;
  if (Math.abs(step) >= stepMin) {
    for (const [peer, ahead] of clocks.aheadByPeer) clocks.aheadByPeer.set(peer, ahead - step);
    clocks.correction = correctionOf(state, env.wall, clocks.correction - step);
  }
  return clocks.correction === 0 ? env : { ...env, wall: env.wall + clocks.correction };
}

/** @param ahead How far the peer's clock is ahead of our corrected one. */
export function clockSeen(turn: Turn, peer: NodeId, ahead: Duration): void {
  const { state, env } = turn;
  const { clocks } = state;
  const before = clocks.correction;
  clocks.aheadByPeer.set(peer, ahead + before);
  const own = env.wall - before;
  clocks.correction = correctionOf(state, own, before);
  const turned = Math.abs(clocks.correction - before) >= state.config.driftMax / 2;
  if (turned) {
    const off = Math.round(-clocks.correction / 1000);
    const message =
      clocks.correction === 0
        ? "agrees with the others again"
        : `is ${off} s off; corrected by what the peers say`;
    note(turn, "warning", "ClockCorrected", `this machine's clock ${message}`);
    state.retryAsideAt = Math.min(state.retryAsideAt, env.now);
  } else if (before !== 0 && clocks.correction !== 0) clocks.correction = before;
  // Also where somebody set the clock right: then there is nothing to correct, and the stamps are as wrong.
  restamp(turn, own + clocks.correction);
}

export function clockLost({ state }: Turn, peer: NodeId): void {
  state.clocks.aheadByPeer.delete(peer);
}

/** Where it is one's word against another's, what was found before stands. */
function correctionOf(state: NodeState, own: WallTime, before: Duration): Duration {
  const { driftMax } = state.config;
  if (!someoneIsFar(state.clocks, driftMax)) return 0;
  const aheads = [...state.clocks.aheadByPeer.values()];
  const behindOurDisk = own < wallOf(state.clock.last) - driftMax;
  if (!behindOurDisk) aheads.push(0);
  aheads.sort((left, right) => left - right);
  const [low = 0, high = 0] = [aheads[(aheads.length - 1) >> 1], aheads[aheads.length >> 1]];
  const middle = Math.abs(low - before) < Math.abs(high - before) ? low : high;
  return Math.abs(middle) > driftMax ? middle : 0;
}

/** Mostly nobody is, and then nothing needs to be corrected whatever the others say. */
function someoneIsFar({ aheadByPeer }: WallClock, driftMax: Duration): boolean {
  for (const ahead of aheadByPeer.values()) if (Math.abs(ahead) > driftMax) return true;
  return false;
}
