import { below, between, pick, randomStream, shuffled, type Random } from "../core/kernel/random.ts";
import { goneKey } from "../core/records/keys.ts";
import type { MeshRecord } from "../core/records/record.ts";
import type { Machine } from "./machine.ts";
import { EnrollersWords } from "./enrollers-words.ts";
import { admission, enrolAt, introductionBy, isStoredAt, revocation } from "./enrolment.ts";
import type { Layout, World } from "./world.ts";

/**
 * Members that come and go while the weather is bad: machines that join through one enroller on one side of
 * a cut, members that leave as `starlight leave` does it, members that are revoked on one side while the
 * other side goes on with them, and machines that a revoked enroller still admits. Whatever was begun is
 * tried again until it is done, as people do.
 */

const tryAgainEvery = 400;
const drainLookEvery = 500;
/** How long a leaver waits for its pods to go, before it leaves with what still runs. */
const drainMax = 12_000;

/** Who is revoked has heard of it so long after all cuts have ended, and says nothing from then on. */
const hearsMax = 8_000;

/** Adds machines that are no members yet: one in half of the sites, and a site that is new. */
export function withNewcomers(layout: Layout, seed: number): Layout {
  const random = randomStream(seed, "newcomers");
  const more = layout.map((site) => (random() < 0.5 ? { ...site, later: 1 } : site));
  const region = pick(random, layout)?.region ?? "north";
  return random() < 0.5
    ? more
    : [...more, { site: "harbour", region, nodes: 0, later: 1 + below(random, 2) }];
}

