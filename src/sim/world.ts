import { epochMs } from "../core/kernel/hybrid-clock.ts";
import { randomStream, type Random } from "../core/kernel/random.ts";
import type { MeshIdentity, NodeConfig, Note, WriteReply } from "../core/node/contract.ts";
import type { MemorySample } from "../core/node/memory.ts";
import { statusKey } from "../core/records/keys.ts";
import { sealRecord, storedBytes } from "../core/records/seal.ts";
import { nodeIdOf, slotOf, type MeshRecord, type NodeId } from "../core/records/record.ts";
import type { Detail, Place, Scope } from "../core/records/scope.ts";
import { EventQueue } from "./event-queue.ts";
import type { Preload } from "./disk.ts";
import { addressOf, Machine, simStatus } from "./machine.ts";
import type { SimPod } from "./sim-pod.ts";
import { Network } from "./network.ts";
import { betweenRegionsLeast } from "./paths.ts";
import { preparedDisks, type Settled } from "./prepared.ts";
import { memberRecord } from "./roster.ts";
import type { Shard } from "./shard.ts";
import { createSimCrypto, type SimCrypto } from "./sim-crypto.ts";
import { peerOf, type End } from "./streams.ts";
import type { Trace } from "./trace.ts";

/** Where a simulated fleet stands: sites by name, each in a region, with its number of nodes. */
export type Layout = readonly SiteLayout[];

export type SiteLayout = {
  readonly site: string;
  readonly region: string;
  readonly nodes: number;
  /** Machines that stand there and are no members yet. */
  readonly later?: number | undefined;
  /** How its machines reach other sites; as the configuration of all says when it is not given. */
  readonly uplink?: Pick<NodeConfig, "uplink" | "uplinkBytesPerSecond" | "uplinkBytesPerDay"> | undefined;
};

export type WorldOptions = {
  /** How far detail travels; everywhere when missing. */
  readonly detail?: Detail | undefined;
  /** Equal records of all nodes are one piece of memory: for fleets of thousands. */
  readonly sharing?: boolean;
  /** Sites that have been in the mesh for a while: see prepared.ts. The others hold what comes with an invite. */
  readonly settled?: (site: string) => boolean;
  /** The first member of each site may admit others, and end memberships. */
  readonly enrollers?: boolean;
  /**
   * Runs the machines of some regions only, the others of them elsewhere. Every machine has chance of its own then, so that what
   * happens is the same however many run the world.
   */
  readonly shard?: Shard | undefined;
};

/** A machine whose membership has ended, or that was admitted by one whose membership had. */
export type Departed = { readonly machine: Machine; readonly how: "left" | "revoked" | "void" };

/** Whoever watches the world: the checks and the users. */
export type Observer = {
  readonly answered?: (machine: Machine, request: number, reply: WriteReply) => void;
  readonly noted?: (machine: Machine, note: Note) => void;
  readonly podStarted?: (machine: Machine, pod: SimPod) => void;
  /** A frame goes out to another machine. */
  readonly sent?: (machine: Machine, peer: Machine, end: End, bytes: number) => void;
  /** The agent is about to be gone, and what its disk has not confirmed may be gone with it. */
  readonly dying?: (machine: Machine) => void;
  /** Its membership ends now. */
  readonly departing?: (machine: Machine) => void;
  /** Its program has done its work, or failed for good. */
  readonly podEnded?: (machine: Machine, pod: SimPod) => void;
  /** The shell says how much memory there is; whoever watches that passes it on. */
  readonly memoryTold?: (machine: Machine, sample: MemorySample, tell: () => void) => void;
  readonly podStopping?: (machine: Machine, pod: SimPod, reason: string) => void;
};

/** Far above what a healthy mesh needs: beyond it, something feeds on itself. */
const eventsPerMachineAndMs = 0.5;
const startOfTime = epochMs + 200_000_000_000;

/** Virtual time, machines and the network between them. Everything that happens, happens here. */
export class World {
  readonly seed: number;
  readonly queue = new EventQueue();
  readonly crypto: SimCrypto;
  readonly network: Network;
  readonly trace: Trace;
  /** The members, as it is in truth. */
  readonly machines: Machine[] = [];
  /** Machines that are no members yet. */
  readonly spares: Machine[] = [];
  readonly departed: Departed[] = [];
  readonly enrollers = new Set<Machine>();
  readonly observers: Observer[] = [];
  readonly violations: string[] = [];
  now = 0;
  readonly #byHost: Machine[] = [];
  readonly #tries = new Map<string, number>();
  readonly #hostById = new Map<NodeId, number>();
  readonly #shard: Shard | undefined;
  readonly #shardByRegion: ReadonlyMap<string, number>;
  readonly #chance: Random;

