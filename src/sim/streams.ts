import { between } from "../core/kernel/random.ts";
import type { Duration, Instant } from "../core/kernel/time.ts";
import type { EventQueue } from "./event-queue.ts";
import type { Mail } from "./mail.ts";
import type { Paths } from "./paths.ts";

/**
 * TCP as far as partitions are concerned: ordered streams with latency, loss seen as delay, cuts in either
 * direction that hold packets back, FIN and RST that say a process is gone, and silence that says nothing. Where
 * the two ends belong to two simulators, each has a connection of its own, whose other end stands for the peer.
 */

export type End = {
  readonly host: number;
  readonly process: number;
  readonly connection: Connection;
  closed: boolean;
  /** The other end was told that this one is closed, or is closed itself: nothing counts here any more. */
  done: boolean;
  /** Bytes of the frames that were sent from here. */
  sentBytes: number;
  /** Nothing arrives here before this: streams keep their order. */
  arrivesAfter: Instant;
  /** What waits for a cut towards this end to heal, in order. */
  held: Packet[];
};

export type Packet = Uint8Array | "opened" | "fin";

/** Who opened it, who accepted, and who carries it: hosts and the processes that it belongs to. */
export type Opening = {
  readonly id: number;
  readonly at: Instant;
  readonly from: Party;
  readonly to: Party;
  readonly via: Party | undefined;
};
type Party = { readonly host: number; readonly process: number };

export type Connection = Omit<Opening, "from" | "to"> & { readonly ends: readonly [End, End] };

export type Loss = {
  /** Of every packet. */
  lossProbability: number;
  readonly retransmitAfter: Duration;
};

export class Streams {
  readonly #paths: Paths;
  readonly #mail: Mail;
  readonly #queue: EventQueue;
  readonly #now: () => Instant;
  readonly #loss: Loss;
  /** Of each host, those that end there and those that it carries for others; in the order in which they came. */
  readonly #byHost = new Map<number, Set<Connection>>();
  /** Those of which only one end is ours. */
  readonly #apart = new Map<number, Connection>();
  readonly #sentByHost: number[] = [];
  #made = 0;
  frames = 0;
  bytes = 0;

  constructor(paths: Paths, mail: Mail, queue: EventQueue, now: () => Instant, loss: Loss) {
    this.#paths = paths;
    this.#mail = mail;
    this.#queue = queue;
    this.#now = now;
    this.#loss = loss;
  }

