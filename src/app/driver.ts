import { randomBytes } from "node:crypto";
import { carryOut, type Handlers } from "../core/kernel/effects.ts";
import { BoundedQueue } from "../core/kernel/queue.ts";
import { randomStream, type Random } from "../core/kernel/random.ts";
import type { Signer } from "../core/kernel/crypto.ts";
import type { Change } from "../core/intents/contract.ts";
import { createNode } from "../core/node/create-node.ts";
import type { BundlePart } from "../core/sync/bundle.ts";
import type {
  BundleReport,
  Changed,
  NodeConfig,
  NodeEffect,
  NodeEnv,
  NodeEvent,
  NodeIdentity,
  NodeView,
  Note,
  WriteReply,
} from "../core/node/contract.ts";
import type { Runtime } from "../ports/runtime.ts";
import { StorageError, type Storage } from "../ports/storage.ts";
import type { Transport } from "../ports/transport.ts";
import { nodeCrypto } from "../shells/crypto-node/node-crypto.ts";
import { createBootClock } from "../shells/guard/boot-clock.ts";
import type { Log } from "./log.ts";

/**
 * Drives the core: events in, effects out. One turn of the core is never inside another: an event that
 * arrives while effects are carried out waits for them, and one that arrives before `boot` waits for that:
 * what an adopted pod reports means nothing to a core that does not know the pod yet.
 */
export type Driver = {
  readonly view: NodeView;
  readonly env: () => NodeEnv;
  readonly handle: (event: NodeEvent) => void;
  /** Handles an event and resolves when all it asked to be stored is; false when the disk refused. */
  readonly handleDurably: (event: NodeEvent) => Promise<boolean>;
  readonly write: (
    changes: readonly Change[],
    actor: string,
    options: { readonly dryRun: boolean },
  ) => Promise<WriteReply>;
  /** Takes in a part of a bundle; resolves when it is on disk. Undefined when the disk refused, or the agent stops. */
  readonly takeBundle: (
    part: BundlePart & Pick<Extract<NodeEvent, { type: "bundle" }>, "maker" | "whole">,
  ) => Promise<BundleReport | undefined>;
  readonly onChanged: (listener: (what: readonly Changed[]) => void) => () => void;
  readonly notes: () => readonly TimedNote[];
  readonly note: (note: Note) => void;
  /** From now on links can be opened. Call it before the `boot` event, which asks for them. */
  readonly connect: (transport: Transport) => void;
  /** No more events; resolves when the disk has answered every write. */
  readonly stop: () => Promise<void>;
};

export type TimedNote = Note & { readonly at: number };

export type DriverOptions = {
  readonly identity: NodeIdentity;
  readonly signer: Signer;
  readonly config: NodeConfig;
  readonly storage: Storage;
  readonly runtime: Runtime;
  readonly log: Log;
};

const notesMax = 1_000;
const beatEveryMs = 250;
/** A beat that is later than this means that the whole process stood still. */
const stalledAfterMs = 500;
/** setTimeout counts in 31 bits. */
const timerMaxMs = 2 ** 31 - 1;

