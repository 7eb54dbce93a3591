import { memoryBytes } from "../../core/intents/quantity.ts";
import { err, ok, type Result } from "../../core/kernel/result.ts";
import type { Capabilities, Finding, Gpu } from "./contract.ts";
import { tierOf } from "./tier.ts";

/**
 * What the operator knows better than the kernel: `name=value`, in the setting `capabilities`. A satellite
 * modem looks like Ethernet, a telephone like a card, and a lent GPU is not ours to give.
 */

export type Measured = Omit<Capabilities, "tier">;

type Rule = {
  /** Says what is allowed, after "must be". */
  readonly allowed: string;
  /** What changes; undefined when the text is not a value. */
  readonly read: (text: string) => ((found: Measured) => Partial<Measured>) | undefined;
};

const setting = "the setting capabilities";
const by = <T>(value: T): Finding<T> => ({ value, from: setting });

function choice<T extends string>(
  choices: readonly T[],
  change: (value: T, found: Measured) => Partial<Measured>,
): Rule {
  return {
    allowed: choices.join(", "),
    read: (text) => {
      const value = choices.find((candidate) => candidate === text);
      return value === undefined ? undefined : (found) => change(value, found);
    },
  };
}

const room = (found: Measured, change: { totalBytes?: number; rotational?: boolean }): Partial<Measured> => {
  const held = found.disk.value ?? { totalBytes: 0, freeBytes: 0, rotational: undefined };
  const disk = { ...held, ...change };
  return { disk: by({ ...disk, freeBytes: Math.min(disk.freeBytes, disk.totalBytes) }) };
};

const rules: { readonly [name: string]: Rule } = {
  cpu: {
    allowed: "a number of cores from 1 to 4096",
    read: (text) => {
      const cores = wholeNumber(text, 1, 4_096);
      return cores === undefined ? undefined : ({ cpu }) => ({ cpu: by({ ...cpu.value, cores }) });
    },
  },
  memory: {
    allowed: "an amount such as 16Gi",
    read: (text) => {
      const bytes = amount(text);
      return bytes === undefined ? undefined : () => ({ memoryBytes: by(bytes) });
    },
  },
  gpu: {
    allowed: "none, or vendor:number such as nvidia:2 or amd:1",
    read: (text) => {
      if (text === "none") return () => ({ gpus: by([]) });
      const [, vendor, count] = /^(nvidia|amd):(\d{1,2})$/.exec(text) ?? [];
      const wanted = count === undefined ? undefined : wholeNumber(count, 1, 64);
      if (wanted === undefined) return undefined;
      return ({ gpus }) => {
        const held = gpus.value.find((gpu) => gpu.vendor === vendor);
        const blank = { vendor: vendor as "nvidia" | "amd", product: "", memoryMiB: undefined };
        const gpu: Gpu = { ...(held ?? blank), computes: true };
        return { gpus: by(Array.from({ length: wanted }, () => gpu)) };
      };
    },
  },
  storage: {
    allowed: "an amount such as 200Gi",
    read: (text) => {
      const totalBytes = amount(text);
      return totalBytes === undefined ? undefined : (found) => room(found, { totalBytes });
    },
  },
  disk: choice(["ssd", "hdd"], (kind, found) => room(found, { rotational: kind === "hdd" })),
  engines: {
    allowed: "none, or names joined by + such as docker+runc",
    read: (text) => {
      if (text === "none") return () => ({ engines: by([]) });
      const names = text.split("+");
      const sound = names.length <= 8 && names.every((name) => /^[a-z][a-z0-9-]{0,31}$/.test(name));
      return sound ? () => ({ engines: by([...new Set(names)].sort()) }) : undefined;
    },
  },
  tpm: choice(["none", "1.2", "2.0"], (tpm) => ({ tpm: by(tpm) })),
  network: choice(["ethernet", "wifi", "cellular", "satellite", "unknown"], (kind) => ({
    network: by({ class: kind, metered: kind === "cellular" || kind === "satellite" }),
  })),
  metered: choice(["true", "false"], (metered, { network }) => ({
    network: by({ class: network.value.class, metered: metered === "true" }),
  })),
  power: choice(["mains", "battery", "unknown"], (source, { power }) => ({
    power: by({ source, batteryPercent: power.value.batteryPercent }),
  })),
  model: {
    allowed: "a text of 1 to 128 characters",
    read: (text) => (text !== "" && text.length <= 128 ? () => ({ model: by(text) }) : undefined),
  },
};

/** One override; an error names what is wrong and what is allowed. */
export function parseOverride(text: string): Result<(found: Measured) => Partial<Measured>, string> {
  const at = text.indexOf("=");
  const name = at < 0 ? text : text.slice(0, at);
  const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
  if (at < 0 || rule === undefined) {
    return err(`must be name=value, with one of the names ${Object.keys(rules).join(", ")}`);
  }
  const change = rule.read(text.slice(at + 1));
  return change === undefined ? err(`${name} must be ${rule.allowed}`) : ok(change);
}

/**
 * What was measured, corrected by the operator, and the tier that follows from it.
 *
 * @param tier The operator's; it wins over the rules.
 */
export function corrected(
  found: Measured,
  overrides: readonly string[],
  tier: Capabilities["tier"]["value"] | undefined,
): Capabilities {
  // `network` sets what is usual for the class; `metered` has the last word, wherever it stands.
  const ordered = [...overrides].sort(
    (a, b) => Number(a.startsWith("metered=")) - Number(b.startsWith("metered=")),
  );
  const measured = ordered.reduce(
    (held: Measured, text) => {
      const change = parseOverride(text);
      return change.ok ? Object.assign(held, change.value(held)) : held;
    },
    Object.assign({}, found),
  );
  const derived = tierOf(measured.memoryBytes.value, measured.gpus.value);
  return { ...measured, tier: tier === undefined ? derived : { value: tier, from: "the setting tier" } };
}

function wholeNumber(text: string, min: number, max: number): number | undefined {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  return value >= min && value <= max ? value : undefined;
}

function amount(text: string): number | undefined {
  const bytes = memoryBytes(text);
  return bytes !== undefined && bytes > 0 ? bytes : undefined;
}
