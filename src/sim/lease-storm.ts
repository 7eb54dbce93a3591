import { epochMs, versionAt } from "../core/kernel/hybrid-clock.ts";
import { below, between, pick, randomStream, shuffled, type Random } from "../core/kernel/random.ts";
import type { Roll } from "../core/leases/contract.ts";
import { EventQueue } from "./event-queue.ts";
import { LeaseChecks } from "./lease-checks.ts";
import type { Instance, LeaseNode } from "./lease-node.ts";
import { LeaseRoster } from "./lease-roster.ts";

export type LeaseStormOptions = {
  readonly seed: number;
  readonly nodes: number;
  readonly stormMs: number;
  readonly calmMs: number;
  readonly print?: ((line: string) => void) | undefined;
};

/**
 * Attacks leases alone, with everything that docs/exclusive.md says they stand: cuts in either direction,
 * stopped agents and stopped machines, clocks that run off within their bound, reboots, lost disks, full
 * disks, members that join, leave and are revoked while nodes learn of it at different times. What is
 * checked is the world's own truth: which instances run, at every true moment.
 */
export function runLeaseStorm(options: LeaseStormOptions): readonly string[] {
  const storm = new LeaseStorm(options);
  storm.run(options.stormMs, options.calmMs);
  return storm.violations;
}

export class LeaseStorm {
  readonly seed: number;
  /** Each clock is off by at most this part of the time. */
  readonly drift = 0.02;
  readonly leaseFor = 10_000;
  /** Hardly longer than the lease and all drift: `leaseFor * (1 + drift) / (1 - drift)` is 10,408 ms. */
  readonly promiseFor = 10_450;
  readonly names = ["apps/StatefulSet/default/db site/x/0", "apps/StatefulSet/default/db site/x/1"];
  readonly nodes: LeaseNode[] = [];
  readonly violations: string[] = [];
  readonly #queue = new EventQueue();
  readonly #random: Random;
  readonly #print: (line: string) => void;
  readonly #cuts = new Map<string, number>();
  readonly #links = new Map<string, number>();
  readonly #arrivals = new Map<string, number>();
  readonly #checks: LeaseChecks;
  readonly roster: LeaseRoster;
  now = 0;
  isCalm = false;
  #linksMade = 0;

