import type { Finding, Gpu, Tier } from "./contract.ts";

const giga = 1e9;
/** Firmware and kernel keep a part of the memory that was bought. */
const forgiven = 0.9;

/**
 * The class of a machine, which workloads may ask for:
 *
 *     1   a GPU that computes, and at least 32 GB
 *     2   at least 8 GB
 *     3   everything else: embedded boxes
 *
 * A tenth of the memory is forgiven. Where it is from names the rule.
 */
export function tierOf(memoryBytes: number, gpus: readonly Gpu[]): Finding<Tier> {
  const size = `${Math.round(memoryBytes / 1e8) / 10} GB`;
  const computes = gpus.some((gpu) => gpu.computes);
  if (computes && memoryBytes >= forgiven * 32 * giga)
    return { value: 1, from: `rule 1: a GPU that computes, and ${size} of at least 32 GB` };
  const missing = computes
    ? `${size} are too little for tier 1`
    : "no GPU that computes, which tier 1 asks for";
  if (memoryBytes >= forgiven * 8 * giga)
    return { value: 2, from: `rule 2: ${size} of at least 8 GB; ${missing}` };
  return { value: 3, from: `rule 3: ${size} are less than 8 GB` };
}
