import type { Electorate, LeaseEffect, LeaseEvent, Leases } from "../core/leases/contract.ts";
import { createLeases } from "../core/leases/create-leases.ts";
import { decodeRow } from "../core/leases/rows.ts";
import { stampOf } from "../core/leases/state.ts";
import { carryOut, type Handlers } from "../core/kernel/effects.ts";
import { versionAt, wallOf, type Version } from "../core/kernel/hybrid-clock.ts";
import { between, randomStream, type Random } from "../core/kernel/random.ts";
import type { LeaseStorm } from "./lease-storm.ts";

/** How far stamps may be ahead of an honest clock, in ms. */
const driftMax = 600_000;

/** A workload under a name, as the machine's process table and its guard have it. */
export type Instance = {
  readonly name: string;
  readonly token: number;
  readonly node: string;
  /** By the machine's own clock. */
  deadline: number;
};

/**
 * One machine of the lease storm: a clock that runs a little fast or slow, a disk, an agent with the lease
 * machine in it, and a guard that outlives the agent and ends what is not re-armed.
 */
export class LeaseNode {
  readonly id: string;
  readonly random: Random;
  readonly #storm: LeaseStorm;
  readonly #disk = new Map<string, Uint8Array>();
  readonly running = new Map<string, Instance>();
  /** What of the roster has reached this node. */
  readonly members = new Set<string>();
  readonly gone = new Set<string>();
  /** What the agent was last told of both: one that is stopped reads it later. */
  told: { readonly members: ReadonlySet<string>; readonly gone: ReadonlySet<string> } = {
    members: new Set(),
    gone: new Set(),
  };
  leases: Leases | undefined;
  power = true;
  diskFull = false;
  lost = false;
  overAt = Number.POSITIVE_INFINITY;
  pausedUntil = 0;
  frozenUntil = 0;
  readonly #resumed = new Map<string, number>();
  #firstLife = true;
  /** How far its wall clock is off, in ms, and the largest stamp that it made or saw. */
  readonly #skew: number;
  #stamp: Version = 0;
  #rate: number;
  #clockAt = 0;
  #clock = 0;
  #process = 0;
  #inbox: (() => void)[] = [];
  #memories = 0;
  #armed = 0;
  #writtenAt = 0;

  constructor(storm: LeaseStorm, id: string) {
    this.#storm = storm;
    this.id = id;
    this.random = randomStream(storm.seed, `node ${id}`);
    this.#rate = 1 + between(this.random, -storm.drift, storm.drift);
    const isFarBehind = this.random() < 0.15;
    this.#skew = isFarBehind ? -30 * 86_400_000 : between(this.random, -60_000, 60_000);
  }

  /** A stamp of its hybrid clock, as records are stamped. */
  stamp(): Version {
    this.observe(Math.max(this.#stamp + 1, versionAt(this.#storm.wall() + this.#skew)));
    return this.#stamp;
  }

  observe(stamp: Version): void {
    this.#stamp = Math.max(this.#stamp, stamp);
  }

  /** Whether its disk was never lost, so that it may found. */
  get original(): boolean {
    const row = this.#disk.get("meta/lease-memory");
    const decoded = row === undefined ? undefined : decodeRow(row);
    return decoded?.type === "memory" && decoded.original;
  }

  /** Whether it knows that it is no member, and what it held when it heard of that has run out. */
  get isOver(): boolean {
    return this.#storm.now >= this.overAt;
  }

  /** The memory that its disk has now: it changes when the disk is lost. */
  memory(): string | undefined {
    const row = this.#disk.get("meta/lease-memory");
    const decoded = row === undefined ? undefined : decodeRow(row);
    return decoded?.type === "memory" ? decoded.memory : undefined;
  }

  get up(): boolean {
    return this.leases !== undefined;
  }

  get stalled(): boolean {
    return this.#storm.now < Math.max(this.pausedUntil, this.frozenUntil);
  }

  local(): number {
    return this.#clock + (this.#storm.now - this.#clockAt) * this.#rate;
  }

  /** The true moment at which this machine's clock says so. */
  trueAt(local: number): number {
    return this.#clockAt + (local - this.#clock) / this.#rate;
  }

  /** Clocks change their pace with the temperature, within the bound. */
  changeRate(): void {
    [this.#clock, this.#clockAt] = [this.local(), this.#storm.now];
    this.#rate = 1 + between(this.random, -this.#storm.drift, this.#storm.drift);
    for (const instance of this.running.values()) this.#guard(instance);
    this.#arm();
  }

  start(): void {
    if (!this.power || this.up || this.lost) return;
    this.#process++;
    const { leaseFor, promiseFor } = this.#storm;
    this.leases = createLeases({ self: this.id, leaseFor, promiseFor });
    const memory = `${this.id.slice(-4)}${++this.#memories}`;
    const rows = [...this.#disk.values()];
    this.#handle({ type: "restored", rows, memory, firstLife: this.#firstLife });
    this.#firstLife = false;
    this.tellRoster();
    this.want();
    for (const peer of this.#storm.linkedWith(this)) this.deliver({ type: "peer-up", peer });
  }

  /** `kill -9` of the agent: what it had not yet on disk is gone; guard and workloads go on. */
  kill(): void {
    if (!this.up) return;
    this.#process++;
    this.leases = undefined;
    this.#inbox = [];
    this.pausedUntil = 0;
    this.#storm.agentGone(this);
  }

  powerOff(): void {
    this.kill();
    this.power = false;
    this.frozenUntil = 0;
    for (const name of this.running.keys()) this.#end(name);
  }

  powerOn(): void {
    if (this.power) return;
    this.power = true;
    // A monotonic clock starts anew with the machine.
    [this.#clock, this.#clockAt] = [0, this.#storm.now];
    this.start();
  }

  loseDisk(): void {
    this.kill();
    this.#disk.clear();
  }

  pause(until: number): void {
    this.pausedUntil = Math.max(this.pausedUntil, until);
    this.#storm.at(until, () => this.#resume());
  }

  /** SIGSTOP of everything: agent, guard and workloads, which do nothing meanwhile. */
  freeze(until: number): void {
    this.frozenUntil = Math.max(this.frozenUntil, until);
    this.#storm.at(until, () => {
      if (this.#storm.now < this.frozenUntil) return;
      // The guard looks at the clock before anything else gets a turn.
      for (const instance of this.running.values()) this.#guard(instance);
      this.#resume();
    });
  }

  tellRoster(): void {
    const told = { members: new Set(this.members), gone: new Set(this.gone) };
    const members = [...told.members].sort();
    const founder = this.#storm.roster.founderOf(told.members);
    const ended = told.gone.size;
    const electorate: Electorate = { name: "site/x", members, voters: members, founder, ended, listenFor: 0 };
    this.#inTurn(() => {
      this.told = told;
      this.#handle({ type: "electorates", electorates: [electorate], members: told.members });
    });
  }

  want(): void {
    const names = this.#storm.names.map((name) => {
      const epoch = this.running.get(name)?.token ?? 0;
      if (epoch > 0) this.#resumed.set(name, epoch);
      return { name, electorate: "site/x", epoch };
    });
    this.deliver({ type: "wanted", names });
  }

  /** The workload ends by itself, and another node may have the name. */
  release(name: string): void {
    if (!this.up || this.stalled || !this.running.has(name)) return;
    this.#end(name);
    this.deliver({ type: "release", name });
    this.#storm.at(this.#storm.now + between(this.random, 100, 2_000), () => this.up && this.want());
  }

  deliver(event: LeaseEvent): void {
    this.#inTurn(() => this.#handle(event));
  }

  /** A stopped agent does it when it goes on, one that is down never. */
  #inTurn(step: () => void): void {
    if (!this.up) return;
    if (this.stalled) this.#inbox.push(step);
    else step();
  }

