import { randomStream, type Random } from "../kernel/random.ts";
import type { Duration, Instant } from "../kernel/time.ts";
import { spoken } from "../records/protocol.ts";
import type { NodeId } from "../records/record.ts";
import type {
  LinkId,
  Membership,
  MembershipEffect,
  MembershipEnv,
  MembershipEvent,
  Peer,
  Verdict,
} from "./contract.ts";
import { createMembership } from "./create-membership.ts";

/** Some membership machines, with their effects carried by hand over a network that can be cut one way. */

export const config = { pingEvery: 1_000, silentAfter: 3_000, redialMax: 2_000, speaks: spoken };
export const idOf = (at: number): NodeId => at.toString(16).padStart(20, "0");
export const peerOf = (at: number, site = "oslo"): Peer => ({
  id: idOf(at),
  name: `n${at}`,
  site,
  region: "north",
  addresses: [`10.0.0.${at}:1`],
  pace: 1,
});

const dialTimeout: Duration = 1_000;

type Node = {
  readonly at: number;
  machine: Membership;
  readonly random: Random;
  /** Counts up when the process restarts: what was meant for the old one is lost. */
  life: number;
  running: boolean;
  reports: Map<
    NodeId,
    { readonly stamp: number; readonly peers: readonly NodeId[]; readonly gone: readonly NodeId[] }
  >;
};
type End = { readonly node: number; readonly life: number };
/** One connection; both ends know it by its number. */
type Wire = {
  readonly id: LinkId;
  readonly ends: readonly [End, End];
  /** The node that carries it. */
  readonly via: number | undefined;
  /** On its way, by receiver. */
  readonly inFlight: Map<number, MembershipEvent[]>;
  closed: boolean;
};

export class Testbed {
  now: Instant = 0;
  readonly nodes: readonly Node[];
  /** Every effect of every node, in order. */
  readonly log: { readonly at: Instant; readonly node: number; readonly effect: MembershipEffect }[] = [];
  readonly #cuts = new Set<string>();
  readonly #latency: Duration;
  readonly #siteOf: (at: number) => string;
  /** What every node's own interface is said to be. */
  ownEndUp: boolean | undefined = undefined;
  readonly #queue: { readonly at: Instant; readonly run: () => void }[] = [];
  /** What waits for the heal. */
  readonly #held: (() => void)[] = [];
  readonly #wires = new Map<LinkId, Wire>();
  #stamps = 0;

  constructor(count: number, seed = 1, latency: Duration = 5, siteOf: (at: number) => string = () => "oslo") {
    this.#latency = latency;
    this.#siteOf = siteOf;
    this.nodes = Array.from({ length: count }, (_, at) => ({
      at,
      machine: createMembership({ self: idOf(at), ...config }),
      random: randomStream(seed, `node ${at}`),
      life: 0,
      running: true,
      reports: new Map(),
    }));
    for (const { at } of this.nodes) this.#introduce(at);
  }

  verdict(by: number, of: number): Verdict | undefined {
    return this.nodes[by]?.machine.evidence(idOf(of))?.verdict;
  }

  link(by: number, of: number): LinkId | undefined {
    return this.nodes[by]?.machine.evidence(idOf(of))?.link;
  }

  /** Nothing gets from one node to the other any more; the way back stays as it is. */
  cut(from: number, to: number): void {
    this.#cuts.add(`${from}>${to}`);
  }

  cutBoth(one: number, other: number): void {
    this.cut(one, other);
    this.cut(other, one);
  }

