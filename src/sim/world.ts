import { epochMs } from "../core/kernel/hybrid-clock.ts";
import { randomStream, type Random } from "../core/kernel/random.ts";
import type { NodeConfig, Note, WriteReply } from "../core/node/contract.ts";
import { memberKey, statusKey } from "../core/records/keys.ts";
import { sealRecord, storedBytes } from "../core/records/seal.ts";
import { nodeIdOf, slotOf, type MeshRecord, type NodeId } from "../core/records/record.ts";
import { hex } from "../core/kernel/bytes.ts";
import { EventQueue } from "./event-queue.ts";
import { Machine, type SimPod } from "./machine.ts";
import { Network } from "./network.ts";
import { createSimCrypto, type SimCrypto } from "./sim-crypto.ts";
import type { Trace } from "./trace.ts";

/** Where a simulated fleet stands: sites by name, each in a region, with its number of nodes. */
export type Layout = readonly { readonly site: string; readonly region: string; readonly nodes: number }[];

/** Whoever watches the world: the checks and the users. */
export type Observer = {
  readonly answered?: (machine: Machine, request: number, reply: WriteReply) => void;
  readonly noted?: (machine: Machine, note: Note) => void;
  readonly podStarted?: (machine: Machine, pod: SimPod) => void;
  /** The agent is about to be gone, and what its disk has not confirmed may be gone with it. */
  readonly dying?: (machine: Machine) => void;
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
  readonly machines: Machine[] = [];
  readonly observers: Observer[] = [];
  readonly violations: string[] = [];
  now = 0;
  #hostById = new Map<NodeId, number>();

  constructor(seed: number, layout: Layout, config: NodeConfig, trace: Trace) {
    this.seed = seed;
    this.trace = trace;
    this.crypto = createSimCrypto(seed);
    this.network = new Network(this.queue, () => this.now, this.random("network"), {
      lossProbability: 0.01,
      retransmitAfter: 200,
      dialTimeout: 3_000,
    });
    this.#populate(layout, config);
  }

  random(name: string): Random {
    return randomStream(this.seed, name);
  }

  trueTime(): number {
    return startOfTime + this.now;
  }

  machine(host: number): Machine {
    const machine = this.machines[host];
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
    for (let entry = this.queue.next(until); entry !== undefined; entry = this.queue.next(until)) {
      this.now = entry.at;
      if (++events > eventsMax) return this.violated(`8: a storm: more than ${eventsMax} events`);
      entry.run();
    }
    this.now = until;
  }

  violated(what: string): void {
    if (this.violations.length < 20) this.violations.push(`at ${(this.now / 1000).toFixed(3)} s: ${what}`);
    this.trace.add(this.now, "CHECK", what);
  }

  answered(machine: Machine, request: number, reply: WriteReply): void {
    for (const observer of this.observers) observer.answered?.(machine, request, reply);
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

  podStopping(machine: Machine, pod: SimPod, reason: string): void {
    for (const observer of this.observers) observer.podStopping?.(machine, pod, reason);
  }

  /** Makes the mesh: a root, its members, and what every disk knows of them from the invitation on. */
  #populate(layout: Layout, config: NodeConfig): void {
    const root = this.crypto.signer("root");
    const rootId = nodeIdOf(root.publicKey, this.crypto);
    const mesh = { id: rootId, name: "sim", rootKey: root.publicKey };
    const introduction: MeshRecord[] = [];
    for (const { site, region, nodes } of layout) {
      for (let number = 1; number <= nodes; number++) {
        const name = `${site}-${number}`;
        const signer = this.crypto.signer(name);
        const id = nodeIdOf(signer.publicKey, this.crypto);
        const machine = new Machine(this, { id, name, site, region, mesh }, signer, config);
        machine.host = this.network.add({
          site,
          region,
          state: () => machine.state,
          process: () => machine.processes,
          opened: (end, peer, outbound, via) => machine.linkOpened(end, peer, outbound, via),
          closed: (end, how) => machine.linkClosed(end, how),
          frame: (end, bytes) => machine.frameArrived(end, bytes),
          dialFailed: (peer, why) =>
            machine.deliver({
              type: "dial-failed",
              peer: this.machine(peer).identity.id,
              why,
              detail: "simulated",
            }),
        });
        this.machines.push(machine);
        this.#hostById.set(id, machine.host);
        const body = {
          name,
          site,
          region,
          signKey: hex(signer.publicKey),
          tlsKey: hex(this.crypto.sha256(signer.publicKey)),
          grants: ["write"],
          labels: {},
          joinedAt: startOfTime,
        };
        introduction.push(
          sealRecord(
            { scope: "mesh", key: memberKey(id), version: 1, kind: "roster", body },
            rootId,
            root,
            this.crypto,
          ),
          this.#firstStatus(machine),
        );
      }
    }
    for (const machine of this.machines) {
      for (const record of introduction)
        machine.disk.preload(slotOf(record), storedBytes(record, this.crypto));
    }
  }

  #firstStatus(machine: Machine): MeshRecord {
    const resources = { cpuMilli: 4000, memoryBytes: 4 * 2 ** 30, pods: 60 };
    const body = {
      addresses: [`${machine.name}:7070`],
      capacity: resources,
      allocatable: resources,
      tier: 2,
      os: "linux",
      architecture: "amd64",
      kernel: "sim",
      agentVersion: "sim",
      bootId: "before",
      agentStartedAt: 0,
      runtimes: ["process"],
    };
    const { id } = machine.identity;
    return sealRecord(
      { scope: "mesh", key: statusKey(id), version: 2, kind: "fact", body },
      id,
      machine.signer,
      this.crypto,
    );
  }
}
