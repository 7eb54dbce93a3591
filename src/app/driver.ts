import { randomBytes } from "node:crypto";
import { carryOut, type Handlers } from "../core/kernel/effects.ts";
import { randomStream, type Random } from "../core/kernel/random.ts";
import type { Change } from "../core/intents/contract.ts";
import type {
  Changed,
  NodeEffect,
  NodeEnv,
  NodeEvent,
  NodeMachine,
  Note,
  WriteReply,
} from "../core/node/contract.ts";
import type { Identity } from "../ports/identity.ts";
import type { Runtime } from "../ports/runtime.ts";
import { StorageError, type Storage } from "../ports/storage.ts";
import type { Transport } from "../ports/transport.ts";
import { nodeCrypto } from "../shells/crypto-node/node-crypto.ts";

/** Carries the core's effects out and the world's events in: the production twin of the simulator. */
export type Driver = {
  readonly env: () => NodeEnv;
  readonly deliver: (event: NodeEvent) => void;
  readonly write: (changes: readonly Change[], actor: string, dryRun: boolean) => Promise<WriteReply>;
  readonly onChanged: (listener: (what: readonly Changed[]) => void) => () => void;
  readonly notes: () => readonly TimedNote[];
  /** Connects the transport once it listens; dials asked for before are made then. */
  readonly attach: (transport: Transport) => void;
  readonly stop: () => void;
};

export type TimedNote = Note & { readonly at: number };

const notesMax = 1_000;
const stallMs = 400;
const heartbeatMs = 200;
const sleepMaxMs = 2 ** 30;

export function createDriver(options: {
  readonly node: NodeMachine;
  readonly identity: Identity;
  readonly storage: Storage;
  readonly runtime: Runtime;
  readonly log: (note: TimedNote) => void;
}): Driver {
  const { node, identity, storage, runtime, log } = options;
  const streams = new Map<string, Random>();
  const listeners = new Set<(what: readonly Changed[]) => void>();
  const waiting = new Map<number, (reply: WriteReply) => void>();
  const notes: TimedNote[] = [];
  /** Dials that were asked for before the port was open: workloads come first. */
  const early: Extract<NodeEffect, { type: "dial" }>[] = [];
  let transport: Transport | undefined;
  let timer: NodeJS.Timeout | undefined;
  let requests = 0;
  let stopped = false;

  const env = (): NodeEnv => ({
    now: performance.now(),
    wall: Date.now(),
    crypto: nodeCrypto,
    signer: identity.signer,
    random: (name) => {
      const stream = streams.get(name) ?? randomStream(randomBytes(6).readUIntBE(0, 6), name);
      streams.set(name, stream);
      return stream;
    },
  });

  const handlers: Handlers<NodeEffect> = {
    dial: (effect) => {
      if (transport === undefined) early.push(effect);
      else transport.dial(effect.peer, effect.addresses);
    },
    send: ({ link, bytes }) => transport?.send(link, bytes),
    close: ({ link }) => transport?.close(link),
    persist: ({ ticket, puts }) => {
      storage.write(puts).then(
        () => deliver({ type: "stored", ticket }),
        (error: unknown) => {
          const detail = error instanceof StorageError ? error.message : String(error);
          deliver({ type: "store-failed", ticket, detail });
        },
      );
    },
    // The claim goes out first: starting a process takes longer than telling the peers.
    "start-pod": ({ pod }) => void setImmediate(() => runtime.start(pod)),
    "stop-pod": ({ uid, grace }) => runtime.stop(uid, grace),
    reply: ({ request, reply }) => {
      waiting.get(request)?.(reply);
      waiting.delete(request);
    },
    changed: ({ what }) => {
      for (const listener of listeners) listener(what);
    },
    note: ({ note }) => {
      const timed = { ...note, at: Date.now() };
      notes.push(timed);
      if (notes.length > notesMax) notes.splice(0, notes.length - notesMax);
      log(timed);
    },
  };

  const deliver = (event: NodeEvent): void => {
    if (stopped) return;
    const effects = node.handle(event, env());
    for (const effect of effects) carryOut(handlers, effect);
    arm();
  };

  const arm = (): void => {
    clearTimeout(timer);
    const { at } = node.wake();
    if (at === Number.POSITIVE_INFINITY) return;
    timer = setTimeout(
      () => deliver({ type: "wake" }),
      Math.min(sleepMaxMs, Math.max(0, at - performance.now())),
    );
  };

  // A heartbeat that comes late says that this process stood still: that is nobody else's silence.
  let beat = performance.now();
  const heart = setInterval(() => {
    const late = performance.now() - beat - heartbeatMs;
    beat = performance.now();
    if (late > stallMs) deliver({ type: "stalled", by: late });
  }, heartbeatMs);

  return {
    env,
    deliver,
    write: (changes, actor, dryRun) =>
      new Promise((resolve) => {
        const request = ++requests;
        waiting.set(request, resolve);
        deliver({ type: "write", request, changes, actor, dryRun });
      }),
    onChanged: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    notes: () => notes,
    attach: (opened) => {
      transport = opened;
      for (const { peer, addresses } of early.splice(0)) opened.dial(peer, addresses);
    },
    stop: () => {
      stopped = true;
      clearTimeout(timer);
      clearInterval(heart);
    },
  };
}
