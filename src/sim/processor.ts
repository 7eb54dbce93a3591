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

/** The agent's own beat notices that it had no core for so long. */
const stalledAfter: Duration = 500;

/** What waits for the agent of one machine to have its turn. */
export class Turns {
  readonly #processor: Processor;
  readonly #now: () => Instant;
  readonly #take: (event: NodeEvent) => readonly NodeEffect[] | undefined;
  #waiting: { readonly event: NodeEvent; readonly since: Instant }[] = [];
  #running = false;
  #endedAt: Instant = 0;

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

  /** A timer that is due comes before what the network brought. */
  add(event: NodeEvent): void {
    const entry = { event, since: this.#now() };
    if (event.type !== "wake") this.#waiting.push(entry);
    else if (this.#waiting[0]?.event.type !== "wake") this.#waiting.unshift(entry);
    if (!this.#running) this.#run();
  }

  forget(): void {
    this.#waiting = [];
  }

  #run(): void {
    this.#running = true;
    this.#processor.run(
      () => {
        const next = this.#waiting.shift();
        if (next === undefined) return 0;
        const late = this.#now() - Math.max(this.#endedAt, next.since);
        if (late >= stalledAfter) this.#take({ type: "stalled", by: late });
        const effects = this.#take(next.event);
        return effects === undefined ? 0 : this.#processor.turnCost(next.event, effects);
      },
      () => {
        this.#endedAt = this.#now();
        if (this.#waiting.length > 0) this.#run();
        else this.#running = false;
      },
    );
  }
}
