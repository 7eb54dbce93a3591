import { versionAt } from "../core/kernel/hybrid-clock.ts";
import { between, pick, randomStream, type Random } from "../core/kernel/random.ts";
import { LeaseNode } from "./lease-node.ts";
import type { LeaseStorm } from "./lease-storm.ts";

/**
 * Who belongs to the site of a lease storm, and who has heard of it. Members join, leave and are revoked while
 * nodes learn of it at different times; at times all of them go, and the site begins anew with members that an
 * enroller elsewhere admits, or two enrollers that are cut from each other.
 */
export class LeaseRoster {
  readonly #storm: LeaseStorm;
  readonly #random: Random;
  /** In the order in which members joined, for the founder. */
  readonly #joined: string[] = [];
  readonly gone = new Map<string, number>();
  /** The largest stamp that the enroller elsewhere has seen. */
  #stamp = 0;
  #emptied = 0;

  constructor(storm: LeaseStorm) {
    this.#storm = storm;
    this.#random = randomStream(storm.seed, "lease roster");
  }

  founderOf(members: ReadonlySet<string>): string | undefined {
    return this.#joined.find((id) => members.has(id));
  }

  present(): LeaseNode[] {
    return this.#storm.nodes.filter(({ lost, id }) => !lost && !this.gone.has(id));
  }

  join(): LeaseNode {
    const { nodes } = this.#storm;
    const id = (nodes.length + 1).toString(16).padStart(20, "a");
    const node = new LeaseNode(this.#storm, id);
    nodes.push(node);
    this.#joined.push(id);
    node.members.add(id);
    return node;
  }

  joinLate(): void {
    if (this.present().length >= 7) return;
    const teacher = pick(
      this.#random,
      this.present().filter(({ up }) => up),
    );
    if (teacher === undefined) return;
    const node = this.#admit(teacher.members, teacher.gone, teacher.stamp());
    this.#storm.log(`${node.id} joins at ${teacher.id}`);
    this.#tellOf(node, 20_000);
  }

  /** Most of the members stay, or nothing could ever be decided again. */
  revoke(node: LeaseNode): void {
    if (this.present().length <= 3 || this.gone.has(node.id) || this.#random() < 0.5) return;
    this.#end(node, "revoked");
  }

  /** The last one too leaves or is revoked, and the site begins anew some time later. */
  empty(): void {
    if (this.#emptied >= 3) return;
    this.#emptied++;
    let at = 0;
    for (const node of this.present()) {
      at += this.#random() < 0.5 ? 0 : between(this.#random, 0, 20_000);
      const how = this.#random() < 0.7 ? "leaves" : "revoked";
      this.#later(at, () => this.#end(node, how));
    }
    const twice = this.#random() < 0.5;
    const again = (): void => {
      if (this.#storm.isCalm) return;
      if (this.present().length > 0) return this.#later(500, again);
      if (twice) this.#beginTwice();
      else this.#begin(between(this.#random, 0, 3_000));
    };
    this.#later(at + 500, again);
  }

  /** All that is known anywhere reaches everybody. */
  tellAll(): void {
    for (const node of this.#storm.nodes) {
      this.#later(between(this.#random, 0, 5_000), () => {
        for (const { id } of this.present()) node.members.add(id);
        for (const [id, stamp] of this.gone) hearOfEnd(node, id, stamp);
        node.tellRoster();
      });
    }
  }

  /** Admitted elsewhere, with all that is known there of those who have gone. */
  #begin(delay: number): void {
    this.#later(delay, () => {
      if (this.#storm.isCalm) return;
      const node = this.#admit([], this.gone.keys(), this.#stamp);
      this.#storm.log(`${node.id} begins the site anew`);
      this.#tellOf(node, 5_000);
    });
  }

  /** Two enrollers admit a first member each, and neither hears of the other for a while. */
  #beginTwice(): void {
    const apart = between(this.#random, 5_000, 60_000);
    for (const delay of [0, between(this.#random, 0, 5_000)]) {
      this.#later(delay, () => {
        if (this.#storm.isCalm) return;
        // Each enroller stamps by a clock of its own.
        const wall = this.#storm.wall() + between(this.#random, -60_000, 60_000);
        const node = this.#admit([], this.gone.keys(), Math.max(this.#stamp, versionAt(wall)));
        this.#storm.log(`${node.id} begins the site on its side`);
        this.#later(apart, () => this.#tellOf(node, 10_000));
      });
    }
  }

  #admit(members: Iterable<string>, gone: Iterable<string>, stamp: number): LeaseNode {
    const node = this.join();
    for (const id of members) node.members.add(id);
    for (const id of gone) hearOfEnd(node, id, this.gone.get(id) ?? 0);
    node.observe(stamp);
    node.start();
    this.#storm.linkUp();
    return node;
  }

  #tellOf(node: LeaseNode, within: number): void {
    for (const other of this.#storm.nodes) {
      this.#later(between(this.#random, 0, within), () => {
        if (!other.gone.has(node.id)) other.members.add(node.id);
        // Whom it is told of tells it of itself, as an introduction does.
        if (!node.gone.has(other.id) && !this.gone.has(other.id)) node.members.add(other.id);
        for (const each of [node, other]) each.tellRoster();
      });
    }
  }

  /** Who leaves knows of it first; who is revoked may be the last to hear. */
  #end(node: LeaseNode, how: "leaves" | "revoked"): void {
    if (this.gone.has(node.id)) return;
    const away = how === "leaves" && (!node.up || node.stalled);
    if (away) return this.#later(1_000, () => this.#end(node, how));
    this.#storm.log(`${node.id} ${how === "leaves" ? "leaves" : "is revoked"}`);
    // A revocation is stamped after all that its enroller has of the member.
    const elsewhere = versionAt(this.#storm.wall());
    const stamp = how === "leaves" ? node.stamp() : Math.max(elsewhere, this.#stamp, node.stamp()) + 1;
    // Who leaves is waited for; who is revoked may be the last to hear, and to end.
    if (how === "leaves") node.overAt = this.#storm.now;
    this.gone.set(node.id, stamp);
    this.#stamp = Math.max(this.#stamp, stamp);
    for (const other of this.#storm.nodes) {
      const wait = other === node && how === "leaves" ? 0 : between(this.#random, 0, 20_000);
      this.#later(wait, () => {
        hearOfEnd(other, node.id, stamp);
        other.tellRoster();
        const { now, leaseFor, drift } = this.#storm;
        if (other === node) node.overAt = Math.min(node.overAt, now + leaseFor * (1 + 2 * drift));
      });
    }
    this.#later(between(this.#random, 0, 20_000), () => {
      node.powerOff();
      node.lost = true;
    });
  }

  #later(delay: number, run: () => void): void {
    this.#storm.at(this.#storm.now + delay, run);
  }
}

function hearOfEnd(node: LeaseNode, id: string, stamp: number): void {
  node.members.delete(id);
  node.gone.add(id);
  node.observe(stamp);
}