  constructor(seed: number, layout: Layout, config: NodeConfig, trace: Trace, options: WorldOptions = {}) {
    const { detail = "mesh", sharing = false, settled, enrollers = false, shard } = options;
    this.seed = seed;
    this.trace = trace;
    this.crypto = createSimCrypto(seed, sharing);
    const network = { lossProbability: 0.01, retransmitAfter: 200, dialTimeout: 3_000 };
    this.network = new Network(this.queue, () => this.now, network, shard);
    this.#shard = shard;
    this.#shardByRegion = shardsOf(layout, shard?.of ?? 1);
    this.#chance = this.random("network");
    this.#populate(layout, config, detail, settled, enrollers);
  }

  /** Every machine there is, whatever it belongs to. */
  get everybody(): readonly Machine[] {
    return this.#byHost;
  }

  /** Members, and those that go on though they are none any more. */
  get present(): readonly Machine[] {
    return [...this.machines, ...this.departed.map(({ machine }) => machine)];
  }

  /** A machine is no member any more, in truth; others will hear of it. */
  depart(machine: Machine, how: Departed["how"]): void {
    for (const observer of this.observers) observer.departing?.(machine);
    const at = this.machines.indexOf(machine);
    if (at >= 0) this.machines.splice(at, 1);
    this.departed.push({ machine, how });
  }

  random(name: string): Random {
    return randomStream(this.seed, name);
  }

