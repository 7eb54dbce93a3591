import type { Holding, LeaseTurn } from "./state.ts";

/** How what is held ends. */

export function lapse(turn: LeaseTurn, holding: Holding): void {
  turn.out.push({ type: "lost", name: holding.name, epoch: holding.token });
  holding.token = 0;
  holding.attempt = undefined;
  holding.until = Number.NEGATIVE_INFINITY;
  // Whoever comes next is a new owner, be it us again.
  holding.seen = Math.max(holding.seen, holding.epoch);
  holding.nextAt = turn.env.now;
}

/** Somebody else may have held it meanwhile: what runs under the old claim must end. */
export function endResuming(turn: LeaseTurn, holding: Holding): void {
  turn.out.push({ type: "lost", name: holding.name, epoch: holding.resuming });
  holding.resuming = 0;
  holding.seen = Math.max(holding.seen, holding.epoch);
}

/** What was held by votes of another founding counts for nothing under this one. */
export function endAllOf(turn: LeaseTurn, electorate: string): void {
  for (const name of [...turn.state.holdings.keys()].sort()) {
    const holding = turn.state.holdings.get(name);
    if (holding?.electorate !== electorate) continue;
    if (holding.token > 0) lapse(turn, holding);
    else if (holding.resuming > 0) endResuming(turn, holding);
  }
}