  constructor({ seed, nodes, print }: LeaseStormOptions) {
    this.seed = seed;
    this.#random = randomStream(seed, "lease storm");
    this.#print = print ?? (() => {});
    this.roster = new LeaseRoster(this);
    this.#checks = new LeaseChecks(
      (what) => this.violated(what),
      (id) => this.#node(id),
      (id) => this.roster.gone.has(id),
    );
    for (let count = 0; count < nodes; count++) this.roster.join();
    for (const node of this.nodes) for (const { id } of this.nodes) node.members.add(id);
    for (const node of this.nodes) node.observe(versionAt(this.wall()));
  }

  run(stormMs: number, calmMs: number): void {
    for (const node of this.nodes) node.start();
    for (let at = 0; at < stormMs + calmMs; at += 500) this.at(at, () => this.linkUp());
    for (let at = between(this.#random, 0, 6_000); at < stormMs; at += between(this.#random, 0, 6_000)) {
      this.at(at, () => this.#strike());
    }
    // In every third storm the site is left by all, early enough to begin anew and to be left again.
    if (this.seed % 3 === 0) this.at(between(this.#random, 0, stormMs / 2), () => this.roster.empty());
    this.at(stormMs, () => this.#mend());
    this.#runUntil(stormMs + calmMs);
    this.#atEnd();
  }

  at(when: number, run: () => void): void {
    this.#queue.schedule(Math.max(when, this.now), run);
  }

  wall(): number {
    return epochMs + 200_000_000_000 + this.now;
  }

  violated(what: string): void {
    this.log(`VIOLATED ${what}`);
    if (this.violations.length < 10) this.violations.push(`at ${(this.now / 1000).toFixed(3)} s: ${what}`);
  }

  started(instance: Instance): void {
    this.log(`${instance.node} starts ${instance.name} under ${instance.token}`);
    this.#checks.started(instance, this.now);
  }

  ended(instance: Instance): void {
    this.log(`${instance.node} ends ${instance.name}`);
    this.#checks.ended(instance);
  }

  rollChanged(node: LeaseNode, roll: Roll): void {
    const names = roll.voters.map(({ id, memory }) => `${id.slice(-2)}/${memory}`).join(" ");
    this.log(`${node.id} goes by roll ${roll.number} of ${roll.founding}: ${names}`);
    this.#checks.rollChanged(node, roll);
  }

  linkedWith({ id }: LeaseNode): string[] {
    return this.nodes.filter((other) => this.#links.has(pair(id, other.id))).map((other) => other.id);
  }

  agentGone({ id }: LeaseNode): void {
    for (const other of this.nodes) this.#unlink(id, other.id);
  }

  send(from: LeaseNode, peer: string, bytes: Uint8Array): void {
    const link = this.#links.get(pair(from.id, peer));
    if (link === undefined || this.#isCut(from.id, peer)) return;
    const way = `${from.id}>${peer}`;
    const slow =
      !this.isCalm && this.#random() < 0.03
        ? between(this.#random, 200, 8_000)
        : between(this.#random, 1, 40);
    const arrival = Math.max(this.now + slow, this.#arrivals.get(way) ?? 0);
    this.#arrivals.set(way, arrival);
    this.at(arrival, () => {
      if (this.#links.get(pair(from.id, peer)) !== link || this.#isCut(from.id, peer)) return;
      this.#node(peer)?.deliver({ type: "frame", peer: from.id, bytes });
    });
  }

  #runUntil(until: number): void {
    for (let entry = this.#queue.next(until); entry !== undefined; entry = this.#queue.next(until)) {
      this.now = entry.at;
      entry.run();
      if (this.violations.length >= 10) return;
    }
    this.now = until;
  }

  #strike(): void {
    const random = this.#random;
    const node = pick(
      random,
      this.nodes.filter(({ lost }) => !lost),
    );
    if (node === undefined || this.isCalm) return;
    const dice = random();
    const later = (most: number, run: () => void): void =>
      this.at(this.now + between(random, 200, most), run);
    if (dice < 0.1) this.#bounceVoters(between(random, 2_000, 30_000));
    else if (dice < 0.18) this.#split(between(random, 2_000, 60_000));
    else if (dice < 0.28) this.#cutOff(node, between(random, 2_000, 60_000));
    else if (dice < 0.4) {
      this.log(`the agent of ${node.id} is killed`);
      node.kill();
      later(random() < 0.5 ? 1_000 : 20_000, () => node.start());
    } else if (dice < 0.5) {
      this.log(`${node.id} loses power`);
      node.powerOff();
      later(30_000, () => node.powerOn());
    } else if (dice < 0.62) {
      this.log(`the agent of ${node.id} is stopped`);
      node.pause(this.now + between(random, 500, 40_000));
    } else if (dice < 0.7) {
      this.log(`all of ${node.id} is stopped`);
      node.freeze(this.now + between(random, 500, 40_000));
    } else if (dice < 0.76) {
      this.log(`${node.id} loses its disk`);
      node.loseDisk();
      later(10_000, () => node.start());
    } else if (dice < 0.8) {
      node.diskFull = true;
      later(10_000, () => (node.diskFull = false));
    } else if (dice < 0.86) node.changeRate();
    else if (dice < 0.9) node.release(pick(random, this.names) ?? "");
    else if (dice < 0.95) this.roster.joinLate();
    else if (dice < 0.975) this.roster.revoke(node);
    else this.roster.empty();
  }

  /** Everything comes back; nobody joins or leaves any more. */
  #mend(): void {
    this.isCalm = true;
    this.log("calm");
    this.#cuts.clear();
    for (const node of this.nodes) {
      node.diskFull = false;
      node.powerOn();
      node.start();
    }
    this.roster.tellAll();
    this.linkUp();
  }

  /** D: with a majority connected and calm, every name runs once. */
  #atEnd(): void {
    this.#checks.atEnd();
    const alive = this.roster.present();
    // Voters whose promises are lost for good may leave less than a majority: then nothing may run.
    const rolls = alive.flatMap(({ leases }) => leases?.roll("site/x") ?? []);
    const newest = Math.max(0, ...rolls.map(({ number }) => number));
    const roll = rolls.find(({ number }) => number === newest);
    const isVacant = roll?.voters.some(({ id }) => alive.some((node) => node.id === id)) !== true;
    const founder = this.roster.founderOf(new Set(alive.map(({ id }) => id)));
    const mayFound = isVacant && founder !== undefined && this.#node(founder)?.original === true;
    if (!mayFound && !this.mayDecide(roll)) return;
    for (const name of this.names) {
      const count = this.#checks.running(name);
      if (count !== 1) this.violated(`after the calm ${name} runs ${count} times under roll ${newest}`);
    }
  }

  mayDecide(roll: Roll | undefined): boolean {
    if (roll === undefined) return false;
    const there = roll.voters.filter(({ id, memory }) => {
      const node = this.#node(id);
      return node !== undefined && !node.lost && node.memory() === memory;
    });
    return there.length > roll.voters.length / 2;
  }

  /** A holder is cut off, and the others are restarted: who forgets a promise then breaks it. */
  #bounceVoters(duration: number): void {
    const holder = this.nodes.find(({ running }) => running.size > 0);
    if (holder === undefined) return;
    this.#cutOff(holder, duration);
    const lossy = this.#random() < 0.3;
    for (const other of this.nodes) {
      if (other === holder || other.lost) continue;
      const at = this.now + between(this.#random, 0, 2_000);
      this.at(at, () => {
        if (lossy && this.#random() < 0.3) other.loseDisk();
        else other.kill();
      });
      this.at(at + between(this.#random, 10, 500), () => other.start());
    }
  }

  #split(duration: number): void {
    const mixed = shuffled(this.#random, this.nodes);
    const inside = mixed.slice(0, 1 + below(this.#random, Math.max(1, mixed.length - 1)));
    const outside = mixed.filter((node) => !inside.includes(node));
    const oneWay = this.#random() < 0.2;
    this.log(`${inside.map(({ id }) => id.slice(-2)).join(" ")} split off${oneWay ? " one way" : ""}`);
    this.#cut(inside, outside, duration, oneWay);
  }

  #cutOff(node: LeaseNode, duration: number): void {
    this.log(`${node.id} is cut off`);
    this.#cut(
      [node],
      this.nodes.filter((other) => other !== node),
      duration,
      false,
    );
  }

  #cut(inside: readonly LeaseNode[], outside: readonly LeaseNode[], duration: number, oneWay: boolean): void {
    const ways = inside.flatMap((a) =>
      outside.flatMap((b) => (oneWay ? [`${a.id}>${b.id}`] : [`${a.id}>${b.id}`, `${b.id}>${a.id}`])),
    );
    for (const way of ways) this.#cuts.set(way, (this.#cuts.get(way) ?? 0) + 1);
    // Links are given up some time later: until then senders believe in them.
    this.at(this.now + between(this.#random, 500, 4_000), () => this.#dropCut());
    this.at(this.now + duration, () => {
      for (const way of ways) this.#cuts.set(way, Math.max(0, (this.#cuts.get(way) ?? 0) - 1));
      this.linkUp();
    });
  }

  #dropCut(): void {
    for (const a of this.nodes) {
      for (const b of this.nodes) {
        if (a.id < b.id && (this.#isCut(a.id, b.id) || this.#isCut(b.id, a.id))) this.#unlink(a.id, b.id);
      }
    }
  }

  linkUp(): void {
    for (const a of this.nodes) {
      for (const b of this.nodes) {
        const known = a.members.has(b.id) && b.members.has(a.id);
        const cut = this.#isCut(a.id, b.id) || this.#isCut(b.id, a.id);
        if (a.id >= b.id || cut || !known || !a.up || !b.up || this.#links.has(pair(a.id, b.id))) continue;
        this.#links.set(pair(a.id, b.id), ++this.#linksMade);
        a.deliver({ type: "peer-up", peer: b.id });
        b.deliver({ type: "peer-up", peer: a.id });
      }
    }
  }

  #unlink(a: string, b: string): void {
    if (!this.#links.delete(pair(a, b))) return;
    this.#node(a)?.deliver({ type: "peer-down", peer: b });
    this.#node(b)?.deliver({ type: "peer-down", peer: a });
  }

  #isCut(from: string, to: string): boolean {
    return (this.#cuts.get(`${from}>${to}`) ?? 0) > 0;
  }

  #node(id: string): LeaseNode | undefined {
    return this.nodes.find((node) => node.id === id);
  }

  log(line: string): void {
    this.#print(`${(this.now / 1000).toFixed(3).padStart(9)} ${line}`);
  }
}

const pair = (a: string, b: string): string => (a < b ? `${a} ${b}` : `${b} ${a}`);
