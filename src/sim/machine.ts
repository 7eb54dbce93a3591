import type { Change } from "../core/intents/contract.ts";
import { carryOut, type Handlers } from "../core/kernel/effects.ts";
import { hex } from "../core/kernel/bytes.ts";
import { randomStream, type Random } from "../core/kernel/random.ts";
import type { Signer } from "../core/kernel/crypto.ts";
import type { LinkEnd } from "../core/membership/contract.ts";
import type {
  NodeConfig,
  NodeEffect,
  NodeEnv,
  NodeEvent,
  NodeIdentity,
  NodeMachine,
  WriteReply,
} from "../core/node/contract.ts";
import { createNode } from "../core/node/create-node.ts";
import { spoken, type ProtocolRange } from "../core/records/protocol.ts";
import { bundleToSign, readBundleFrame, type BundleMaker } from "../core/sync/bundle.ts";
import { SimDisk } from "./disk.ts";
import { Turns, type Processor } from "./processor.ts";
import { reportOf, type SimPod } from "./sim-pod.ts";
import { SimMemory } from "./sim-memory.ts";
import { SimRuntime } from "./sim-runtime.ts";
import type { End } from "./streams.ts";
import type { World } from "./world.ts";

/** A bundle on its way. */
export type Courier = { readonly frames: readonly Uint8Array[]; readonly maker: BundleMaker };

/** A version of the agent: its core, and the protocols that it speaks. */
export type Build = { readonly createNode: typeof createNode; readonly speaks: ProtocolRange };

/** What only workloads ask for that are to be short of it. */
export const lanesResource = "sim.dev/lanes";
export const lanesOfMachine = 4;
const resources = {
  cpuMilli: 4000,
  memoryBytes: 4 * 2 ** 30,
  pods: 60,
  extended: { [lanesResource]: lanesOfMachine },
};

/** What every machine of the simulator finds out about itself. */
export const simStatus = {
  capacity: resources,
  allocatable: resources,
  tier: 2,
  os: "linux",
  architecture: "amd64",
  kernel: "sim",
  agentVersion: "sim",
  runtimes: ["process"],
} as const;

export const addressOf = (name: string): string => `${name}:7070`;

/** Every cut is one between switches, the case in which both ends of a site of two take over. */
const alwaysUp = (): boolean => true;
const wake = { type: "wake" } as const;

/** One machine: power, a disk, a clock, a runtime, and the agent that runs the real core. */
export class Machine {
  readonly identity: NodeIdentity;
  readonly signer: Signer;
  readonly tlsKey: string;
  readonly disk: SimDisk;
  readonly pods = new Map<string, SimPod>();
  readonly runtime: SimRuntime;
  readonly memory: SimMemory;
  readonly #world: World;
  readonly config: NodeConfig;
  readonly #linkByEnd = new Map<End, number>();
  readonly #endByLink = new Map<number, End>();
  host = -1;
  /** Whether it is simulated here; of others it is known what happens to them from outside. */
  isOurs = true;
  /** Difference of this machine's wall clock to the true time, in ms. */
  skew = 0;
  power = true;
  /** Which agent is installed; the next start runs it. */
  build: Build = { createNode, speaks: spoken };
  node: NodeMachine | undefined;
  /** Whether its agent has a process, wherever it is simulated. */
  isRunning = false;
  /** Counts agent processes and boots of the machine. */
  processes = 0;
  boots = 0;
  #pausedUntil: number | undefined;
  #turns: Turns | undefined;
  #inbox: NodeEvent[] = [];
  #links = 0;
  #armed = 0;
  /** NaN while it is armed for nothing. */
  #armedFor = Number.NaN;
  #streams = new Map<string, Random>();
  #spins = 0;
  /** Survives the disk, as the mark beside a node's key does. */
  #firstLife = true;

  constructor(world: World, identity: NodeIdentity, signer: Signer, config: NodeConfig) {
    this.#world = world;
    this.identity = identity;
    this.signer = signer;
    this.tlsKey = hex(world.crypto.sha256(signer.publicKey));
    this.config = config;
    const random = randomStream(world.seed, `machine ${identity.name}`);
    this.disk = new SimDisk(world.queue, () => world.now, random);
    this.runtime = new SimRuntime(world, this, random);
    this.memory = new SimMemory(world, this);
  }

  get name(): string {
    return this.identity.name;
  }

  get state(): "off" | "down" | "stalled" | "up" {
    if (!this.power) return "off";
    if (!this.isRunning) return "down";
    return this.#pausedUntil === undefined ? "up" : "stalled";
  }

