import { between } from "../kernel/random.ts";
import { never, type Duration, type Instant } from "../kernel/time.ts";
import type { LinkId } from "../membership/contract.ts";
import { isMetered } from "../records/link-class.ts";
import { statusKey } from "../records/keys.ts";
import { logName } from "../records/log.ts";
import { slotOf, type MeshRecord } from "../records/record.ts";
import type { Seal } from "../records/record.ts";
import type { Cover } from "./contract.ts";
import { roomOf } from "./budget.ts";
import { encodeFrame, logsMax, type LogAt } from "./frames.ts";
import { expectGap, expectNews, pushed } from "./late.ts";
import {
  headOf,
  isKnown,
  isShared,
  lengthOf,
  refOf,
  send,
  sendBytes,
  type Peer,
  type Step,
} from "./state.ts";

/**
 * Fresh records on their way to everybody: pushed along a spanning tree that builds itself, announced on
 * all other links, asked for where an announcement was not followed by the record. Plumtree: Leitao,
 * Pereira, Rodrigues, "Epidemic Broadcast Trees" (SRDS 2007).
 */

/**
 * Announcements wait at most so long for company, and for the news to be everywhere: of what people write, and of who
 * belongs; of facts; of facts that the peer has from their author itself; on a link that nobody waits for.
 */
const announceUrgentAfter: Duration = 200;
const announceAfter: Duration = 500;
const announceServedAfter: Duration = 2_000;
const announceSpareAfter: Duration = 10_000;

/** Facts of others that came so soon after one another go on in one push, less what comes from there meanwhile. */
const onwardAfter: Duration = 20;

/** Facts that go on together, each with the links whose other end has it. */
export type Onward = {
  readonly bySlot: Map<string, { readonly record: MeshRecord; readonly holders: Set<LinkId> }>;
  at: Instant;
};

export const noneOnward = (): Onward => ({ bySlot: new Map(), at: never });

/** Records that are new here, on to those who may lack them. */
export function spread(step: Step, records: readonly MeshRecord[], from: LinkId | undefined): void {
  const { onward } = step.state;
  const atOnce = records.filter(({ kind }) => from === undefined || kind !== "fact");
  if (atOnce.length > 0) passOn(step, atOnce, (link) => link === from);
  if (from === undefined) return;
  for (const record of records) {
    if (record.kind !== "fact") continue;
    onward.bySlot.set(slotOf(record), { record, holders: new Set([from]) });
    onward.at = Math.min(onward.at, step.env.now + onwardAfter);
  }
}

export function spreadOnward(step: Step): void {
  const { onward } = step.state;
  if (step.env.now < onward.at) return;
  const { bySlot } = onward;
  step.state.onward = noneOnward();
  const holdersOf = new Map([...bySlot.values()].map(({ record, holders }) => [record, holders]));
  passOn(step, [...holdersOf.keys()], (link, record) => holdersOf.get(record)?.has(link) === true);
}

/**
 * Our own go out on every link: nobody else can be earlier. Those of others are not pushed to whom their author has a
 * link with itself, so where everybody is linked with everybody each record takes one hop and crosses once, and no
 * tree is needed. On a spare link nothing is pushed.
 */
function passOn(
  step: Step,
  records: readonly MeshRecord[],
  has: (link: LinkId, record: MeshRecord) => boolean,
): void {
  const { env, state } = step;
  const made: Push[] = [];
  for (const [link, peer] of state.peers) {
    const metered = isMetered(env.linkClass(peer.id));
    const fresh = records.filter(
      (record) =>
        record.live &&
        isShared(peer, record.scope) &&
        !has(link, record) &&
        !(metered && mayWait(step, record)),
    );
    const pushed: MeshRecord[] = [];
    const announced: MeshRecord[] = [];
    const spare = env.isSpare(peer.id);
    let bytes = 0;
    let wait = spare ? announceSpareAfter : announceServedAfter;
    for (const parcel of parcelsOf(fresh)) {
      const [{ author, kind }] = parcel;
      const own = author === state.config.self;
      // The first comparison on a link brings what others wrote, where both do not have it already.
      if (!own && !peer.compared) continue;
      const served = own || !env.linkedTo(author).includes(peer.id);
      const length = lengthOf(parcel);
      const fits = bytes + length <= roomOf(step, link, kind);
      const pushes = fits && !spare && (own || (served && peer.eager));
      (pushes ? pushed : announced).push(...parcel);
      if (pushes) bytes += length;
      else if (!spare && (served || kind !== "fact"))
        wait = Math.min(wait, kind === "fact" ? announceAfter : announceUrgentAfter);
    }
    if (pushed.length > 0) push(step, link, peer, pushed, made);
    if (announced.length > 0) owe(step, peer, announced, wait);
  }
}

/** A frame of fresh records; most peers lack the same of them. */
type Push = { readonly records: readonly MeshRecord[]; readonly bytes: Uint8Array };

function push(step: Step, link: LinkId, peer: Peer, records: readonly MeshRecord[], made: Push[]): void {
  const known = made.find((each) => isSame(each.records, records));
  const bytes =
    known?.bytes ??
    encodeFrame({ type: "records", mode: "push", records, covers: coversOf(step, records) }, step.env.crypto);
  if (known === undefined) made.push({ records, bytes });
  peer.sent += records.length;
  sendBytes(step, link, bytes);
}

