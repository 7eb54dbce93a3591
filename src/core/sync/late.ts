import { between } from "../kernel/random.ts";
import { never, type Duration, type Instant } from "../kernel/time.ts";
import type { Version } from "../kernel/hybrid-clock.ts";
import type { LinkId } from "../membership/contract.ts";
import { logName } from "../records/log.ts";
import type { LogRef } from "./contract.ts";
import type { LogAt } from "./frames.ts";
import { roomOf } from "./budget.ts";
import { ask, headOf, refOf, type Step } from "./state.ts";

/**
 * News that peers told of and that did not come yet. When they are late, one of those peers is asked, then the next:
 * Plumtree's graft. How long news take is measured: where everybody has much to do they take longer, and whoever
 * asks for what is on its way gets it twice, which is more to do for everybody.
 */
export type Late = {
  /** By the name of the log. */
  readonly expected: Map<string, Expected>;
  /** Nothing is asked for before. */
  askAt: Instant;
  /** The longest that news took from the first word of them, and when that was. */
  longest: Duration;
  longestAt: Instant;
};

type Expected = {
  readonly log: LogRef;
  to: Version;
  since: Instant;
  askAt: Instant;
  /** Who told of it and was not asked yet. */
  readonly tellers: LinkId[];
};

/**
 * What we know that we lack has so long to come by itself, and longer where news lately took longer: what people write
 * and who belongs, and the facts of which one event makes many at once.
 */
const patienceMin: Duration = 120;
const patienceFacts: Duration = 400;
const patiencePerLongest = 2;
const patienceMax: Duration = 3_000;
/** A measured time counts half after so long. */
const halfAfter: Duration = 2_000;
/** Logs of which one peer may make us expect something. */
const toldMax = 10_000;

export const noneLate = (): Late => ({ expected: new Map(), askAt: never, longest: 0, longestAt: 0 });

/** The peer has news of this log. */
export function expectNews(step: Step, link: LinkId, log: LogAt): void {
  expect(step, link, log, between(step.env.random, 0.5, 1) * patience(step, log));
}

/** The peer sent something of this log, and has what comes before. */
export function expectGap(step: Step, link: LinkId, log: LogAt): void {
  expect(step, link, log, patience(step, log));
}

function expect(step: Step, link: LinkId, { at, ...log }: LogAt, after: Duration): void {
  const { state, env } = step;
  const { late } = state;
  const peer = state.peers.get(link);
  if (peer === undefined || peer.told >= toldMax) return;
  const name = logName(log);
  const askAt = env.now + after;
  const held = late.expected.get(name);
  late.askAt = Math.min(late.askAt, askAt);
  if (held === undefined) {
    peer.told++;
    late.expected.set(name, { log, to: at, since: env.now, askAt, tellers: [link] });
    return;
  }
  // What was expected has come: these are other news.
  if (headOf(step, log) >= held.to) [held.since, held.askAt] = [env.now, askAt];
  held.to = Math.max(held.to, at);
  if (held.tellers.includes(link)) return;
  if (held.tellers.length === 0) held.askAt = Math.min(held.askAt, askAt);
  peer.told++;
  held.tellers.push(link);
}

/** A push brought this, late or not, even where it was asked for meanwhile. */
export function pushed({ state, env }: Step, log: LogAt): void {
  const { late } = state;
  if (late.expected.size === 0) return;
  const held = late.expected.get(logName(log));
  if (held?.to !== log.at) return;
  const took = env.now - held.since;
  if (took > stillCounts(late, env.now)) [late.longest, late.longestAt] = [took, env.now];
}

/** Asks for what is late, and forgets what came. */
export function tendLate(step: Step): void {
  const { state, env } = step;
  const { late } = state;
  if (env.now < late.askAt) return;
  late.askAt = never;
  const questions = new Map<LinkId, LogAt[]>();
  for (const [name, held] of late.expected) {
    if (env.now >= held.askAt) {
      const at = headOf(step, held.log);
      const teller = at >= held.to ? undefined : nextTeller(step, held);
      if (at >= held.to || (teller === undefined && held.tellers.length === 0)) {
        forget(step, name, held);
        continue;
      }
      if (teller !== undefined)
        questions.set(teller, [...(questions.get(teller) ?? []), { ...refOf(held.log), at }]);
    }
    late.askAt = Math.min(late.askAt, held.askAt);
  }
  for (const [link, logs] of questions) {
    const peer = state.peers.get(link);
    if (peer === undefined) continue;
    peer.eager = true;
    ask(step, link, peer, logs, true);
  }
}

/** Takes the first teller that is still there and can be asked now. */
function nextTeller(step: Step, held: Expected): LinkId | undefined {
  const { state, env } = step;
  const { tellers } = held;
  let opensAt = never;
  let at = 0;
  for (let link = tellers[at]; link !== undefined; link = tellers[at]) {
    const peer = state.peers.get(link);
    if (peer !== undefined && roomOf(step, link, "control") <= 0) {
      opensAt = Math.min(opensAt, env.budget.opensAt(link, "control"));
      at++;
      continue;
    }
    tellers.splice(at, 1);
    if (peer === undefined) continue;
    peer.told--;
    // After the last one nobody is left to ask; what a push still brings shows how long news take.
    held.askAt = env.now + (tellers.length > 0 ? patience(step, held.log) : patienceMax);
    return link;
  }
  held.askAt = Math.max(env.now + 1, opensAt);
  return undefined;
}

function forget({ state }: Step, name: string, { tellers }: Expected): void {
  state.late.expected.delete(name);
  for (const link of tellers) {
    const peer = state.peers.get(link);
    if (peer !== undefined) peer.told--;
  }
}

function patience({ state, env }: Step, { kind }: LogRef): Duration {
  const usual = patiencePerLongest * stillCounts(state.late, env.now);
  return Math.min(patienceMax, Math.max(kind === "fact" ? patienceFacts : patienceMin, usual));
}

function stillCounts({ longest, longestAt }: Late, now: Instant): Duration {
  return longest * 0.5 ** ((now - longestAt) / halfAfter);
}