  env(): NodeEnv {
    return {
      now: this.#world.now,
      wall: this.#world.trueTime() + this.skew,
      crypto: this.#world.crypto,
      signer: this.signer,
      sentBytes: this.#sentBytes,
      random: this.#stream,
      ownEndUp: alwaysUp,
    };
  }

  readonly #sentBytes = (link: number): number => this.#endByLink.get(link)?.sentBytes ?? 0;

  readonly #stream = (name: string): Random => {
    const held = this.#streams.get(name);
    if (held !== undefined) return held;
    const stream = randomStream(this.#world.seed, `${this.name} ${this.processes} ${name}`);
    this.#streams.set(name, stream);
    return stream;
  };

  /** From now on its agent's turns take time, on cores that others may keep busy; without it they take none. */
  runOn(processor: Processor): void {
    this.#turns = new Turns(
      processor,
      () => this.#world.now,
      (event) => this.#turn(event),
    );
  }

  startAgent(): void {
    if (!this.power || this.isRunning) return;
    this.processes++;
    this.isRunning = true;
    if (!this.isOurs) return;
    this.#streams = new Map();
    this.node = this.build.createNode(this.identity, this.config, this.build.speaks);
    this.#world.trace.add(this.#world.now, this.name, `agent starts (${this.pods.size} pods still run)`);
    const adopted = [...this.pods.values()].map((pod) => reportOf(pod));
    this.deliver({ type: "boot", frames: this.disk.frames(), adopted, firstLife: this.#firstLife });
    this.#firstLife = false;
    this.deliver({
      type: "measured",
      status: {
        ...simStatus,
        addresses: [addressOf(this.name)],
        bootId: `${this.name}-${this.boots}`,
        agentStartedAt: Math.max(0, Math.floor(this.env().wall)),
      },
    });
  }

  /** `kill -9` of the agent: its workloads go on. */
  killAgent(): void {
    if (!this.isRunning) return;
    this.#world.trace.add(this.#world.now, this.name, "agent is killed");
    this.#world.network.processDied(this.host);
    this.#forget();
  }

  /** SIGTERM, as at an upgrade: it says that it is restarted. */
  stopAgent(): void {
    this.deliver({ type: "stopping" });
    this.killAgent();
  }

  /** The plug is pulled: nothing says goodbye, and the workloads are gone. */
  powerOff(): void {
    if (!this.power) return;
    this.#world.trace.add(this.#world.now, this.name, `power is lost (${this.pods.size} pods die)`);
    this.#world.network.powerLost(this.host);
    this.#forget();
    this.pods.clear();
    this.power = false;
  }

  powerOn(): void {
    if (this.power) return;
    this.power = true;
    this.boots++;
    this.startAgent();
  }

  /** SIGSTOP for a while: events queue up in the kernel, time goes on. */
  pause(duration: number): void {
    if (!this.isRunning || this.#pausedUntil !== undefined) return;
    const { processes } = this;
    this.#world.trace.add(this.#world.now, this.name, `agent is paused for ${Math.round(duration)} ms`);
    this.#pausedUntil = this.#world.now + duration;
    this.#world.queue.schedule(this.#pausedUntil, () => {
      if (this.processes !== processes || this.#pausedUntil === undefined) return;
      this.#pausedUntil = undefined;
      const waiting = this.#inbox;
      this.#inbox = [];
      this.deliver({ type: "stalled", by: duration });
      for (const event of waiting) this.deliver(event);
      this.#arm();
    });
  }

  /** Somebody writes here. */
  write(request: number, change: Change, actor = "user"): void {
    this.deliver({ type: "write", request, changes: [change], actor, dryRun: false });
  }

  deliver(event: NodeEvent): void {
    if (this.node === undefined) return;
    if (this.#pausedUntil !== undefined) {
      this.#inbox.push(event);
      return;
    }
    if (this.#turns === undefined) this.#turn(event);
    else this.#turns.add(event);
  }

  #turn(event: NodeEvent): readonly NodeEffect[] | undefined {
    if (this.node === undefined) return undefined;
    if (this.#pausedUntil !== undefined) {
      this.#inbox.push(event);
      return undefined;
    }
    const effects = this.node.handle(event, this.env());
    if (this.#world.trace.digests)
      this.#world.trace.mark(this.#world.now, this.name, `${event.type} ${effects.length}`);
    for (const effect of effects) carryOut(this.#handlers, effect);
    this.#arm();
    return effects;
  }

  linkOpened(end: End, peer: number, outbound: boolean, relay: number | undefined): void {
    const link = ++this.#links;
    this.#linkByEnd.set(end, link);
    this.#endByLink.set(link, end);
    const { identity, tlsKey, build } = this.#world.machine(peer);
    const { speaks } = build;
    const via = relay === undefined ? undefined : this.#world.machine(relay).identity.id;
    this.deliver({ type: "link-opened", link, peer: identity.id, outbound, tlsKey, speaks, via });
  }

  linkClosed(end: End, how: LinkEnd): void {
    const link = this.#linkByEnd.get(end);
    if (link === undefined) return;
    this.#linkByEnd.delete(end);
    this.#endByLink.delete(link);
    this.deliver({ type: "link-closed", link, end: how });
  }

  frameArrived(end: End, bytes: Uint8Array): void {
    const link = this.#linkByEnd.get(end);
    if (link !== undefined) this.deliver({ type: "frame", link, bytes });
  }

  /** All that this machine holds, as a courier takes it along; undefined while its agent is down. */
  exportBundle(): Courier | undefined {
    if (this.node === undefined) return undefined;
    const { crypto } = this.#world;
    const frames = [...this.node.view.bundle(undefined, [], crypto).frames];
    const digest = crypto.sha256(Buffer.concat(frames));
    const maker = { node: this.identity.id, digest, signature: this.signer.sign(bundleToSign(digest)) };
    return { frames, maker };
  }

  importBundle({ frames, maker }: Courier): void {
    for (const [at, frame] of frames.entries()) {
      const part = readBundleFrame(frame, this.#world.crypto);
      if (part === undefined) this.#world.violated(`${this.name} cannot read a bundle of ${maker.node}`);
      else this.deliver({ type: "bundle", request: at, ...part, maker, whole: at === frames.length - 1 });
    }
  }

  /** Someone else speaks over this machine's links. */
  inject(bytes: Uint8Array): void {
    for (const end of this.#linkByEnd.keys()) this.#world.network.send(end, bytes);
  }

  readonly #handlers: Handlers<NodeEffect> = {
    dial: ({ peer, relays }) => {
      const hosts = relays.map((relay) => this.#world.hostOf(relay));
      this.#world.network.dial(this.host, this.#world.hostOf(peer), hosts);
    },
    send: ({ link, bytes }) => {
      const end = this.#endByLink.get(link);
      if (end === undefined) return;
      this.#world.sent(this, end, bytes.length);
      this.#world.network.send(end, bytes);
    },
    close: ({ link, end: how }) => {
      const end = this.#endByLink.get(link);
      if (end === undefined) return;
      this.#world.network.close(end);
      this.#world.queue.schedule(this.#world.now, () => this.linkClosed(end, how));
    },
    persist: ({ ticket, puts }) => {
      const { processes } = this;
      this.disk.write(puts, (failure) => {
        if (this.processes !== processes || this.node === undefined) return;
        if (failure === undefined) this.deliver({ type: "stored", ticket });
        else this.deliver({ type: "store-failed", ticket, detail: failure });
      });
    },
    "start-pod": ({ pod }) => this.runtime.start(pod),
    "arm-pod": ({ uid, until }) => this.runtime.arm(uid, until),
    "stop-pod": ({ uid, reason }) => this.runtime.stop(uid, reason),
    reply: ({ request, reply }) => this.#answer(request, reply),
    "bundle-taken": () => {},
    changed: () => {},
    note: ({ note }) => {
      if (note.level === "debug") return;
      this.#world.trace.add(this.#world.now, this.name, `${note.reason}: ${note.message}`);
      this.#world.noted(this, note);
    },
  };

  #answer(request: number, reply: WriteReply): void {
    this.#world.answered(this, request, reply);
  }

  #arm(): void {
    if (this.node === undefined || this.#pausedUntil !== undefined) return;
    const { at, why } = this.node.wake();
    // Most events leave the deadline where it was.
    if (at === this.#armedFor && at > this.#world.now) return;
    this.#armedFor = at;
    const token = ++this.#armed;
    if (at === Number.POSITIVE_INFINITY) return;
    this.#spins = at <= this.#world.now ? this.#spins + 1 : 0;
    if (this.#spins > 1_000) this.#world.violated(`${this.name} wakes for "${why}" without end`);
    const due = Math.max(at, this.#spins > 1_000 ? this.#world.now + 1_000 : this.#world.now);
    this.#world.queue.schedule(due, () => {
      if (token !== this.#armed || this.#pausedUntil !== undefined) return;
      this.#armedFor = Number.NaN;
      this.deliver(wake);
    });
  }

  #forget(): void {
    this.#world.dying(this);
    this.disk.crash();
    this.node = undefined;
    this.isRunning = false;
    this.processes++;
    this.#armed++;
    this.#armedFor = Number.NaN;
    this.#pausedUntil = undefined;
    this.#inbox = [];
    this.#turns?.forget();
    this.#linkByEnd.clear();
    this.#endByLink.clear();
    this.#spins = 0;
  }
}
