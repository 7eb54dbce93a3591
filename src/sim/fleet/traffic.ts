import { gather, gatherAll } from "../shard.ts";
import type { Fleet } from "./fleet.ts";

/** What nodes send, over each phase and in its busiest moments. */
export type Traffic = {
  /** Of each member: bytes of frames a second. */
  readonly meanBytesPerSecond: number;
  readonly p99BytesPerSecond: number;
  /** The most that one node sent over any window. */
  readonly mostBytesPerSecond: number;
};

export type Meter = {
  /** 9. The end of a window, in which no node may have sent more than so many bytes a second. */
  readonly sample: (bytesPerSecondMax: number) => void;
  /** The end of a phase: what was sent since the last one. All shards ask at the same time. */
  readonly read: () => Traffic;
};

export function meterTraffic({ world, members, shard }: Fleet): Meter {
  /** By host: whoever leaves goes on having sent. */
  const sentOf = (): number[] => world.everybody.map(({ host }) => world.network.sentBy(host));
  let atPhase = { at: world.now, sent: sentOf() };
  let atWindow = atPhase;
  let most = 0;
  const sample = (bytesPerSecondMax: number): void => {
    const next = { at: world.now, sent: sentOf() };
    const seconds = (next.at - atWindow.at) / 1_000;
    next.sent.forEach((bytes, host) => {
      const rate = (bytes - (atWindow.sent[host] ?? 0)) / seconds;
      most = Math.max(most, rate);
      if (rate > bytesPerSecondMax)
        world.violated(`9: ${world.machine(host).name} sent ${Math.round(rate)} bytes a second`);
    });
    atWindow = next;
  };
  const read = (): Traffic => {
    const seconds = (world.now - atPhase.at) / 1_000;
    const ours = [...members]
      .filter(({ isOurs }) => isOurs)
      .map(({ host }) => (world.network.sentBy(host) - (atPhase.sent[host] ?? 0)) / seconds);
    const rates = [...gatherAll(shard, ours)].sort((left, right) => left - right);
    const traffic = {
      meanBytesPerSecond: rates.reduce((sum, rate) => sum + rate, 0) / rates.length,
      p99BytesPerSecond: rates[Math.ceil(0.99 * rates.length) - 1] ?? 0,
      mostBytesPerSecond: Math.max(...gather(shard, most)),
    };
    atPhase = { at: world.now, sent: sentOf() };
    most = 0;
    return traffic;
  };
  return { sample, read };
}
