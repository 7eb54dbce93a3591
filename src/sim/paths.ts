import { between, type Random } from "../core/kernel/random.ts";
import type { Duration } from "../core/kernel/time.ts";
import type { DialFailure, LinkEnd } from "../core/membership/contract.ts";
import type { End } from "./streams.ts";
import { Walls } from "./walls.ts";

/** The machines of a network, as numbers, and what lies between two of them: time, cuts and walls. */

export type Host = {
  readonly site: string;
  readonly region: string;
  /** Which simulator runs it: of the others' hosts only `state` and `process` are known here. */
  readonly shard: number;
  /** Of the delays of what it sends. */
  readonly random: Random;
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

/** No message between hosts of different regions takes less: so far may one shard run ahead of the others. */
export const betweenRegionsLeast: Duration = 20;

export class Paths {
  readonly walls = new Walls();
  readonly #hosts: Host[] = [];
  readonly #cuts = new Map<string, number>();

  add(host: Host): number {
    return this.#hosts.push(host) - 1;
  }

  host(index: number): Host {
    const host = this.#hosts[index];
    if (host === undefined) throw new RangeError(`no host ${index}`);
    return host;
  }

  cut(from: number, to: number): void {
    const key = `${from}>${to}`;
    this.#cuts.set(key, (this.#cuts.get(key) ?? 0) + 1);
  }

  /** @returns whether no cut is left in this direction. */
  mend(from: number, to: number): boolean {
    const key = `${from}>${to}`;
    const left = (this.#cuts.get(key) ?? 0) - 1;
    if (left > 0) this.#cuts.set(key, left);
    else this.#cuts.delete(key);
    return left <= 0;
  }

  /** @returns the directions that were cut, in their order. */
  mendAll(): readonly (readonly [from: number, to: number])[] {
    const keys = [...this.#cuts.keys()].sort();
    this.#cuts.clear();
    return keys.map((key) => {
      const [from = 0, to = 0] = key.split(">").map(Number);
      return [from, to];
    });
  }

  isCut(from: number, to: number): boolean {
    if (this.walls.part(from, to)) return true;
    return this.#cuts.size > 0 && this.#cuts.has(`${from}>${to}`);
  }

  /** Nothing is cut between them, and its agent answers. */
  reaches(from: number, to: number): boolean {
    return !this.isCut(from, to) && !this.isCut(to, from) && this.host(to).state() === "up";
  }

  /** One way, in ms, drawn by whoever waits for it: a LAN inside a site, a WAN elsewhere. */
  latency(from: number, to: number, random = this.host(from).random): Duration {
    const a = this.host(from);
    const b = this.host(to);
    if (a.site === b.site) return between(random, 0.2, 1.5);
    return a.region === b.region ? between(random, 5, 20) : between(random, betweenRegionsLeast, 80);
  }
}
