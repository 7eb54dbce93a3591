import { between } from "../core/kernel/random.ts";
import type { Duration, Instant } from "../core/kernel/time.ts";
import type { DialFailure } from "../core/membership/contract.ts";
import type { EventQueue } from "./event-queue.ts";
import { Mail, type Call, type Message } from "./mail.ts";
import { Paths, type Host } from "./paths.ts";
import type { Shard } from "./shard.ts";
import { Streams, type End, type Loss } from "./streams.ts";
import type { Wall } from "./walls.ts";

/** The network between machines, which are numbers: who gets a connection to whom, and what keeps them apart. */

export type NetworkConfig = Readonly<Loss> & { readonly dialTimeout: Duration };

/** How long a dial waits for the peer itself before it asks a relay. */
const relayHeadStart: Duration = 600;

export class Network {
  readonly #paths = new Paths();
  readonly #streams: Streams;
  readonly #mail: Mail;
  readonly #loss: Loss;
  readonly #now: () => Instant;
  readonly #dialTimeout: Duration;

  /** @param shard Undefined: all hosts are simulated here. */
  constructor(queue: EventQueue, now: () => Instant, config: NetworkConfig, shard?: Shard) {
    this.#now = now;
    this.#dialTimeout = config.dialTimeout;
    this.#loss = { lossProbability: config.lossProbability, retransmitAfter: config.retransmitAfter };
    this.#mail = new Mail(
      queue,
      shard,
      (host) => this.#host(host).shard,
      (message) => this.#arrived(message),
    );
    this.#streams = new Streams(this.#paths, this.#mail, queue, now, this.#loss);
  }

  get frames(): number {
    return this.#streams.frames;
  }

  get bytes(): number {
    return this.#streams.bytes;
  }

  set lossProbability(probability: number) {
    this.#loss.lossProbability = probability;
  }

  add(host: Host): number {
    return this.#paths.add(host);
  }

  /** Cuts one direction; cuts add up and are mended one by one. */
  cut(from: number, to: number): void {
    this.#paths.cut(from, to);
  }

  mend(from: number, to: number): void {
    if (this.#paths.mend(from, to)) this.#releaseBetween(from, to);
  }

  mendAll(): void {
    for (const [from, to] of this.#paths.mendAll()) this.#releaseBetween(from, to);
  }

  /** Cuts these hosts off from all others, both ways. */
  wallIn(hosts: Iterable<number>): Wall {
    return this.#paths.walls.raise(hosts);
  }

  lower(wall: Wall): void {
    this.#paths.walls.lower(wall);
    this.#streams.release(wall, ({ ends: [near, far], via }) => {
      const inside = wall.has(near.host);
      return inside !== wall.has(far.host) || (via !== undefined && inside !== wall.has(via.host));
    });
  }

  /** Whether some wall keeps others away from this host. */
  isWalledIn(host: number): boolean {
    return this.#paths.walls.around(host);
  }

  isCut(from: number, to: number): boolean {
    return this.#paths.isCut(from, to);
  }

  dial(from: number, to: number, relays: readonly number[] = []): void {
    const paths = this.#paths;
    const { process, random } = this.#host(from);
    const call: Call = { from, process: process(), to };
    if (!paths.reaches(from, to)) {
      const ways = relays.filter(
        (relay) =>
          this.#streams.linked(from, relay) && paths.reaches(from, relay) && paths.reaches(relay, to),
      );
      const [first, ...others] = ways;
      if (first !== undefined) return this.#ask(from, relayHeadStart, call, first, others);
    }
    const target = this.#host(to).state();
    if (paths.isCut(from, to) || paths.isCut(to, from) || target === "off" || target === "stalled")
      return this.#fail(call, between(random, 0.5, 1) * this.#dialTimeout, "unreachable");
    const roundTrip = paths.latency(from, to) + paths.latency(to, from, random);
    if (target === "down") return this.#fail(call, roundTrip, "refused");
    this.#post(to, 1.5 * roundTrip, { type: "call", call, roundTrip, via: undefined });
  }

  send(end: End, bytes: Uint8Array): void {
    this.#streams.send(end, bytes);
  }

  sentBy(host: number): number {
    return this.#streams.sentBy(host);
  }

  close(end: End): void {
    this.#streams.close(end);
  }

  processDied(host: number): void {
    this.#streams.processDied(host);
  }

  powerLost(host: number): void {
    this.#streams.powerLost(host);
  }

  /** Takes in what other simulators sent until now. */
  meet(): void {
    this.#mail.exchange();
  }

  #arrived(message: Message): void {
    switch (message.type) {
      case "packet":
        return this.#streams.arrived(message.id, message.packet, message.opening);
      case "call":
        return message.via === undefined
          ? this.#called(message.call, message.roundTrip)
          : this.#calledVia(message.call, message.roundTrip, message.via);
      case "ask":
        return this.#asked(message.call, message.relay, message.others, message.hop);
      case "failed":
        if (this.#isThere(message.call))
          this.#host(message.call.from).dialFailed(message.call.to, message.why);
    }
  }

  #called(call: Call, roundTrip: Duration): void {
    const { from, to } = call;
    if (!this.#isThere(call)) return;
    if (!this.#paths.reaches(from, to)) return this.#fail(call, this.#dialTimeout / 2, "unreachable");
    if (!this.#host(to).admits(from)) return this.#fail(call, roundTrip / 2, "untrusted");
    this.#accept(call, undefined);
  }

  /** Asks a relay for a way, from the caller or from a relay that has none. */
  #ask(by: number, after: Duration, call: Call, relay: number, others: readonly number[]): void {
    const hop = this.#paths.latency(by, relay);
    this.#post(relay, after + hop, { type: "ask", call, relay, others, hop });
  }

  #asked(call: Call, relay: number, others: readonly number[], hop: Duration): void {
    const { to } = call;
    if (this.#streams.linked(relay, to) && this.#paths.reaches(relay, to)) {
      const onward = this.#paths.latency(relay, to);
      const roundTrip = 2 * (hop + onward);
      return this.#post(to, roundTrip + onward, { type: "call", call, roundTrip, via: relay });
    }
    const [next, ...rest] = others;
    if (next !== undefined) return this.#ask(relay, 0, call, next, rest);
    this.#fail(call, this.#dialTimeout / 2, "unreachable");
  }

  #calledVia(call: Call, roundTrip: Duration, via: number): void {
    const { from, to } = call;
    if (!this.#isThere(call)) return;
    if (!this.#host(to).admits(from)) return this.#fail(call, roundTrip / 2, "untrusted");
    if (!this.#paths.reaches(from, via) || !this.#paths.reaches(via, to))
      return this.#fail(call, this.#dialTimeout / 2, "unreachable");
    this.#accept(call, via);
  }

  #accept({ from, to, process }: Call, via: number | undefined): void {
    const party = (host: number) => ({ host, process: this.#host(host).process() });
    this.#streams.accept({ host: from, process }, party(to), via === undefined ? undefined : party(via));
  }

  #fail(call: Call, after: Duration, why: DialFailure): void {
    this.#post(call.from, after, { type: "failed", call, why });
  }

  #isThere({ from, process }: Call): boolean {
    return this.#host(from).process() === process;
  }

  #post(host: number, after: Duration, message: Posted): void {
    this.#mail.post(host, { ...message, at: this.#now() + after });
  }

  #releaseBetween(from: number, to: number): void {
    this.#streams.release([from], ({ ends, via }) => {
      const hosts = new Set([ends[0].host, ends[1].host, via?.host]);
      return hosts.has(from) && hosts.has(to);
    });
  }

  #host(index: number): Host {
    return this.#paths.host(index);
  }
}

type Posted =
  Exclude<Message, { type: "packet" }> extends infer Each
    ? Each extends Message
      ? Omit<Each, "at">
      : never
    : never;