const isSame = (left: readonly MeshRecord[], right: readonly MeshRecord[]): boolean =>
  left.length === right.length && left.every((record, at) => record === right[at]);

/** What was written together is pushed together or not at all: what a push covers is the parcel. */
function parcelsOf(records: readonly MeshRecord[]): (readonly [MeshRecord, ...MeshRecord[]])[] {
  const parcels = new Map<Seal | MeshRecord, [MeshRecord, ...MeshRecord[]]>();
  for (const record of records) {
    const held = parcels.get(record.seal ?? record);
    if (held === undefined) parcels.set(record.seal ?? record, [record]);
    else held.push(record);
  }
  return [...parcels.values()];
}

/** Facts wait for the next comparison on a metered link; only what a node is, and its link, is told at once. */
function mayWait({ state }: Step, { kind, key, author }: MeshRecord): boolean {
  return kind === "fact" && !(author === state.config.self && key === statusKey(author));
}

/** A push came in: what it shows of gaps, and whether this link carries news at all. */
export function pushArrived(
  step: Step,
  link: LinkId,
  peer: Peer,
  records: readonly MeshRecord[],
  covers: readonly Cover[],
): void {
  for (const cover of covers) {
    if (cover.from > headOf(step, cover)) expectGap(step, link, { ...refOf(cover), at: cover.to });
  }
  for (const record of records) {
    const log = { ...refOf(record), at: record.version };
    forgive(peer, log);
    pushed(step, log);
    const waiting = step.state.onward.bySlot.get(slotOf(record));
    if (waiting !== undefined && waiting.record.version <= record.version) waiting.holders.add(link);
  }
  const stale = records.length > 0 && records.every((record) => isKnown(step, record, slotOf(record)));
  // What an author says itself comes on its link whether that is of the tree or not.
  if (!stale || !peer.eager || records.some(({ author }) => author === peer.id)) return;
  if (step.env.isLargeSite() && leavesTooFew(step, peer)) return;
  peer.eager = false;
  send(step, link, { type: "prune" });
}

/**
 * One tree for all authors is pruned by each of them where its own links and those of others meet, so in a large site,
 * where most are no neighbours of an author, it falls to pieces. Some more links keep it whole.
 */
function leavesTooFew({ state, env }: Step, without: Peer): boolean {
  if (without.place.site !== env.place.site) return false;
  let left = 0;
  for (const peer of state.peers.values())
    if (peer !== without && peer.eager && peer.place.site === env.place.site && !env.isSpare(peer.id)) left++;
  return left < eagerLeast;
}
const eagerLeast = 3;

export function haveArrived(step: Step, link: LinkId, peer: Peer, logs: readonly LogAt[]): void {
  for (const log of logs) {
    forgive(peer, log);
    if (isShared(peer, log.scope) && headOf(step, log) < log.at) expectNews(step, link, log);
  }
}

/** Whoever hears of news asks for them, so only what there is room to send is announced. */
export function announce(step: Step, link: LinkId, peer: Peer): void {
  const { now, budget } = step.env;
  if (peer.owed.size === 0 || now < peer.announceAt) return;
  peer.announceAt = Number.POSITIVE_INFINITY;
  const logs: LogAt[] = [];
  for (const [name, log] of peer.owed) {
    if (logs.length === logsMax) peer.announceAt = now + 1;
    else if (roomOf(step, link, log.kind) > 0) {
      logs.push(log);
      peer.owed.delete(name);
    } else {
      const opensAt = Math.max(now + 1, budget.opensAt(link, log.kind));
      peer.announceAt = Math.min(peer.announceAt, opensAt);
    }
  }
  if (logs.length > 0) send(step, link, { type: "have", logs });
}

/** What the parcels of these records cover, as far as we hold their logs without a gap. */
function coversOf(step: Step, records: readonly MeshRecord[]): Cover[] {
  const covers = new Map<Seal, Cover>();
  for (const record of records) {
    const { seal } = record;
    if (seal === undefined || covers.has(seal) || headOf(step, record) < seal.last) continue;
    covers.set(seal, { ...refOf(record), from: seal.previous, to: seal.last });
  }
  return [...covers.values()];
}

/**
 * Not at one moment with others that heard of the same: whoever is told needs not tell it back. Facts never sooner:
 * where islands meet many are on their way, and who is told of them asks for what is coming anyway.
 */
function owe({ env }: Step, peer: Peer, records: readonly MeshRecord[], most: Duration): void {
  const wait = most === announceAfter ? most : between(env.random, most / 2, most);
  peer.announceAt = Math.min(peer.owed.size === 0 ? never : peer.announceAt, env.now + wait);
  for (const record of records) {
    const name = logName(record);
    const at = Math.max(peer.owed.get(name)?.at ?? 0, record.version);
    peer.owed.set(name, { ...refOf(record), at });
  }
}

/** The peer has that itself. */
function forgive(peer: Peer, log: LogAt): void {
  if (peer.owed.size === 0) return;
  const name = logName(log);
  if ((peer.owed.get(name)?.at ?? never) <= log.at) peer.owed.delete(name);
}
