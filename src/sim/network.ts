import { between, type Random } from "../core/kernel/random.ts";
import type { Duration } from "../core/kernel/time.ts";
import type { DialFailure, LinkEnd } from "../core/membership/contract.ts";
import type { EventQueue } from "./event-queue.ts";
import { Walls, type Wall } from "./walls.ts";

/**
 * TCP as far as partitions are concerned: ordered streams with latency, loss seen as delay, cuts in
 * either direction that hold frames back, FIN and RST that say a process is gone, and silence that says
 * nothing. Machines are numbers.
 */

export type Host = {
  readonly site: string;
  readonly region: string;
  /** `off`: no power. `down`: the agent's process is gone. `stalled`: it exists and does not move. */
  readonly state: () => "off" | "down" | "stalled" | "up";
  /** Which process this is: a connection belongs to one. */
  readonly process: () => number;
  /** Whether a connection of that host passes our handshake. */
  readonly admits: (peer: number) => boolean;
  readonly opened: (end: End, peer: number, outbound: boolean, via: number | undefined) => void;
  readonly closed: (end: End, how: LinkEnd) => void;
  readonly frame: (end: End, bytes: Uint8Array) => void;
  readonly dialFailed: (peer: number, why: DialFailure) => void;
};

export type End = {
  readonly host: number;
  readonly process: number;
  readonly connection: Connection;
  closed: boolean;
  /** Bytes of the frames that were sent from here. */
  sentBytes: number;
  /** Nothing arrives here before this: streams keep their order. */
  arrivesAfter: number;
  /** What waits for a cut towards this end to heal, in order. */
  held: (() => void)[];
};

/** `via`: the host that carries it; its process ends it. */
type Connection = {
  readonly number: number;
  readonly ends: [End, End];
  readonly via: { readonly host: number; readonly process: number } | undefined;
};

export type NetworkConfig = {
  readonly lossProbability: number;
  readonly retransmitAfter: Duration;
  readonly dialTimeout: Duration;
};

/** How long a dial waits for the peer itself before it asks a relay. */
const relayHeadStart: Duration = 600;

export class Network {
  readonly #hosts: Host[] = [];
  readonly #queue: EventQueue;
  readonly #random: Random;
  readonly #config: NetworkConfig;
  readonly #now: () => number;
  readonly #cuts = new Map<string, number>();
  readonly #walls = new Walls();
  /** Of each host, those that end there and those that it carries for others; in the order of their numbers. */
  readonly #connectionsByHost: Set<Connection>[] = [];
  readonly #sentByHost: number[] = [];
  #made = 0;
  frames = 0;
  bytes = 0;
  /** Of every packet, from now on. */
  lossProbability: number;

  constructor(queue: EventQueue, now: () => number, random: Random, config: NetworkConfig) {
    this.#queue = queue;
    this.#now = now;
    this.#random = random;
    this.#config = config;
    this.lossProbability = config.lossProbability;
  }

  add(host: Host): number {
    this.#connectionsByHost.push(new Set());
    return this.#hosts.push(host) - 1;
  }

  /** Cuts one direction; cuts add up and are mended one by one. */
  cut(from: number, to: number): void {
    const key = `${from}>${to}`;
    this.#cuts.set(key, (this.#cuts.get(key) ?? 0) + 1);
  }

