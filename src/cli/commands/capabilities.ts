import { loadConfig } from "../../app/config.ts";
import { tierSetting, uplinkOf } from "../../app/measure.ts";
import type { Capabilities } from "../../shells/machine/contract.ts";
import { createMachine } from "../../shells/machine/create-machine.ts";
import { extendedResources, labelsOf } from "../../shells/machine/labels.ts";
import { thisMachine } from "../../shells/machine/this-machine.ts";
import { formatOf, print, printable, printValue, table } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

/** Measures this machine as its agent would, with the settings of the data folder; no agent is needed. */
export async function action(
  options: { readonly output?: string },
  _args: string[],
  { data }: GlobalOptions,
): Promise<void> {
  const { config, origins } = await loadConfig({ directory: data, env: process.env });
  const machine = createMachine({
    host: thisMachine(),
    folder: data,
    overrides: config.capabilities,
    tier: tierSetting(config),
  });
  await machine.ask();
  const found = machine.look();
  const uplink =
    config.uplink === "auto"
      ? { value: uplinkOf(found), from: "the network, as uplink is auto" }
      : { value: config.uplink, from: `the setting uplink (${origins.uplink.type})` };
  const labels = labelsOf(found);
  const resources = extendedResources(found);
  if (await printValue({ ...found, uplink, labels, resources }, formatOf(options.output))) return;
  const rows = Object.entries(shown(found)).map(([name, value]) => {
    const { from } = found[name as keyof Capabilities];
    return [name, printable(value) || "-", printable(from)];
  });
  print(table(["What", "Value", "From"], [...rows, ["uplink", uplink.value, uplink.from]]));
  print(
    `\n${Object.entries({ ...labels, ...resources })
      .map(([name, value]) => `${name}=${value}`)
      .join("\n")}`,
  );
}

const gb = (bytes: number): string => `${Math.round(bytes / 1e8) / 10} GB`;

function shown(found: Capabilities): { readonly [name in keyof Capabilities]: string } {
  const { cpu, os, disk, gpus, network, power } = found;
  const { totalBytes, freeBytes, rotational } = disk.value ?? { totalBytes: 0, freeBytes: 0 };
  const spin = rotational === undefined ? "" : rotational ? ", spinning" : ", not spinning";
  const battery = power.value.batteryPercent;
  return {
    tier: String(found.tier.value),
    architecture: found.architecture.value,
    kernel: found.kernel.value,
    os: os.value.name,
    model: found.model.value,
    cpu: `${cpu.value.cores} x ${cpu.value.name || "processor"}`,
    memoryBytes: gb(found.memoryBytes.value),
    gpus: gpus.value
      .map(({ vendor, product, memoryMiB, computes }) => {
        const memory = memoryMiB === undefined ? "" : `, ${memoryMiB} MiB`;
        return `${product || vendor}${memory}${computes ? "" : " (screen only)"}`;
      })
      .join("; "),
    pci: found.pci.value.join(", "),
    disk: disk.value === undefined ? "" : `${gb(freeBytes)} free of ${gb(totalBytes)}${spin}`,
    engines: found.engines.value.join(", "),
    tpm: found.tpm.value,
    network: `${network.value.class}${network.value.metered ? ", metered" : ""}`,
    power: `${power.value.source}${battery === undefined ? "" : `, battery at least ${battery} %`}`,
  };
}
