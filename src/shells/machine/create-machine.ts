import { readCpu } from "./cpu.ts";
import type { Capabilities, Finding, Gpu, MachineHost, Tier } from "./contract.ts";
import { readDisk } from "./disk.ts";
import { nvidiaDevices, nvidiaTool, parseNvidia, readGpus, readPci } from "./gpu.ts";
import { readNetwork } from "./network.ts";
import { corrected } from "./overrides.ts";
import { steadyPercent } from "./steady.ts";
import { readEngines, readModel, readOs, readPower, readTpm } from "./surroundings.ts";
import { pairsOf } from "./files.ts";

export type MachineOptions = {
  readonly host: MachineHost;
  /** The folder whose disk counts. */
  readonly folder: string;
  /** See overrides.ts; what is not sound is left out. */
  readonly overrides: readonly string[];
  readonly tier: Tier | undefined;
};

/** What a machine is. Reading it again is cheap: some thirty small files, and no other program. */
export type Machine = {
  readonly look: () => Capabilities;
  /**
   * Asks NVIDIA's tool, which takes up to seconds and wakes the card: only when the devices are others than
   * when it was asked last. True when the next look will tell something new.
   */
  readonly ask: () => Promise<boolean>;
};

export function createMachine({ host, folder, overrides, tier }: MachineOptions): Machine {
  let told: readonly Gpu[] | undefined;
  let askedFor = "";
  let battery: number | undefined;
  // What only a restart of the machine changes.
  const fixed = {
    architecture: { value: host.architecture, from: "the program that runs" },
    kernel: { value: host.kernel, from: "uname" },
    os: readOs(host),
    model: readModel(host),
    cpu: readCpu(host),
  };
  return {
    look: () => {
      const power = readPower(host);
      battery = steadyPercent(battery, power.value.batteryPercent);
      const measured = {
        ...fixed,
        memoryBytes: readMemory(host),
        gpus: readGpus(host, told),
        pci: readPci(host),
        disk: readDisk(host, folder),
        engines: readEngines(host),
        tpm: readTpm(host),
        network: readNetwork(host),
        power: { ...power, value: { ...power.value, batteryPercent: battery } },
      };
      return corrected(measured, overrides, tier);
    },
    ask: async () => {
      const devices = nvidiaDevices(host.files).join(" ");
      if (devices === askedFor) return false;
      askedFor = devices;
      const before = JSON.stringify(told);
      told = devices === "" ? undefined : await askNvidia(host);
      return JSON.stringify(told) !== before;
    },
  };
}

async function askNvidia(host: MachineHost): Promise<readonly Gpu[] | undefined> {
  try {
    const gpus = parseNvidia(await host.run(nvidiaTool.command, nvidiaTool.args));
    return gpus.length === 0 ? undefined : gpus;
  } catch {
    // Not installed, or the driver is in trouble: the driver's files have to do.
    return undefined;
  }
}

function readMemory({ files, limits }: MachineHost): Finding<number> {
  const path = "/proc/meminfo";
  const kib = /^(\d{1,12}) kB$/.exec(pairsOf(files.text(path) ?? "", ":").get("MemTotal") ?? "")?.[1];
  const total = kib === undefined ? Number.POSITIVE_INFINITY : Number(kib) * 1024;
  const allowed = limits?.().memoryBytes ?? total;
  if (total <= allowed && total !== Number.POSITIVE_INFINITY) return { value: total, from: path };
  const from = total === Number.POSITIVE_INFINITY ? "the operating system" : "the control group's limit";
  return { value: Number.isFinite(allowed) ? allowed : 0, from };
}
