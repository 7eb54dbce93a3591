import assert from "node:assert/strict";
import { hex } from "../../../src/core/kernel/bytes.ts";
import { below, pick, type Random } from "../../../src/core/kernel/random.ts";
import { createBed, idOf, type Bed, type Entry, type Node } from "../../../src/core/sync/testbed.ts";
import { mutated } from "./mutate.ts";

/**
 * Three nodes that exchange state; one of them says whatever the fuzzer makes up. The others must answer
 * within bounds, and be in step with each other once it is gone. Records that nobody wrote are refused, as
 * a wrong signature would have it.
 */
export type Live = {
  /** Delivers one frame; true when it was not a protocol error. */
  readonly inject: (random: Random) => boolean;
  /** The liar leaves: the honest ones find each other in step, with all they wrote. */
  readonly settle: () => void;
};

/** What one frame may make a node send: a window of records, a run of symbols, a list of logs. */
const answerBytesMax = 2 * 1024 * 1024;

export function createLive(random: Random): Live {
  const bed = createBed();
  const [liar, honest, other] = [1, 2, 3].map((number) => bed.node(idOf(number)));
  assert.ok(liar !== undefined && honest !== undefined && other !== undefined);
  const written = new Set<string>();
  let made = 0;
  const write = (node: Node, count: number): void => {
    const entries = Array.from({ length: count }, (): Entry => {
      const number = made++;
      return { key: `node/${node.id}/pod/${number % 40}`, body: { number, text: "x".repeat(number % 70) } };
    });
    for (const { hash } of node.write(entries)) written.add(hex(hash));
  };
  const said = capture(bed, liar);
  bed.admits = (record) => written.has(hex(record.hash));
  bed.link(liar, honest);
  bed.link(honest, other);
  for (const node of [liar, honest, other]) write(node, 30);
  bed.run(8_000);
  return {
    inject: (random) => {
      if (below(random, 40) === 0) write(pick(random, [liar, honest, other]) ?? liar, 1 + below(random, 3));
      const bytes = mutated(random, pick(random, said) ?? new Uint8Array(0), said);
      const effects = honest.inject(liar, bytes);
      let answer = 0;
      for (const effect of effects) if (effect.type === "send") answer += effect.bytes.length;
      assert.ok(answer <= answerBytesMax, `an answer of ${answer} bytes`);
      if (below(random, 4) === 0) bed.run(below(random, 100));
      const broke = honest.errors.length > 0;
      honest.errors.length = 0;
      // A frame that cannot be read ends the link; the liar comes back.
      if (broke || below(random, 200) === 0) {
        bed.cut(liar, honest);
        bed.link(liar, honest);
      }
      return !broke;
    },
    settle: () => {
      bed.cut(liar, honest);
      bed.run(60_000);
      assert.equal(honest.digest(), other.digest(), "the honest nodes are not in step");
      assert.ok(honest.inStep(other) && other.inStep(honest));
      assert.deepEqual(other.errors, [], "a frame was passed on that cannot be read");
      assert.ok(honest.store.bySlot.size <= 120, `${honest.store.bySlot.size} records`);
      // Of three authors, three classes and three scopes; not of authors that the liar made up.
      assert.ok(honest.store.logs.size <= 27, `${honest.store.logs.size} logs`);
    },
  };

  /** Every frame that a node sends from now on, of each type some. */
  function capture(from: Bed, node: Node): Uint8Array[] {
    const samples: Uint8Array[] = [...samplesOfTypes];
    from.drop = (sender, _to, bytes) => {
      if (sender === node && bytes.length < 20_000) {
        if (samples.length < 200) samples.push(bytes);
        else samples[samplesOfTypes.length + below(random, 200 - samplesOfTypes.length)] = bytes;
      }
      return false;
    };
    return samples;
  }
}

let samplesOfTypes: readonly Uint8Array[] = [];

/** Frames of the types that a quiet exchange does not bring about. */
export function useSamples(samples: readonly Uint8Array[]): void {
  samplesOfTypes = samples;
}