  /** Counts one more try of something, wherever it is tried. */
  tries(what: string): number {
    const tries = (this.#tries.get(what) ?? 0) + 1;
    this.#tries.set(what, tries);
    return tries;
  }

  trueTime(): number {
    return startOfTime + this.now;
  }

  machine(host: number): Machine {
    const machine = this.#byHost[host];
    if (machine === undefined) throw new RangeError(`no machine ${host}`);
    return machine;
  }

  hostOf(id: NodeId): number {
    const host = this.#hostById.get(id);
    if (host === undefined) throw new RangeError(`no machine has the id ${id}`);
    return host;
  }

  at(when: number, run: () => void): void {
    this.queue.schedule(Math.max(when, this.now), run);
  }

  /** Lets everything happen that is due up to and including `until`. */
  run(until: number): void {
    const eventsMax = eventsPerMachineAndMs * this.machines.length * (until - this.now) + 100_000;
    let events = 0;
    // What others send from now on arrives here after this time at the earliest.
    const ahead = this.#shard === undefined || this.#shard.of === 1 ? until - this.now : betweenRegionsLeast;
    do {
      const end = Math.min(until, this.now + ahead);
      for (let entry = this.queue.next(end); entry !== undefined; entry = this.queue.next(end)) {
        this.now = entry.at;
        if (++events > eventsMax) return this.#storm(eventsMax);
        entry.run();
      }
      this.now = end;
      this.network.meet();
    } while (this.now < until);
  }

  #storm(eventsMax: number): void {
    const what = `8: a storm: more than ${eventsMax} events`;
    // Others would wait for us for ever.
    if (this.#shard !== undefined && this.#shard.of > 1) throw new Error(what);
    this.violated(what);
  }

  violated(what: string): void {
    if (this.violations.length < 20) this.violations.push(`at ${(this.now / 1000).toFixed(3)} s: ${what}`);
    this.trace.add(this.now, "CHECK", what);
  }

  answered(machine: Machine, request: number, reply: WriteReply): void {
    for (const observer of this.observers) observer.answered?.(machine, request, reply);
  }

  sent(machine: Machine, end: End, bytes: number): void {
    for (const { sent } of this.observers) sent?.(machine, this.machine(peerOf(end)), end, bytes);
  }

  dying(machine: Machine): void {
    for (const observer of this.observers) observer.dying?.(machine);
  }

  noted(machine: Machine, note: Note): void {
    for (const observer of this.observers) observer.noted?.(machine, note);
  }

  podStarted(machine: Machine, pod: SimPod): void {
    for (const observer of this.observers) observer.podStarted?.(machine, pod);
  }

  podEnded(machine: Machine, pod: SimPod): void {
    for (const observer of this.observers) observer.podEnded?.(machine, pod);
  }

  memoryTold(machine: Machine, sample: MemorySample, tell: () => void): void {
    const watching = this.observers.find(({ memoryTold }) => memoryTold !== undefined);
    if (watching?.memoryTold === undefined) tell();
    else watching.memoryTold(machine, sample, tell);
  }

  podStopping(machine: Machine, pod: SimPod, reason: string): void {
    for (const observer of this.observers) observer.podStopping?.(machine, pod, reason);
  }

  /**
   * Makes the mesh: a root, its members, and what every disk knows of them from the invitation on. Where
   * detail does not travel everywhere, that is the own site or region, and one node of the site from which
   * the site was invited: each site invited two others.
   */
  #populate(
    layout: Layout,
    config: NodeConfig,
    detail: Detail,
    settled: WorldOptions["settled"],
    enrollers: boolean,
  ): void {
    const root = this.crypto.signer("root");
    const rootId = nodeIdOf(root.publicKey, this.crypto);
    const mesh = { id: rootId, name: "sim", rootKey: root.publicKey, detail };
    const introductions: { readonly place: Place; readonly slots: Preload[] }[] = [];
    const longHere: Settled[] = [];
    const preload = (record: MeshRecord): Preload => ({
      slot: slotOf(record),
      bytes: storedBytes(record, this.crypto),
    });
    for (const { site, region, nodes, later = 0, uplink } of layout) {
      const slots: Preload[] = [];
      introductions.push({ place: { site, region }, slots });
      const roster: MeshRecord[] = [];
      const machines: Machine[] = [];
      if (settled?.(site) === true) longHere.push({ site, region, machines, roster });
      for (let number = 1; number <= nodes + later; number++) {
        const machine = this.#place(`${site}-${number}`, { site, region }, mesh, { ...config, ...uplink });
        if (number > nodes) {
          this.spares.push(machine);
          continue;
        }
        this.machines.push(machine);
        machines.push(machine);
        if (enrollers && number === 1) this.enrollers.add(machine);
        const grants = this.enrollers.has(machine) ? ["write", "enrol"] : ["write"];
        const member = memberRecord(machine, startOfTime, 1, this.crypto, grants);
        const records = [member, this.#firstStatus(machine, member.scope)];
        roster.push(...records);
        slots.push(...records.map(preload));
      }
    }
    const siteAt = new Map(layout.map(({ site }, at) => [site, at] as const));
    const disks = preparedDisks(longHere, startOfTime, this.random("prepared"), this.crypto);
    for (const machine of this.machines) {
      const { site, region } = machine.identity;
      const prepared = disks.get(site);
      if (prepared !== undefined) {
        machine.disk.preload(prepared);
        continue;
      }
      const at = siteAt.get(site) ?? 0;
      const inviter = introductions[(at - 1) >> 1]?.slots.slice(0, 2) ?? [];
      const known = introductions.filter(({ place }) =>
        detail === "site" ? place.site === site : detail === "mesh" || place.region === region,
      );
      const all = known.flatMap(({ slots }) => slots);
      machine.disk.preload(detail === "mesh" ? all : [...inviter, ...all]);
    }
  }

  #place(name: string, { site, region }: Place, mesh: MeshIdentity, config: NodeConfig): Machine {
    const signer = this.crypto.signer(name);
    const id = nodeIdOf(signer.publicKey, this.crypto);
    const machine = new Machine(this, { id, name, site, region, mesh }, signer, config);
    const shard = this.#shardByRegion.get(region) ?? 0;
    machine.isOurs = shard === (this.#shard?.number ?? 0);
    machine.host = this.network.add({
      site,
      region,
      shard,
      random: this.#shard === undefined ? this.#chance : this.random(`network ${name}`),
      state: () => machine.state,
      process: () => machine.processes,
      opened: (end, peer, outbound, via) => machine.linkOpened(end, peer, outbound, via),
      closed: (end, how) => machine.linkClosed(end, how),
      frame: (end, bytes) => machine.frameArrived(end, bytes),
      admits: (peer) => {
        const { identity, tlsKey } = this.machine(peer);
        return machine.node?.view.admits(identity.id, tlsKey) === true;
      },
      dialFailed: (peer, why) =>
        machine.deliver({
          type: "dial-failed",
          peer: this.machine(peer).identity.id,
          why,
          detail: "simulated",
        }),
    });
    this.#byHost.push(machine);
    this.#hostById.set(id, machine.host);
    return machine;
  }

  #firstStatus(machine: Machine, scope: Scope): MeshRecord {
    const body = { ...simStatus, addresses: [addressOf(machine.name)], bootId: "before", agentStartedAt: 0 };
    const { id } = machine.identity;
    return sealRecord(
      { scope, key: statusKey(id), version: 2, kind: "fact", body },
      id,
      machine.signer,
      this.crypto,
    );
  }
}

/** Which of so many runs each region: neighbours in the layout stay together. */
function shardsOf(layout: Layout, shards: number): ReadonlyMap<string, number> {
  const regions = [...new Set(layout.map(({ region }) => region))];
  return new Map(regions.map((region, at) => [region, Math.floor((at * shards) / regions.length)]));
}