  #resume(): void {
    if (this.stalled || !this.up) return;
    for (const step of this.#inbox.splice(0)) this.#inTurn(step);
    this.deliver({ type: "wake" });
  }

  #handle(event: LeaseEvent): void {
    const { leases } = this;
    if (leases === undefined) return;
    const stamp = this.stamp();
    const latest = versionAt(wallOf(stamp) + driftMax);
    const env = { now: this.local(), stamp, latest, random: this.random };
    for (const effect of leases.handle(event, env)) carryOut(this.#handlers, effect);
    this.#arm();
  }

  readonly #handlers: Handlers<LeaseEffect> = {
    send: ({ peer, bytes }) => this.#storm.send(this, peer, bytes),
    persist: ({ ticket, puts }) => {
      const process = this.#process;
      // One after the other, as transactions are.
      this.#writtenAt = Math.max(this.#writtenAt, this.#storm.now + between(this.random, 0.2, 15));
      this.#storm.at(this.#writtenAt, () => {
        if (this.#process !== process) return;
        if (this.diskFull) return this.deliver({ type: "store-failed", ticket });
        for (const { slot, bytes } of puts) this.#disk.set(slot, bytes);
        this.deliver({ type: "stored", ticket });
      });
    },
    held: ({ name, epoch, until }) => {
      const instance = this.running.get(name);
      if (instance === undefined) {
        // What was resumed and has ended meanwhile is about to be released; its claim starts nothing anew.
        if (this.#resumed.get(name) === epoch) return;
        return this.#startInstance(name, epoch, until);
      }
      if (instance.token !== epoch) {
        this.#storm.violated(`${this.id} holds ${name} under ${epoch} and runs it under ${instance.token}`);
      }
      instance.deadline = until;
      this.#guard(instance);
    },
    lost: ({ name }) => this.#end(name),
    "roll-changed": ({ roll }) => {
      this.observe(stampOf(roll));
      this.#storm.rollChanged(this, roll);
    },
    "protocol-error": ({ detail }) => this.#storm.violated(`${this.id}: ${detail}`),
  };

  #startInstance(name: string, token: number, deadline: number): void {
    const instance = { name, token, node: this.id, deadline };
    this.running.set(name, instance);
    this.#storm.started(instance);
    this.#guard(instance);
  }

  #guard(instance: Instance): void {
    const due = this.trueAt(instance.deadline);
    this.#storm.at(due, () => {
      if (this.running.get(instance.name) !== instance || this.#storm.now < this.frozenUntil) return;
      if (this.local() + 0.001 < instance.deadline) return;
      this.#end(instance.name);
      // The agent, if there is one, sees that it is gone, and what it held it under is used up.
      this.deliver({ type: "release", name: instance.name });
      this.want();
    });
  }

  #end(name: string): void {
    const instance = this.running.get(name);
    if (instance === undefined) return;
    this.running.delete(name);
    this.#storm.ended(instance);
  }

  #arm(): void {
    const { leases } = this;
    if (leases === undefined) return;
    const { at } = leases.wake();
    const token = ++this.#armed;
    if (at === Number.POSITIVE_INFINITY) return;
    this.#storm.at(Math.max(this.trueAt(at), this.#storm.now + 0.1), () => {
      if (token === this.#armed && !this.stalled) this.deliver({ type: "wake" });
    });
  }
}