export class Comings {
  readonly #world: World;
  readonly #random: Random;
  readonly #words: EnrollersWords;
  /** Sites that somebody has left: the other members of the same have to stay for the votes. */
  readonly #touched = new Set<string>();
  /** Enrollers whose word others rely on stay. */
  readonly #admitted = new Set<Machine>();
  #ended = false;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.random("comings");
    this.#words = new EnrollersWords(world);
  }

  /** Draws who comes and goes within `[from, until)`. */
  plan(from: number, until: number): void {
    const random = this.#random;
    const soon = (): number => between(random, from, from + 0.8 * (until - from));
    for (const newcomer of this.#world.spares)
      if (random() < 0.8) this.#world.at(soon(), () => this.#join(newcomer));
    const goers = Math.floor(this.#world.machines.length / 4);
    for (let count = 0; count < goers; count++)
      this.#world.at(soon(), () => (random() < 0.5 ? this.#leave() : this.#revokeDuringCut()));
  }

  /** Nothing new begins, and what nobody can hear of any more did not happen. */
  end(): void {
    this.#ended = true;
    this.#world.at(this.#world.now + hearsMax, () => this.#words.forgetUnheard());
  }

  #join(newcomer: Machine): void {
    if (!this.#world.spares.includes(newcomer)) return;
    const enroller = pick(
      this.#random,
      this.#enrollers().filter((machine) => this.#reachesSiteOf(machine, newcomer)),
    );
    if (enroller === undefined) return this.#again(() => this.#join(newcomer));
    this.#log(`${newcomer.name} joins through ${enroller.name}`);
    this.#admitted.add(enroller);
    const record = admission(this.#world, enroller, newcomer);
    this.#enrolUntilStored(enroller, record, () => {
      const held = introductionBy(this.#world, enroller, record);
      this.#world.spares.splice(this.#world.spares.indexOf(newcomer), 1);
      this.#world.machines.push(newcomer);
      newcomer.skew = between(this.#random, -30_000, 30_000);
      newcomer.disk.preload(held);
      newcomer.startAgent();
      this.#words.say({ says: "member", by: enroller, of: newcomer, version: record.version });
    });
  }

  /** Cordoned and drained, then the word that it leaves; some time later it is switched off. */
  #leave(): void {
    const machine = this.#goer(({ state }) => state === "up");
    if (machine === undefined) return this.#again(() => this.#leave());
    this.#log(`${machine.name} is drained, to leave`);
    this.#touched.add(machine.identity.site);
    const { name } = machine.identity;
    const value = { apiVersion: "v1", kind: "Node", metadata: { name }, spec: { unschedulable: true } };
    const ref = { group: "", kind: "Node", namespace: "", name };
    const change = {
      type: "update",
      ref,
      value,
      manager: "starlight",
      class: "user",
      mode: "upsert",
    } as const;
    machine.write(-1, change);
    this.#drain(machine, this.#world.now + drainMax);
  }

  #drain(machine: Machine, deadline: number): void {
    if (!this.#world.machines.includes(machine)) return;
    const { id } = machine.identity;
    const pods = machine.node?.view.pods().filter(({ node, body }) => {
      const ended = body.phase === "Succeeded" || body.phase === "Failed";
      return node === id && body.workload.kind !== "DaemonSet" && !ended;
    });
    const left = machine.state !== "up" || pods === undefined ? 1 : pods.length;
    if (left === 0 || this.#world.now >= deadline) return this.#sayGoodbye(machine);
    for (const { uid } of pods ?? [])
      machine.deliver({ type: "evict", uid, within: undefined, why: "drained" });
    this.#world.at(this.#world.now + drainLookEvery, () => this.#drain(machine, deadline));
  }

  #sayGoodbye(machine: Machine): void {
    if (machine.state !== "up") return this.#later(() => this.#sayGoodbye(machine));
    this.#log(`${machine.name} leaves with ${machine.pods.size} pods`);
    this.#world.depart(machine, "left");
    const { id } = machine.identity;
    const say = (): void => {
      // Who is switched off before anybody has heard of it stays a member.
      const slot = `${goneKey(id)}\0${id}`;
      const heard = this.#world.machines.some(({ disk }) => disk.stored(slot) !== undefined);
      if (heard) {
        this.#world.at(this.#world.now + between(this.#random, 1_000, 8_000), () => machine.powerOff());
        return;
      }
      const said = machine.disk.stored(slot) !== undefined;
      if (machine.state === "up" && !said) machine.deliver({ type: "leave", reason: "simulated" });
      machine.disk.full = false;
      machine.powerOn();
      machine.startAgent();
      this.#later(say);
    };
    say();
  }

  /** On one side it is revoked; the other side, cut off, goes on with it. */
  #revokeDuringCut(): void {
    const victim = this.#goer(() => true);
    const enrollers = this.#enrollers().filter((machine) => machine !== victim);
    const enroller = pick(this.#random, enrollers);
    if (victim === undefined || enroller === undefined) return this.#again(() => this.#revokeDuringCut());
    this.#touched.add(victim.identity.site);
    this.#admitted.add(enroller);
    const others = shuffled(
      this.#random,
      this.#world.present.filter((machine) => machine !== victim && machine !== enroller),
    );
    const size = below(this.#random, others.length);
    const inside = [victim, ...others.slice(0, size)];
    const outside = [enroller, ...others.slice(size)];
    const names = inside.map(({ name }) => name).join(" ");
    this.#log(`${enroller.name} is to revoke ${victim.name}, which is cut off with ${names}`);
    this.#cut(inside, outside, between(this.#random, 5_000, 40_000));
    this.#world.at(this.#world.now + between(this.#random, 0, 5_000), () => this.#revoke(enroller, victim));
  }

  #revoke(enroller: Machine, victim: Machine): void {
    if (!this.#world.machines.includes(victim)) return;
    if (enroller.state !== "up") return this.#later(() => this.#revoke(enroller, victim));
    const record = revocation(this.#world, enroller, victim.identity.id);
    this.#log(`${enroller.name} revokes ${victim.name} at ${record.version}`);
    this.#words.say({ says: "revoked", by: enroller, of: victim, version: record.version });
    this.#enrolUntilStored(enroller, record, () => {});
    if (this.#world.enrollers.has(victim))
      this.#world.at(this.#world.now + 3_000, () => this.#admitMole(victim, record));
  }

  /** An enroller that does not know yet that it is revoked admits somebody: that counts nowhere. */
  #admitMole(victim: Machine, revoked: MeshRecord): void {
    const [mole] = this.#world.spares;
    if (mole === undefined || victim.state !== "up" || this.#ended) return;
    const record = admission(this.#world, victim, mole);
    if (this.#world.machines.includes(victim) || record.version <= revoked.version) return;
    enrolAt(this.#world, victim, record);
    // Once it knows, it admits nobody any more.
    if (victim.node?.view.memberBody(mole.identity.id) === undefined) return;
    this.#log(`${victim.name}, revoked, admits ${mole.name}`);
    this.#world.spares.splice(this.#world.spares.indexOf(mole), 1);
    this.#world.departed.push({ machine: mole, how: "void" });
    mole.disk.preload(introductionBy(this.#world, victim, record));
    mole.startAgent();
    this.#words.say({ says: "member", by: victim, of: mole, version: record.version });
  }

  /**
   * Somebody who may go: one of each site, the last one too, but neither of the last two enrollers nor anybody
   * whose word others rely on.
   */
  #goer(may: (machine: Machine) => boolean): Machine | undefined {
    const enrollers = this.#world.machines.filter((machine) => this.#world.enrollers.has(machine));
    return pick(
      this.#random,
      this.#world.machines.filter((machine) => {
        if (this.#touched.has(machine.identity.site) || this.#admitted.has(machine) || !may(machine))
          return false;
        return !this.#world.enrollers.has(machine) || enrollers.length > 2;
      }),
    );
  }

  #enrollers(): Machine[] {
    return this.#world.machines.filter(
      (machine) => this.#world.enrollers.has(machine) && machine.state === "up",
    );
  }

  /**
   * Cuts part the machines that were there when they came: one that joins across a standing cut would be a way
   * around it for both sides, which no cut of a site leaves open. What such a bridge brings about, summaries
   * of the other side that are out of date within the moment they come, is left out here.
   */
  #reachesSiteOf(enroller: Machine, newcomer: Machine): boolean {
    const { network, machines } = this.#world;
    const { site } = newcomer.identity;
    return [newcomer, ...machines.filter(({ identity }) => identity.site === site)].every(
      ({ host }) => !network.isCut(enroller.host, host) && !network.isCut(host, enroller.host),
    );
  }

  #enrolUntilStored(enroller: Machine, record: MeshRecord, done: () => void): void {
    if (isStoredAt(enroller, record) && enroller.state === "up") return done();
    if (enroller.state === "up") enrolAt(this.#world, enroller, record);
    this.#later(() => this.#enrolUntilStored(enroller, record, done));
  }

  #cut(inside: readonly Machine[], outside: readonly Machine[], duration: number): void {
    const ways = inside.flatMap((a) =>
      outside.flatMap((b) => [[a.host, b.host] as const, [b.host, a.host] as const]),
    );
    for (const [from, to] of ways) this.#world.network.cut(from, to);
    this.#world.at(this.#world.now + duration, () => {
      for (const [from, to] of ways) this.#world.network.mend(from, to);
    });
  }

  /** What was not begun need not be. */
  #again(act: () => void): void {
    this.#later(() => {
      if (!this.#ended) act();
    });
  }

  #later(act: () => void): void {
    this.#world.at(this.#world.now + tryAgainEvery, act);
  }

  #log(what: string): void {
    this.#world.trace.add(this.#world.now, "ROSTER", what);
  }
}