export function createDriver(options: DriverOptions): Driver {
  const { identity, signer, storage, runtime, log } = options;
  const machine = createNode(identity, options.config);
  const seed = randomBytes(6).readUIntBE(0, 6);
  const streams = new Map<string, Random>();
  const notes = new BoundedQueue<TimedNote>(notesMax);
  const listeners = new Set<(what: readonly Changed[]) => void>();
  const replies = new Map<number, (reply: WriteReply) => void>();
  const reports = new Map<number, BundleReport>();
  const waiting: NodeEvent[] = [];
  const tasks: (() => void)[] = [];
  let transport: Transport | undefined;
  let running = true;
  let booted = false;
  let handling = false;
  let requests = 0;
  let answered: Promise<void> = Promise.resolve();
  let refusedWrites = 0;
  let timer: NodeJS.Timeout | undefined;
  let armedFor = Number.POSITIVE_INFINITY;
  const clock = createBootClock();
  let beatAt = clock.now();

  const random = (name: string): Random => {
    const held = streams.get(name) ?? randomStream(seed, name);
    streams.set(name, held);
    return held;
  };
  const env = (now = clock.now()): NodeEnv => ({
    now,
    wall: Date.now(),
    crypto: nodeCrypto,
    signer,
    random,
    sentBytes: (link) => transport?.sentBytes(link) ?? 0,
    ownEndUp: (link) => transport?.ownEndUp(link),
  });

  const note = (entry: Note): void => {
    notes.push({ ...entry, at: Date.now() });
    log(entry.level, entry.reason, entry.message);
  };

  /** Tickets are answered in their order, whatever the order of the store's answers. */
  const persist = ({ ticket, puts }: Extract<NodeEffect, { type: "persist" }>): void => {
    const outcome = storage.write(puts).then(
      () => undefined,
      (error: unknown) => detailOf(error),
    );
    answered = answered.then(async () => {
      const detail = await outcome;
      if (detail !== undefined) refusedWrites++;
      handle(detail === undefined ? { type: "stored", ticket } : { type: "store-failed", ticket, detail });
    });
  };

  /**
   * One of them in each round of the event loop: starting a program takes a process of our size some 10 ms, and
   * whoever starts dozens in a row hears no peer meanwhile, claims what others claimed and doubts itself.
   */
  const work = (task: () => void): void => {
    tasks.push(task);
    if (tasks.length > 1) return;
    const next = (): void => {
      try {
        tasks[0]?.();
      } finally {
        tasks.shift();
        if (tasks.length > 0) setImmediate(next);
      }
    };
    setImmediate(next);
  };

  const effects: Handlers<NodeEffect> = {
    dial: ({ peer, addresses, relays }) => transport?.dial(peer, addresses, relays),
    send: ({ link, bytes }) => transport?.send(link, bytes),
    close: ({ link }) => transport?.close(link),
    persist,
    "arm-pod": ({ uid, until }) => setImmediate(() => runtime.arm(uid, until)),
    // After the frames of this turn: peers see the claim before a program is started. In order, so that
    // a pod that is started and stopped at once is not left running.
    "start-pod": ({ pod }) => work(() => runtime.start(pod)),
    "stop-pod": ({ uid, grace }) => work(() => runtime.stop(uid, grace)),
    reply: ({ request, reply }) => {
      replies.get(request)?.(reply);
      replies.delete(request);
    },
    "bundle-taken": ({ request, report }) => {
      reports.set(request, report);
    },
    changed: ({ what }) => {
      for (const listener of listeners) listener(what);
    },
    note: (effect) => note(effect.note),
  };

  const turn = (event: NodeEvent, now?: number): void => {
    for (const effect of machine.handle(event, env(now))) carryOut(effects, effect);
  };

  const handle = (event: NodeEvent): void => {
    if (!running) return;
    if (event.type === "boot") {
      booted = true;
      waiting.unshift(event);
    } else waiting.push(event);
    if (handling || !booted) return;
    handling = true;
    try {
      // One reading serves for the first event, mostly the only one.
      let now: number | undefined = clock.now();
      noticeStall(now);
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        turn(next, now);
        now = undefined;
      }
    } finally {
      handling = false;
    }
    arm();
  };

  const handleDurably = async (event: NodeEvent): Promise<boolean> => {
    const before = refusedWrites;
    handle(event);
    await answered;
    return refusedWrites === before;
  };

  /** Told before anything else after a standstill, so that the silence meanwhile is blamed on us. */
  const noticeStall = (now: number): void => {
    const lateBy = now - beatAt - beatEveryMs;
    if (lateBy < stalledAfterMs) return;
    beatAt = now;
    turn({ type: "stalled", by: lateBy }, now);
  };

  const arm = (): void => {
    const { at } = machine.wake();
    if (at === armedFor && timer !== undefined) return;
    clearTimeout(timer);
    timer = undefined;
    armedFor = at;
    if (at === Number.POSITIVE_INFINITY || !running) return;
    const delayMs = Math.min(timerMaxMs, Math.max(1, Math.ceil(at - clock.now())));
    timer = setTimeout(() => {
      timer = undefined;
      handle({ type: "wake" });
    }, delayMs);
  };

  const beat = setInterval(() => {
    const lateBy = clock.now() - beatAt - beatEveryMs;
    if (lateBy >= stalledAfterMs) handle({ type: "wake" });
    beatAt = clock.now();
  }, beatEveryMs);
  beat.unref();

  return {
    view: machine.view,
    env,
    handle,
    handleDurably,
    write: (changes, actor, { dryRun }) =>
      new Promise((resolve) => {
        const request = ++requests;
        replies.set(request, resolve);
        handle({ type: "write", request, changes, actor, dryRun });
      }),
    takeBundle: async (part) => {
      const request = ++requests;
      const stored = await handleDurably({ type: "bundle", request, ...part });
      const report = reports.get(request);
      reports.delete(request);
      return stored ? report : undefined;
    },
    onChanged: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    notes: () => notes.list(),
    note,
    connect: (opened) => {
      transport = opened;
    },
    stop: async () => {
      running = false;
      clearInterval(beat);
      clearTimeout(timer);
      await answered;
    },
  };
}

function detailOf(error: unknown): string {
  if (!(error instanceof StorageError)) return String(error);
  return error.failure.type === "full" ? `no space is left for ${error.failure.path}` : error.message;
}
