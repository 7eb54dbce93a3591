import { below, pick, type Random } from "../../../src/core/kernel/random.ts";
import type { Json } from "../../../src/core/kernel/json.ts";

/** Bytes that are almost right: one to three changes to a valid sample, or noise. */

const hugeVarints: readonly (readonly number[])[] = [
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0x80, 0x00],
  [0xff, 0xff, 0x03],
];
const edges = [0, 1, 2, 0x7f, 0x80, 0xfe, 0xff];

export function noise(random: Random, lengthMax = 300): Uint8Array {
  const bytes = new Uint8Array(below(random, lengthMax + 1));
  for (let at = 0; at < bytes.length; at++) bytes[at] = below(random, 256);
  return bytes;
}

/** @param others Valid samples to splice with. */
export function mutated(random: Random, sample: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  if (below(random, 20) === 0) return noise(random);
  let bytes = sample;
  for (let changes = 1 + below(random, 3); changes > 0; changes--) bytes = changeOne(random, bytes, others);
  return bytes;
}

function changeOne(random: Random, bytes: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  const at = below(random, bytes.length + 1);
  const copy = bytes.slice();
  switch (below(random, 10)) {
    case 0:
      if (at < copy.length) copy[at] = (copy[at] ?? 0) ^ (1 << below(random, 8));
      return copy;
    case 1:
      if (at < copy.length) copy[at] = pick(random, edges) ?? 0;
      return copy;
    case 2:
      return bytes.slice(0, at);
    case 3:
      return joined(bytes, noise(random, 40));
    case 4: {
      const other = pick(random, others) ?? bytes;
      return joined(bytes.subarray(0, at), other.subarray(below(random, other.length + 1)));
    }
    case 5: {
      const run = Uint8Array.from(pick(random, hugeVarints) ?? []);
      return joined(bytes.subarray(0, at), run, bytes.subarray(at + below(random, 2)));
    }
    case 6:
      return joined(bytes.subarray(0, at), bytes.subarray(at + 1 + below(random, 8)));
    case 7: {
      const end = Math.min(bytes.length, at + 1 + below(random, 64));
      return joined(bytes.subarray(0, end), bytes.subarray(at));
    }
    case 8:
      // An integer in one byte more than it needs.
      return joined(bytes.subarray(0, at), [(bytes[at] ?? 0) | 0x80, 0], bytes.subarray(at + 1));
    default: {
      const other = pick(random, others) ?? bytes;
      const from = below(random, other.length + 1);
      const run = other.subarray(from, from + 1 + below(random, 32));
      return joined(bytes.subarray(0, at), run, bytes.subarray(at + run.length));
    }
  }
}

function joined(...parts: readonly ArrayLike<number>[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const oddities: readonly (() => Json)[] = [
  () => null,
  () => true,
  () => -1,
  () => 2 ** 53,
  () => 1.5,
  () => "",
  () => "x".repeat(3_000),
  () => "a\ud800",
  () => [],
  () => ({}),
  () => Array.from({ length: 300 }, (_, at) => at),
  () => JSON.parse('{"__proto__":{"a":1},"constructor":1}') as Json,
  () => JSON.parse(`${"[".repeat(80)}${"]".repeat(80)}`) as Json,
  () => Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`k${at}`, at])),
];

/** JSON in which one value, somewhere, is another one, is missing, or has a neighbour. */
export function mutatedJson(random: Random, value: Json): Json {
  const odd = (): Json => pick(random, oddities)?.() ?? null;
  const descend = (value: Json): Json => {
    const inner = typeof value === "object" && value !== null && below(random, 6) > 0;
    if (!inner) return odd();
    if (Array.isArray(value)) {
      const list = [...(value as readonly Json[])];
      const at = below(random, list.length + 1);
      const held = list[at];
      if (held === undefined || below(random, 6) === 0) list.splice(at, below(random, 2), odd());
      else list[at] = descend(held);
      return list;
    }
    const entries = Object.entries(value as { readonly [key: string]: Json });
    const at = below(random, entries.length + 1);
    const [key, held] = entries[at] ?? [String(odd()).slice(0, 40), null];
    if (below(random, 6) === 0) entries.splice(at, 1);
    else entries[at] = [key, descend(held)];
    return Object.fromEntries(entries);
  };
  return descend(value);
}
