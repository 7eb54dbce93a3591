import { randomStream } from "../kernel/random.ts";
import { promiseFor, type LeaseEffect, type LeaseEvent, type Leases } from "./contract.ts";
import { createLeases } from "./create-leases.ts";
import { decodeMessages, encodeMessages, type Message } from "./frames.ts";
import { stampOf } from "./state.ts";

export const leaseFor = 10_000;
export const promise = promiseFor(leaseFor);
export const idOf = (name: string): string => name.repeat(20).slice(0, 20);
export type Node = {
  readonly id: string;
  leases: Leases;
  readonly disk: Map<string, Uint8Array>;
  stamp: number;
  readonly held: Map<string, number>;
  readonly log: string[];
  /** What it sent, by type, and how often it wrote. */
  readonly said: string[];
  writes: number;
};

/** Nodes without a network between them but what a test links: frames take no time, nor do writes unless told so. */
export function bed({ diskMs = 0 } = {}) {
  const nodes = new Map<string, Node>();
  const links = new Set<string>();
  /** Frames to these wait until they are read; they do not wake by themselves either when they are stopped. */
  const unread = new Map<Node, LeaseEvent[]>();
  const stopped = new Set<Node>();
  const underWay: { readonly at: number; readonly node: Node; readonly event: LeaseEvent }[] = [];
  let now = 0;
  const tell = (node: Node, event: LeaseEvent): void => {
    const random = randomStream(1, `${node.id} ${now}`);
    const env = { now, stamp: ++node.stamp, latest: node.stamp + 4096 * 600_000, random };
    for (const effect of node.leases.handle(event, env)) carryOut(node, effect);
  };
  const carryOut = (node: Node, effect: LeaseEffect): void => {
    if (effect.type === "send") {
      const messages = decodeMessages(effect.bytes);
      if (messages.ok) node.said.push(...messages.value.map(({ type }) => type));
    }
    if (effect.type === "send" && links.has(`${node.id} ${effect.peer}`)) {
      const peer = nodes.get(effect.peer);
      if (peer === undefined) return;
      const event: LeaseEvent = { type: "frame", peer: node.id, bytes: effect.bytes };
      const waiting = unread.get(peer);
      if (waiting === undefined) tell(peer, event);
      else waiting.push(event);
    }
    if (effect.type === "persist") {
      node.writes++;
      for (const { slot, bytes } of effect.puts) node.disk.set(slot, bytes);
      const stored: LeaseEvent = { type: "stored", ticket: effect.ticket };
      if (diskMs === 0) tell(node, stored);
      else underWay.push({ at: now + diskMs, node, event: stored });
    }
    if (effect.type === "held") node.held.set(effect.name, effect.epoch);
    if (effect.type === "lost") node.held.delete(effect.name);
    if (effect.type === "held" || effect.type === "lost")
      node.log.push(`${effect.type} ${effect.name} ${effect.epoch}`);
    if (effect.type === "roll-changed") node.stamp = Math.max(node.stamp, stampOf(effect.roll));
  };
  const start = (id: string, stamp: number, { firstLife = true, memory = "m" } = {}): Node => {
    const disk = nodes.get(id)?.disk ?? new Map<string, Uint8Array>();
    const leases = createLeases({ self: id, leaseFor, promiseFor: promise });
    const node: Node = { id, leases, disk, stamp, held: new Map(), log: [], said: [], writes: 0 };
    nodes.set(id, node);
    tell(node, { type: "restored", rows: [...disk.values()], memory, firstLife });
    return node;
  };
  const roster = (node: Node, members: readonly string[], ended = 0, listenFor = 0, voters = members): void =>
    tell(node, {
      type: "electorates",
      electorates: [{ name: "site/x", members, voters, founder: members[0], ended, listenFor }],
      members: new Set(members),
    });
  const want = (node: Node, epoch = 0): void =>
    tell(node, { type: "wanted", names: [{ name: "n", electorate: "site/x", epoch }] });
  const link = (one: Node, other: Node): void => {
    for (const [from, to] of [[one, other] as const, [other, one] as const]) links.add(`${from.id} ${to.id}`);
    tell(one, { type: "peer-up", peer: other.id });
    tell(other, { type: "peer-up", peer: one.id });
  };
  const linkAll = (all: readonly Node[]): void => {
    for (const [at, one] of all.entries()) for (const other of all.slice(at + 1)) link(one, other);
  };
  const unlink = (one: Node, other: Node): void => {
    for (const [from, to] of [[one, other] as const, [other, one] as const]) {
      links.delete(`${from.id} ${to.id}`);
      tell(from, { type: "peer-down", peer: to.id });
    }
  };
  const readLater = (node: Node): void => void unread.set(node, []);
  const stop = (node: Node): void => void stopped.add(node);
  const goOn = (node: Node): void => {
    stopped.delete(node);
    const waiting = unread.get(node) ?? [];
    unread.delete(node);
    for (const event of waiting) tell(node, event);
  };
  /** Lets time go by, every machine waking when it wants to. */
  const run = (duration: number): void => {
    const until = now + duration;
    for (;;) {
      const due = [...nodes.values()]
        .filter((node) => !stopped.has(node))
        .map((node) => ({ node, at: node.leases.wake().at, event: { type: "wake" } as const }));
      const next = [...underWay, ...due].sort((left, right) => left.at - right.at)[0];
      if (next === undefined || next.at > until) break;
      now = Math.max(now + 0.1, next.at);
      if (next.event.type === "stored") underWay.splice(underWay.indexOf(next), 1);
      tell(next.node, next.event);
    }
    now = until;
  };
  const hear = (node: Node, peer: string, message: Message): void =>
    tell(node, { type: "frame", peer, bytes: encodeMessages([message]) });
  return {
    start,
    roster,
    want,
    link,
    linkAll,
    unlink,
    run,
    readLater,
    stop,
    goOn,
    tell,
    hear,
    rollOf: (node: Node) => node.leases.roll("site/x"),
  };
}

/** A voter that is the only one of its rolls, and what it answers to somebody who says what they are and asks it. */
export function voterAlone() {
  const { start, tell, link, hear, run } = bed();
  const voter = start(idOf("a"), 4096);
  const asker = start(idOf("b"), 4096, { memory: "other" });
  const [name, members] = ["site/x", [voter.id]];
  const site = { name, members, voters: members, founder: undefined, ended: 0, listenFor: 0 };
  tell(voter, { type: "electorates", electorates: [site], members: new Set([voter.id, asker.id]) });
  link(voter, asker);
  const voters = [{ id: voter.id, memory: "m" }];
  const answers: Message[] = [];
  asker.leases = {
    ...asker.leases,
    handle: (event) => {
      const read = event.type === "frame" ? decodeMessages(event.bytes) : undefined;
      if (read?.ok === true) answers.push(...read.value.filter(({ type }) => type === "answer"));
      return [];
    },
  };
  const electorate = "site/x";
  const memory = "other";
  const say = (founding: number, number: number): void =>
    hear(voter, asker.id, { type: "hello", electorate, memory, roll: { founding, number, voters } });
  const ask = (number: number, epoch: number): { readonly granted?: boolean; readonly clear?: boolean } => {
    const claims = [{ name: "n", epoch }];
    hear(voter, asker.id, { type: "ask", electorate, number, round: 1, memory, claims });
    const last = answers.at(-1);
    return last?.type === "answer" ? { granted: last.votes[0]?.granted ?? false, clear: last.clear } : {};
  };
  return { say, ask, run };
}