  /** A host of ours accepts a connection. */
  accept(from: Party, to: Party, via: Party | undefined): void {
    const { number, of } = this.#mail.shard;
    const opening = { id: this.#made++ * of + number, at: this.#now(), from, to, via };
    const connection = this.#connect(opening);
    const [near, far] = connection.ends;
    // An end of ours that dialled learns of it with the packet.
    for (const host of hostsOf(connection))
      if (host !== from.host || !this.#isOurs(near)) this.#at(host).add(connection);
    this.#toward(far, "opened", opening);
    this.#paths.host(to.host).opened(far, from.host, false, via?.host);
  }

  /** A packet of another simulator has crossed the network. */
  arrived(id: number, packet: Packet, opening: Opening | undefined): void {
    if (opening !== undefined) this.#connect(opening);
    const connection = this.#apart.get(id);
    const end = connection?.ends.find((each) => this.#isOurs(each));
    if (end !== undefined) this.#land(end, packet);
  }

  send(end: End, bytes: Uint8Array): void {
    if (end.closed) return;
    this.frames++;
    this.bytes += bytes.length;
    this.#sentByHost[end.host] = this.sentBy(end.host) + bytes.length;
    end.sentBytes += bytes.length;
    this.#toward(end, bytes);
  }

  /** Bytes of all frames that a host has sent. */
  sentBy(host: number): number {
    return this.#sentByHost[host] ?? 0;
  }

  /** This side closes: the other hears of it, unless the way there is cut. */
  close(end: End): void {
    if (end.closed) return;
    end.closed = true;
    this.#toward(end, "fin");
    this.#finish(end);
  }

  /** The process behind these ends died and its kernel says so to every peer. */
  processDied(host: number): void {
    for (const end of this.#endsOf(host)) this.close(end);
    for (const connection of inOrder(this.#at(host))) {
      if (connection.via?.host !== host) continue;
      for (const end of connection.ends)
        if (this.#isOurs(end) && !end.done && this.#at(end.host).has(connection)) this.#lost(end);
    }
  }

  /** The machine lost its power: nobody says anything. */
  powerLost(host: number): void {
    for (const end of this.#endsOf(host)) end.closed = true;
  }

  /** Whether a host has an open connection of its own to another. */
  linked(one: number, other: number): boolean {
    for (const { ends, via } of this.#at(one)) {
      const [near, far] = ends[0].host === one ? ends : [ends[1], ends[0]];
      if (via === undefined && near.host === one && far.host === other && !near.closed) return true;
    }
    return false;
  }

  /** What a cut or a wall held back between these goes on. */
  release(hosts: Iterable<number>, crosses: (connection: Connection) => boolean): void {
    const touched = new Set([...hosts].flatMap((host) => [...this.#at(host)]));
    for (const connection of inOrder(touched)) {
      for (const end of connection.ends) {
        if (end.held.length === 0 || !crosses(connection)) continue;
        const { random } = this.#paths.host(end.host);
        this.#after(between(random, 0, 4) * this.#loss.retransmitAfter, () => {
          if (this.#isHeld(end)) return;
          const held = end.held;
          end.held = [];
          for (const packet of held) this.#take(end, packet);
        });
      }
    }
  }

  #connect({ id, at, from, to, via }: Opening): Connection {
    const ends: End[] = [];
    const connection = { id, at, via, ends: ends as unknown as [End, End] };
    for (const party of [from, to])
      ends.push({
        ...party,
        connection,
        closed: false,
        done: false,
        sentBytes: 0,
        arrivesAfter: this.#now(),
        held: [],
      });
    if (!ends.every((end) => this.#isOurs(end))) this.#apart.set(id, connection);
    return connection;
  }

  /** Sends a packet to the other side of `end`, where it arrives in order, when the way there is open. */
  #toward(end: End, packet: Packet, opening?: Opening): void {
    const far = otherEnd(end);
    const { via, id } = end.connection;
    const { random } = this.#paths.host(end.host);
    let delay =
      via === undefined
        ? this.#paths.latency(end.host, far.host)
        : this.#paths.latency(end.host, via.host, random) + this.#paths.latency(via.host, far.host, random);
    while (random() < this.#loss.lossProbability) delay += this.#loss.retransmitAfter;
    const at = Math.max(far.arrivesAfter, this.#now() + delay);
    far.arrivesAfter = at;
    if (this.#isOurs(far)) this.#queue.schedule(at, () => this.#land(far, packet));
    else this.#mail.post(far.host, { type: "packet", at, id, packet, opening });
  }

  #land(end: End, packet: Packet): void {
    if (packet === "opened") for (const host of hostsOf(end.connection)) this.#at(host).add(end.connection);
    if (end.done) return;
    if (this.#isBroken(end.connection)) this.#lost(end);
    else if (end.held.length > 0 || this.#isHeld(end)) end.held.push(packet);
    else this.#take(end, packet);
  }

  #take(end: End, packet: Packet): void {
    if (end.done) return;
    if (packet === "fin") return this.#finish(end);
    if (end.closed || !this.#isLive(end)) return this.#reset(end);
    const host = this.#paths.host(end.host);
    if (packet === "opened") host.opened(end, otherEnd(end).host, true, end.connection.via?.host);
    else host.frame(end, packet);
  }

  /** A relay's kernel ends what its process carried; it may have died while the way to it was cut. */
  #lost(end: End): void {
    const { random } = this.#paths.host(end.host);
    const from = end.connection.via?.host ?? end.host;
    this.#after(this.#paths.latency(from, end.host, random), () => this.#finish(end));
  }

  /** A frame reached a host where its connection no longer exists: the kernel answers with a reset. */
  #reset(dead: End): void {
    if (this.#paths.host(dead.host).state() === "off") return;
    dead.closed = true;
    this.#toward(dead, "fin");
    this.#finish(dead);
  }

  #finish(end: End): void {
    if (end.done) return;
    end.done = true;
    end.held = [];
    const { connection } = end;
    if (connection.ends.every((each) => each.done || !this.#isOurs(each))) this.#forget(connection);
    if (end.closed) return;
    end.closed = true;
    if (this.#isLive(end)) this.#paths.host(end.host).closed(end, "closed");
  }

  #forget(connection: Connection): void {
    for (const host of hostsOf(connection)) this.#at(host).delete(connection);
    this.#apart.delete(connection.id);
  }

  #isBroken({ via }: Connection): boolean {
    return via !== undefined && this.#paths.host(via.host).process() !== via.process;
  }

  /** Whether the way to this end is cut. */
  #isHeld(end: End): boolean {
    const from = otherEnd(end);
    const { via } = end.connection;
    if (via === undefined) return this.#paths.isCut(from.host, end.host);
    return this.#paths.isCut(from.host, via.host) || this.#paths.isCut(via.host, end.host);
  }

  #isLive({ host, process }: End): boolean {
    const { state, process: current } = this.#paths.host(host);
    return current() === process && state() !== "off" && state() !== "down";
  }

  #isOurs({ host }: Party): boolean {
    return this.#mail.isOurs(host);
  }

  /** The ends of ours at a host. */
  #endsOf(host: number): End[] {
    const connections = this.#mail.isOurs(host) ? [...this.#at(host)] : [];
    return connections.flatMap(({ ends }) => ends.filter((end) => end.host === host));
  }

  #after(delay: Duration, run: () => void): void {
    this.#queue.schedule(this.#now() + delay, run);
  }

  #at(host: number): Set<Connection> {
    const held = this.#byHost.get(host);
    if (held !== undefined) return held;
    const made = new Set<Connection>();
    this.#byHost.set(host, made);
    return made;
  }
}

/** Where it ends, and who carries it. */
const hostsOf = ({ ends, via }: Connection): number[] =>
  [...ends, ...(via === undefined ? [] : [via])].map(({ host }) => host);

/** The same in all simulators. */
const inOrder = (connections: Iterable<Connection>): Connection[] =>
  [...connections].sort((left, right) => left.at - right.at || left.id - right.id);

export const peerOf = (end: End): number => otherEnd(end).host;

function otherEnd(end: End): End {
  const [first, second] = end.connection.ends;
  return first === end ? second : first;
}
