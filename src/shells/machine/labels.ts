import type { Capabilities, Gpu } from "./contract.ts";

/**
 * Capabilities in Kubernetes' words. Names come from who owns them: Kubernetes, node-feature-discovery
 * (feature.node.kubernetes.io), NVIDIA's and AMD's device plugins and labellers; ours are the rest.
 */

type Texts = { readonly [name: string]: string };

const feature = "feature.node.kubernetes.io";

/** Labels beside those that the node's place, architecture and tier give it anyway. */
export function labelsOf(found: Capabilities): Texts {
  const { cpu, kernel, os, model, pci, disk, engines, tpm, network, power } = found;
  const { family, id, vendor, features, multithreading } = cpu.value;
  const rotational = disk.value?.rotational;
  const labels: { readonly [name: string]: string | number | boolean | undefined } = {
    "node.kubernetes.io/instance-type": model.value,
    [`${feature}/cpu-model.vendor_id`]: vendor,
    [`${feature}/cpu-model.family`]: family,
    [`${feature}/cpu-model.id`]: id,
    [`${feature}/cpu-hardware_multithreading`]: multithreading || undefined,
    ...Object.fromEntries(features.map((name) => [`${feature}/cpu-cpuid.${name}`, true])),
    [`${feature}/kernel-version.full`]: kernel.value,
    [`${feature}/system-os_release.ID`]: os.value.id,
    [`${feature}/system-os_release.VERSION_ID`]: os.value.version,
    [`${feature}/storage-nonrotationaldisk`]: rotational === false || undefined,
    ...Object.fromEntries(pci.value.map((name) => [`${feature}/pci-${name}.present`, true])),
    ...gpuLabels(found.gpus.value),
    "starlight.dev/disk": rotational === undefined ? undefined : rotational ? "hdd" : "ssd",
    ...Object.fromEntries(engines.value.map((name) => [`starlight.dev/engine.${name}`, true])),
    "starlight.dev/metered": network.value.metered,
    "starlight.dev/network": network.value.class,
    "starlight.dev/power": power.value.source,
    "starlight.dev/tpm": tpm.value,
  };
  const texts = Object.entries(labels).map(
    ([name, value]) => [name, labelValue(String(value ?? ""))] as const,
  );
  return Object.fromEntries(texts.filter(([, value]) => value !== "").sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Extended resources: what a pod asks for by name and number. Only GPUs that compute are given away. */
export function extendedResources({ gpus }: Capabilities): { readonly [name: string]: number } {
  const count = (vendor: Gpu["vendor"]): number =>
    gpus.value.filter((gpu) => gpu.computes && gpu.vendor === vendor).length;
  const counts = { "amd.com/gpu": count("amd"), "nvidia.com/gpu": count("nvidia") };
  return Object.fromEntries(Object.entries(counts).filter(([, number]) => number > 0));
}

/** As NVIDIA's GPU feature discovery and AMD's node labeller name them. */
function gpuLabels(gpus: readonly Gpu[]): { readonly [name: string]: string | number | undefined } {
  const nvidia = gpus.filter(({ vendor, computes }) => vendor === "nvidia" && computes);
  const amd = gpus.find(({ vendor, computes }) => vendor === "amd" && computes);
  const gib = amd?.memoryMiB === undefined ? undefined : `${Math.round(amd.memoryMiB / 1024)}G`;
  return {
    "amd.com/gpu.product-name": amd?.product,
    "amd.com/gpu.vram": gib,
    "nvidia.com/gpu.count": nvidia.length || undefined,
    "nvidia.com/gpu.memory": nvidia[0]?.memoryMiB,
    "nvidia.com/gpu.present": nvidia.length > 0 ? "true" : undefined,
    "nvidia.com/gpu.product": nvidia[0]?.product,
  };
}

/** What a label's value may be: 63 of letters, digits, `-`, `_`, `.`, a letter or digit at both ends. */
export function labelValue(text: string): string {
  const plain = text.replaceAll(/\((R|TM|tm)\)/g, "").replaceAll(/[^A-Za-z0-9._-]+/g, "-");
  return plain
    .replace(/^[^A-Za-z0-9]+/, "")
    .slice(0, 63)
    .replace(/[^A-Za-z0-9]+$/, "");
}
