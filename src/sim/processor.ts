import type { Duration, Instant } from "../core/kernel/time.ts";
import type { NodeEffect, NodeEvent } from "../core/node/contract.ts";
import type { EventQueue } from "./event-queue.ts";

/** How long a turn of an agent keeps a core. */
export type TurnCost = (event: NodeEvent, effects: readonly NodeEffect[]) => Duration;

/**
 * Cores that machines share, as the agents of a bench on one box do: a turn takes one for a while, first come
 * first served, and who waits for one is late.
 */
export class Processor {
  readonly turnCost: TurnCost;
  readonly #queue: EventQueue;
  readonly #now: () => Instant;
  readonly #waiting: { readonly job: () => Duration; readonly done: () => void }[] = [];
  #free: number;

  constructor(queue: EventQueue, now: () => Instant, cores: number, turnCost: TurnCost) {
    this.#queue = queue;
    this.#now = now;
    this.#free = cores;
    this.turnCost = turnCost;
  }

  /** @param job Runs when there is a core, and says for how long it keeps it. */
  run(job: () => Duration, done: () => void = () => {}): void {
    this.#waiting.push({ job, done });
    this.#next();
  }

  #next(): void {
    if (this.#free === 0) return;
    const next = this.#waiting.shift();
    if (next === undefined) return;
    this.#free--;
    this.#queue.schedule(this.#now() + next.job(), () => {
      this.#free++;
      next.done();
      this.#next();
    });
  }
}

/** The agent's own beat, which its timers carry, and how late it is when the agent notices that it stood still. */
const beatEvery: Duration = 250;
const stalledAfter: Duration = 500;

/** What waits for the agent of one machine to have its turn. */
export class Turns {
  readonly #processor: Processor;
  readonly #now: () => Instant;
  readonly #take: (event: NodeEvent) => readonly NodeEffect[] | undefined;
  /** What was there when the event loop last looked: a timer that comes due meanwhile waits for all of it. */
  #round: NodeEvent[] = [];
  #waiting: NodeEvent[] = [];
  #running = false;
  #beatAt: Instant = 0;

  /** @param take Undefined: the agent does not run now. */
  constructor(
    processor: Processor,
    now: () => Instant,
    take: (event: NodeEvent) => readonly NodeEffect[] | undefined,
  ) {
    this.#processor = processor;
    this.#now = now;
    this.#take = take;
  }

  /** Of what waits for the next round, a timer comes before what the network brought. */
  add(event: NodeEvent): void {
    if (event.type !== "wake") this.#waiting.push(event);
    else if (this.#waiting[0]?.type !== "wake") this.#waiting.unshift(event);
    if (this.#running) return;
    this.#beatAt = this.#now();
    this.#run();
  }

  forget(): void {
    this.#round = [];
    this.#waiting = [];
  }

  #run(): void {
    this.#running = true;
    this.#processor.run(
      () => {
        const now = this.#now();
        const late = now - this.#beatAt - beatEvery;
        if (late >= stalledAfter) this.#take({ type: "stalled", by: late });
        if (this.#round.length === 0) [this.#round, this.#waiting] = [this.#waiting, []];
        else if (late < stalledAfter) return this.#next();
        this.#beatAt = now;
        return this.#next();
      },
      () => {
        if (this.#round.length + this.#waiting.length > 0) this.#run();
        else this.#running = false;
      },
    );
  }

  #next(): Duration {
    const event = this.#round.shift();
    const effects = event === undefined ? undefined : this.#take(event);
    return event === undefined || effects === undefined ? 0 : this.#processor.turnCost(event, effects);
  }
}
