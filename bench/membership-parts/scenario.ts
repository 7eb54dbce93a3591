import { comesTrue, sleep, type Cluster, type Member } from "./cluster.ts";
import { halve, idleCost, keepCoresBusy, type Cost } from "./cost.ts";

/** The same life for both: updates, deaths, a cut, idle, busy cores. All times in ms. */
export type Figures = {
  readonly idle: Cost;
  readonly updates: readonly number[];
  /** From `kill -9` until the last of the others no longer holds it for alive. */
  readonly kills: readonly number[];
  /** The same until the last has seen enough to hold it for dead; none where there is no such word. */
  readonly deaths: readonly number[];
  /** The same from a pulled cable: no FIN, no refusal. */
  readonly silences: readonly number[];
  /** From the end of each cut into halves until everybody holds everybody for alive. */
  readonly heals: readonly number[];
  /** Verdicts against agents that ran, while all cores were busy. */
  readonly falseVerdicts: number;
};

export type Lengths = {
  readonly idleSeconds: number;
  readonly rounds: number;
  readonly updates: number;
  readonly cutSeconds: number;
  readonly busySeconds: number;
};

const limitMs = 120_000;
/** Until then those who were apart still tell each other what happened meanwhile. */
const afterHealMs = 60_000;

export async function live(
  cluster: Cluster,
  lengths: Lengths,
  progress: (line: string) => void,
): Promise<Figures> {
  const quietAt = Date.now() + cluster.settledAfterMs;
  await sleep(10_000);
  progress(`${lengths.updates} updates`);
  const updates = await cluster.update(lengths.updates);
  const kills: number[] = [];
  const deaths: number[] = [];
  const silences: number[] = [];
  for (let round = 0; round < lengths.rounds; round++) {
    const victim = cluster.members[1 + round] as Member;
    progress(`kill -9, ${round + 1} of ${lengths.rounds}`);
    const from = Date.now();
    kills.push(await lossOf(cluster, victim, () => cluster.kill(victim)));
    await sleep(3_000);
    cluster.beliefs.look();
    const dead = cluster.beliefs.heldSo(victim.name, "dead", from);
    if (dead.size === cluster.members.length - 1) deaths.push(Math.max(...dead.values()) - from);
    await cluster.start(victim);
    await backTogether(cluster);
    await sleep(3_000);
  }
  for (let round = 0; round < lengths.rounds; round++) {
    const victim = cluster.members[cluster.members.length - 1 - round] as Member;
    progress(`a cable is pulled, ${round + 1} of ${lengths.rounds}`);
    silences.push(await lossOf(cluster, victim, () => cluster.topology.cutHost(victim.host)));
    cluster.topology.healHost(victim.host);
    await backTogether(cluster);
    await sleep(3_000);
  }
  const halves = halve(cluster);
  await backTogether(cluster);
  const heals: number[] = [];
  for (let round = 0; round < lengths.rounds; round++) {
    progress(`cut into halves for ${lengths.cutSeconds} s, ${round + 1} of ${lengths.rounds}`);
    halves.part();
    await sleep(lengths.cutSeconds * 1_000);
    const healedAt = Date.now();
    halves.join();
    heals.push(await backTogether(cluster, healedAt));
  }
  await sleep(Math.max(afterHealMs, quietAt - Date.now()));
  progress(`idle for ${lengths.idleSeconds} s`);
  const idle = await idleCost(cluster, lengths.idleSeconds);
  progress(`all cores busy for ${lengths.busySeconds} s`);
  const relax = keepCoresBusy();
  const busySince = Date.now();
  await sleep(lengths.busySeconds * 1_000);
  cluster.beliefs.look();
  const falseVerdicts = cluster.beliefs.losses(busySince);
  relax();
  return { idle, updates, kills, deaths, silences, heals, falseVerdicts };
}

async function lossOf({ beliefs, members }: Cluster, victim: Member, strike: () => void): Promise<number> {
  const from = Date.now();
  strike();
  const known = (): readonly number[] => [
    ...new Map([
      ...beliefs.heldSo(victim.name, "dead", from),
      ...beliefs.heldSo(victim.name, "lost", from),
    ]).values(),
  ];
  const all = await comesTrue(limitMs, () => {
    beliefs.look();
    return known().length >= members.length - 1;
  });
  return all ? Math.max(...known()) - from : Number.POSITIVE_INFINITY;
}

/** ms since `from` until the last changed its mind; infinite when some never do. */
async function backTogether({ beliefs }: Cluster, from = Date.now()): Promise<number> {
  let agreed = 0;
  const all = await comesTrue(limitMs, () => {
    beliefs.look();
    if (beliefs.lost().length > 0) agreed = 0;
    else if (agreed === 0) agreed = Date.now();
    // It must last: half of the bad news may still be on its way.
    return agreed > 0 && Date.now() > agreed + 1_000;
  });
  return all ? Math.max(0, beliefs.lastChange() - from) : Number.POSITIVE_INFINITY;
}