  mend(from: number, to: number): void {
    const key = `${from}>${to}`;
    const left = (this.#cuts.get(key) ?? 0) - 1;
    if (left > 0) this.#cuts.set(key, left);
    else {
      this.#cuts.delete(key);
      this.#release(this.#at(from), (connection) => this.#crosses(connection, from, to));
    }
  }

  mendAll(): void {
    const keys = [...this.#cuts.keys()].sort();
    this.#cuts.clear();
    for (const key of keys) {
      const [from = 0, to = 0] = key.split(">").map(Number);
      this.#release(this.#at(from), (connection) => this.#crosses(connection, from, to));
    }
  }

  /** Cuts these hosts off from all others, both ways. */
  wallIn(hosts: Iterable<number>): Wall {
    return this.#walls.raise(hosts);
  }

  lower(wall: Wall): void {
    this.#walls.lower(wall);
    const touched = new Set([...wall].flatMap((host) => [...this.#at(host)]));
    const inOrder = [...touched].sort((left, right) => left.number - right.number);
    this.#release(inOrder, ({ ends: [near, far], via }) => {
      const inside = wall.has(near.host);
      return inside !== wall.has(far.host) || (via !== undefined && inside !== wall.has(via.host));
    });
  }

  /** Whether some wall keeps others away from this host. */
  isWalledIn(host: number): boolean {
    return this.#walls.around(host);
  }

  isCut(from: number, to: number): boolean {
    if (this.#walls.part(from, to)) return true;
    return this.#cuts.size > 0 && this.#cuts.has(`${from}>${to}`);
  }

  dial(from: number, to: number, relays: readonly number[] = []): void {
    const process = this.#host(from).process();
    const stillThere = (): boolean => this.#host(from).process() === process;
    const fail = (after: Duration, why: DialFailure): void =>
      this.#after(after, () => {
        if (stillThere()) this.#host(from).dialFailed(to, why);
      });
    const target = this.#host(to).state();
    const reaches = (one: number, other: number): boolean =>
      !this.isCut(one, other) && !this.isCut(other, one) && this.#host(other).state() === "up";
    const via = reaches(from, to)
      ? undefined
      : relays.find(
          (relay) =>
            this.#linked(from, relay) &&
            this.#linked(relay, to) &&
            reaches(from, relay) &&
            reaches(relay, to),
        );
    if (via !== undefined) {
      const hops = this.#latency(from, via) + this.#latency(via, to);
      return this.#after(relayHeadStart + 3 * hops, () => {
        if (!stillThere()) return;
        if (!this.#host(to).admits(from)) fail(0, "untrusted");
        else if (reaches(from, via) && reaches(via, to)) this.#open(from, to, via);
        else fail(this.#config.dialTimeout / 2, "unreachable");
      });
    }
    if (this.isCut(from, to) || this.isCut(to, from) || target === "off" || target === "stalled") {
      return fail(between(this.#random, 0.5, 1) * this.#config.dialTimeout, "unreachable");
    }
    const roundTrip = this.#latency(from, to) + this.#latency(to, from);
    if (target === "down") return fail(roundTrip, "refused");
    this.#after(1.5 * roundTrip, () => {
      const lost = this.isCut(from, to) || this.isCut(to, from) || this.#host(to).state() !== "up";
      if (lost || !stillThere()) return fail(this.#config.dialTimeout / 2, "unreachable");
      if (!this.#host(to).admits(from)) return fail(roundTrip / 2, "untrusted");
      this.#open(from, to);
    });
  }

  send(end: End, bytes: Uint8Array): void {
    const far = other(end);
    if (end.closed) return;
    this.frames++;
    this.bytes += bytes.length;
    this.#sentByHost[end.host] = this.sentBy(end.host) + bytes.length;
    end.sentBytes += bytes.length;
    this.#toward(end, () => {
      if (!far.closed && this.#isLive(far)) this.#host(far.host).frame(far, bytes);
      else this.#reset(far);
    });
  }

  /** Bytes of all frames that a host has sent. */
  sentBy(host: number): number {
    return this.#sentByHost[host] ?? 0;
  }

  /** This side closes: the other hears of it, unless the way there is cut. */
  close(end: End): void {
    if (end.closed) return;
    end.closed = true;
    const far = other(end);
    this.#toward(end, () => this.#finish(far));
  }

  /** The process behind these ends died and its kernel says so to every peer. */
  processDied(host: number): void {
    for (const end of this.#endsOf(host)) this.close(end);
    for (const connection of this.#at(host))
      if (connection.via?.host === host) for (const end of connection.ends) this.#lost(end);
  }

  /** The machine lost its power: nobody says anything. */
  powerLost(host: number): void {
    for (const end of this.#endsOf(host)) end.closed = true;
  }

  #open(from: number, to: number, relay?: number): void {
    const via = relay === undefined ? undefined : { host: relay, process: this.#host(relay).process() };
    const connection: Connection = { number: this.#made++, ends: [] as unknown as [End, End], via };
    const end = (host: number): End => ({
      host,
      process: this.#host(host).process(),
      connection,
      closed: false,
      sentBytes: 0,
      arrivesAfter: this.#now(),
      held: [],
    });
    const near = end(from);
    const far = end(to);
    connection.ends.push(near, far);
    for (const each of this.#hostsOf(connection)) this.#at(each).add(connection);
    this.#toward(far, () => {
      if (this.#isLive(near) && !near.closed) this.#host(from).opened(near, to, true, relay);
    });
    this.#host(to).opened(far, from, false, relay);
  }

  /** Runs `arrive` at the other side of `end`, in order, when the way there is open. */
  #toward(end: End, arrive: () => void): void {
    const far = other(end);
    const { via } = end.connection;
    let delay =
      via === undefined
        ? this.#latency(end.host, far.host)
        : this.#latency(end.host, via.host) + this.#latency(via.host, far.host);
    while (this.#random() < this.lossProbability) delay += this.#config.retransmitAfter;
    const at = Math.max(far.arrivesAfter, this.#now() + delay);
    far.arrivesAfter = at;
    const land = (): void => {
      if (this.#isBroken(end.connection)) this.#lost(far);
      else if (this.#isHeld(end, far) || far.held.length > 0) far.held.push(arrive);
      else arrive();
    };
    this.#queue.schedule(at, land);
  }

  #release(among: Iterable<Connection>, crosses: (connection: Connection) => boolean): void {
    for (const connection of among) {
      for (const end of connection.ends) {
        if (end.held.length === 0 || !crosses(connection)) continue;
        this.#after(between(this.#random, 0, 4) * this.#config.retransmitAfter, () => {
          if (this.#isHeld(other(end), end)) return;
          const held = end.held;
          end.held = [];
          for (const arrive of held) arrive();
        });
      }
    }
  }

  /** A relay's kernel ends what its process carried; it may have died while the way to it was cut. */
  #lost(end: End): void {
    this.#after(this.#latency(end.connection.via?.host ?? end.host, end.host), () => this.#finish(end));
  }

  #isBroken({ via }: Connection): boolean {
    return via !== undefined && this.#host(via.host).process() !== via.process;
  }

  #isHeld(from: End, to: End): boolean {
    const { via } = from.connection;
    if (via === undefined) return this.isCut(from.host, to.host);
    return this.isCut(from.host, via.host) || this.isCut(via.host, to.host);
  }

  #crosses({ ends, via }: Connection, from: number, to: number): boolean {
    const hosts = new Set([ends[0].host, ends[1].host, via?.host]);
    return hosts.has(from) && hosts.has(to);
  }

  #linked(one: number, other: number): boolean {
    for (const { ends, via } of this.#at(one)) {
      if (via !== undefined) continue;
      const [near, far] = [ends[0].host, ends[1].host];
      if ((near === one && far === other) || (near === other && far === one)) return true;
    }
    return false;
  }

  /** A frame reached a host where its connection no longer exists: the kernel answers with a reset. */
  #reset(dead: End): void {
    if (this.#host(dead.host).state() === "off") return;
    this.#toward(dead, () => this.#finish(other(dead)));
  }

  #finish(end: End): void {
    for (const host of this.#hostsOf(end.connection)) this.#at(host).delete(end.connection);
    if (end.closed) return;
    end.closed = true;
    if (this.#isLive(end)) this.#host(end.host).closed(end, "closed");
  }

  #isLive(end: End): boolean {
    const host = this.#host(end.host);
    return host.process() === end.process && host.state() !== "off" && host.state() !== "down";
  }

  #endsOf(host: number): End[] {
    const ends: End[] = [];
    for (const { ends: pair } of this.#at(host))
      for (const end of pair) if (end.host === host) ends.push(end);
    return ends;
  }

  #at(host: number): Set<Connection> {
    const held = this.#connectionsByHost[host];
    if (held === undefined) throw new RangeError(`no host ${host}`);
    return held;
  }

  #hostsOf({ ends, via }: Connection): readonly number[] {
    const hosts = ends.map(({ host }) => host);
    return via === undefined ? hosts : [...hosts, via.host];
  }

  /** One way, in ms: a LAN inside a site, a WAN elsewhere. */
  #latency(from: number, to: number): Duration {
    const a = this.#host(from);
    const b = this.#host(to);
    if (a.site === b.site) return between(this.#random, 0.2, 1.5);
    return a.region === b.region ? between(this.#random, 5, 20) : between(this.#random, 20, 80);
  }

  #host(index: number): Host {
    const host = this.#hosts[index];
    if (host === undefined) throw new RangeError(`no host ${index}`);
    return host;
  }

  #after(delay: Duration, run: () => void): void {
    this.#queue.schedule(this.#now() + delay, run);
  }
}

export const peerOf = (end: End): number => other(end).host;

function other(end: End): End {
  const [first, second] = end.connection.ends;
  return first === end ? second : first;
}
