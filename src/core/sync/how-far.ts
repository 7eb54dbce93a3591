import type { Version } from "../kernel/hybrid-clock.ts";
import type { Duration, Instant } from "../kernel/time.ts";
import type { LinkId } from "../membership/contract.ts";
import { logName, newestOf, type Log } from "../records/log.ts";
import type { LogAt } from "./frames.ts";
import { ask, isShared, refOf, type Peer, type Step } from "./state.ts";

/**
 * Logs of which we hold more than we know to be all. What a search found came without covers, and from then on
 * the hashes are equal: a peer in step may know. Nobody knows it of the mesh root's log, since the root is no node.
 */

/** One peer is asked after the other, after twice the time each: whether new links come meanwhile or not. */
export type Doubt = { readonly newest: Version; readonly askAt: Instant; readonly pause: Duration };

const pauseFirst: Duration = 10_000;
const pauseMax: Duration = 600_000;

/** The peer holds the same records as we do. */
export function askHowFar(step: Step, link: LinkId, peer: Peer): void {
  const { beyondHead } = step.env.store;
  if (beyondHead.size === 0) return;
  const due: LogAt[] = [];
  for (const log of beyondHead) {
    if (newestOf(log) <= log.head) {
      beyondHead.delete(log);
      step.state.doubts.delete(logName(log));
    } else if (isShared(peer, log.scope) && isDue(step, log)) {
      due.push({ ...refOf(log), at: log.head });
    }
  }
  ask(step, link, peer, due);
}

/** A log that is new to us in this state is given the first pause, too: covers may be on their way. */
function isDue({ state: { doubts }, env }: Step, log: Log): boolean {
  const newest = newestOf(log);
  const name = logName(log);
  const doubt = doubts.get(name);
  const known = doubt?.newest === newest;
  if (known && env.now < doubt.askAt) return false;
  const pause = known ? Math.min(pauseMax, 2 * doubt.pause) : pauseFirst;
  doubts.set(name, { newest, askAt: env.now + pause, pause });
  return known;
}
