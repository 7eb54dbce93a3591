import type { Json } from "../kernel/json.ts";
import type { Duration } from "../kernel/time.ts";

/**
 * Kubernetes quantities: a decimal number with a suffix (`m`, `k`, `Mi`, ...) or an exponent (`2e3`).
 * The arithmetic is exact; only the result is rounded, upwards as Kubernetes does.
 * (kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity)
 */
export function quantityIn(value: Json | undefined, unit: "milli" | "one"): number | undefined {
  if (typeof value !== "string" && typeof value !== "number") return undefined;
  const parts = /^([+-]?)(\d{1,30})?(?:\.(\d{0,30}))?(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d{1,2}))?$/.exec(
    String(value),
  );
  if (parts === null) return undefined;
  const [, sign, whole = "", fraction = "", suffix = "", exponent = "0"] = parts;
  if (whole === "" && fraction === "") return undefined;
  let numerator = BigInt(whole + fraction);
  let denominator = 10n ** BigInt(fraction.length);
  const power = Number(exponent) + (decimalPower[suffix] ?? 0) + (unit === "milli" ? 3 : 0);
  if (power >= 0) numerator *= 10n ** BigInt(power);
  else denominator *= 10n ** BigInt(-power);
  numerator *= 1024n ** BigInt(binaryPower[suffix] ?? 0);
  const rounded = (numerator + denominator - 1n) / denominator;
  const amount = Number(rounded);
  if (!Number.isSafeInteger(amount)) return undefined;
  return sign === "-" ? -amount : amount;
}

/** Thousandths of a core; undefined when it is not a quantity. */
export const cpuMilli = (value: Json | undefined): number | undefined => quantityIn(value, "milli");

/** Bytes; undefined when it is not a quantity. */
export const memoryBytes = (value: Json | undefined): number | undefined => quantityIn(value, "one");

const decimalPower: { readonly [suffix: string]: number } = {
  n: -9,
  u: -6,
  m: -3,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
const binaryPower: { readonly [suffix: string]: number } = { Ki: 1, Mi: 2, Gi: 3, Ti: 4, Pi: 5, Ei: 6 };

/** A Go duration such as `10s`, `1m30s`, `500ms` in whole milliseconds; undefined when it is none. */
export function parseDuration(text: string): Duration | undefined {
  if (text.length > 40 || !/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
    total += Number(amount) * (unitMs[unit ?? ""] ?? 0);
  }
  const rounded = Math.round(total);
  return Number.isSafeInteger(rounded) ? rounded : undefined;
}

const unitMs: { readonly [unit: string]: number } = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