  healAll(): void {
    this.#cuts.clear();
    for (const arrive of this.#held.splice(0)) this.#after(this.#latency, arrive);
  }

  /** The process dies; its kernel says so to everybody who has a connection to it. */
  kill(at: number): void {
    const node = this.#node(at);
    node.running = false;
    node.life++;
    for (const wire of this.#wires.values())
      if (wire.ends.some((end) => end.node === at)) this.#hangUp(wire, at);
      else if (wire.via === at) for (const end of wire.ends) this.#hangUp(wire, end.node);
  }

  restart(at: number): void {
    const node = this.#node(at);
    node.machine = createMembership({ self: idOf(at), ...config });
    node.running = true;
    node.reports = new Map();
    this.#introduce(at);
  }

  #env({ random }: Node): MembershipEnv {
    return { now: this.now, wall: 0, random, ownEndUp: () => this.ownEndUp };
  }

  tell(at: number, event: MembershipEvent): void {
    const node = this.#node(at);
    if (!node.running) return;
    for (const effect of node.machine.handle(event, this.#env(node))) {
      this.log.push({ at: this.now, node: at, effect });
      this.#carry(node, effect);
    }
  }

  run(duration: Duration): void {
    const end = this.now + duration;
    for (;;) {
      this.#gossip();
      const awake = this.nodes.filter(({ running }) => running);
      const wakeAt = Math.min(...awake.map(({ machine }) => machine.wake().at));
      const [event] = this.#queue;
      const at = Math.max(this.now, Math.min(wakeAt, event?.at ?? Number.POSITIVE_INFINITY));
      if (at > end) break;
      this.now = at;
      if (event !== undefined && event.at <= at) {
        this.#queue.shift();
        event.run();
      } else {
        for (const node of awake) if (node.machine.wake().at <= at) this.#wakeUp(node);
      }
    }
    this.now = end;
  }

  #wakeUp({ at, machine }: Node): void {
    this.tell(at, { type: "wake" });
    if (machine.wake().at <= this.now)
      throw new Error(`n${at} wants to be woken at once: ${machine.wake().why}`);
  }

  #carry(node: Node, effect: MembershipEffect): void {
    if (effect.type === "dial") {
      const relays = effect.relays.map((relay) => Number.parseInt(relay, 16));
      return this.#dial(node, Number.parseInt(effect.peer, 16), relays);
    }
    if (effect.type === "links-changed")
      node.reports.set(idOf(node.at), { stamp: ++this.#stamps, peers: effect.peers, gone: effect.gone });
    if (effect.type !== "send" && effect.type !== "close") return;
    const wire = this.#wires.get(effect.link);
    if (wire === undefined) return;
    if (effect.type === "close") return this.#hangUp(wire, node.at);
    this.#deliver(wire, node.at, { type: "frame", link: effect.link, bytes: effect.bytes });
  }

  #dial({ at, life }: Node, to: number, relays: readonly number[]): void {
    const fails = (after: Duration, why: "refused" | "unreachable"): void =>
      this.#after(after, () => {
        const event: MembershipEvent = { type: "dial-failed", peer: idOf(to), why, detail: "timeout" };
        if (this.#node(at).life === life) this.tell(at, event);
      });
    this.#after(this.#latency, () => {
      const isOpen = (one: number, other: number): boolean =>
        !this.#isCut(one, other) && !this.#isCut(other, one) && this.#node(other).running;
      const cut = this.#isCut(at, to) || this.#isCut(to, at);
      const via = cut ? relays.find((relay) => isOpen(at, relay) && isOpen(relay, to)) : undefined;
      if (cut && via === undefined) return fails(dialTimeout, "unreachable");
      if (!this.#node(to).running) return fails(this.#latency, "refused");
      const link = this.#wires.size + 1;
      const ends = [
        { node: at, life },
        { node: to, life: this.#node(to).life },
      ] as const;
      const wire: Wire = { id: link, ends, via, inFlight: new Map(), closed: false };
      this.#wires.set(link, wire);
      const by = via === undefined ? {} : { via: idOf(via) };
      this.#deliver(wire, to, { type: "link-opened", link, peer: idOf(to), outbound: true, ...by });
      this.tell(to, { type: "link-opened", link, peer: idOf(at), outbound: false, ...by });
    });
  }

  /** Ordered and reliable: what cannot pass now waits. */
  #deliver(wire: Wire, from: number, event: MembershipEvent): void {
    const to = wire.ends.find(({ node }) => node !== from);
    if (to === undefined || wire.closed) return;
    const inFlight = wire.inFlight.get(to.node) ?? [];
    wire.inFlight.set(to.node, inFlight);
    inFlight.push(event);
    const arrive = (): void => {
      const { via } = wire;
      const held =
        via === undefined ? this.#isCut(from, to.node) : this.#isCut(from, via) || this.#isCut(via, to.node);
      if (held) {
        this.#held.push(arrive);
        return;
      }
      const next = inFlight.shift();
      if (next !== undefined && this.#node(to.node).life === to.life) this.tell(to.node, next);
    };
    this.#after(this.#latency, arrive);
  }

  #hangUp(wire: Wire, by: number): void {
    this.#deliver(wire, by, { type: "link-closed", link: wire.id, end: "closed" });
    wire.closed = true;
  }

  /** Everybody tells whom it is linked with; reports travel on over working links, newest wins. */
  #gossip(): void {
    for (let moved = true; moved;) {
      moved = false;
      for (const from of this.nodes) {
        for (const peer of from.machine.linked()) {
          const to = this.#node(Number.parseInt(peer, 16));
          if (!from.running || !to.running || this.#isCut(from.at, to.at)) continue;
          if (!to.machine.linked().includes(idOf(from.at))) continue;
          for (const [observer, report] of from.reports) {
            if ((to.reports.get(observer)?.stamp ?? 0) >= report.stamp || observer === idOf(to.at)) continue;
            to.reports.set(observer, report);
            this.tell(to.at, { type: "observed", observer, peers: report.peers, gone: report.gone });
            moved = true;
          }
        }
      }
    }
  }

  #introduce(at: number): void {
    const peers = this.nodes
      .filter((other) => other.at !== at)
      .map((other) => peerOf(other.at, this.#siteOf(other.at)));
    this.tell(at, { type: "peers", peers, place: { site: this.#siteOf(at), region: "north" } });
  }

  #after(delay: Duration, run: () => void): void {
    this.#queue.push({ at: this.now + delay, run });
    this.#queue.sort((left, right) => left.at - right.at);
  }

  #isCut(from: number, to: number): boolean {
    return this.#cuts.has(`${from}>${to}`);
  }

  #node(at: number): Node {
    const node = this.nodes[at];
    if (node === undefined) throw new RangeError(`no node ${at}`);
    return node;
  }
}
