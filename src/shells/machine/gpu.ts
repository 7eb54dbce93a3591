import type { Finding, Gpu, GpuVendor, MachineHost } from "./contract.ts";
import { numberAt, pairsOf, type MachineFiles } from "./files.ts";

/**
 * Graphics processors. The driver's own word comes first: NVIDIA's tool or its files in /proc, AMD's
 * compute topology (kfd), the device tree of a Jetson. What only DRM knows drives a screen: it is shown, and
 * does not count as able to compute.
 */

const gpusMax = 64;
const nvidiaFolder = "/proc/driver/nvidia/gpus";
const kfdFolder = "/sys/class/kfd/kfd/topology/nodes";
const drmFolder = "/sys/class/drm";
const deviceTree = "/proc/device-tree";

const vendorByPci: { readonly [id: number]: GpuVendor } = {
  0x10de: "nvidia",
  0x1002: "amd",
  0x8086: "intel",
};

export const nvidiaTool = {
  command: "nvidia-smi",
  args: ["--query-gpu=name,memory.total", "--format=csv,noheader,nounits"],
} as const;

/** @param told what NVIDIA's tool said last; undefined when it was not asked or did not answer. */
export function readGpus({ files }: MachineHost, told: readonly Gpu[] | undefined): Finding<readonly Gpu[]> {
  const jetson = jetsonGpu(files);
  const nvidia = told ?? jetson?.value ?? nvidiaByDriver(files);
  const amd = amdByTopology(files);
  const known = new Set<GpuVendor>([...nvidia, ...amd].map(({ vendor }) => vendor));
  const screens = byDrm(files).filter(({ vendor }) => !known.has(vendor));
  const sources = [
    ...(told !== undefined && told.length > 0 ? [`${nvidiaTool.command} ${nvidiaTool.args.join(" ")}`] : []),
    ...(told === undefined && nvidia.length > 0 ? [jetson?.from ?? nvidiaFolder] : []),
    ...(amd.length > 0 ? [kfdFolder] : []),
    ...(screens.length > 0 ? [drmFolder] : []),
  ];
  const value = [...nvidia, ...amd, ...screens].slice(0, gpusMax);
  return { value, from: sources.join(", ") || `${nvidiaFolder}, ${kfdFolder} and ${drmFolder} have none` };
}

/** Names of the devices that NVIDIA's tool would be asked about; empty where asking is useless. */
export const nvidiaDevices = (files: MachineFiles): readonly string[] => [
  ...files.list(nvidiaFolder),
  ...files.list("/dev").filter((name) => /^nvidia\d+$/.test(name)),
];

/** Lines such as `NVIDIA A10, 23028`; a Jetson has `[N/A]` for memory that it shares. */
export function parseNvidia(text: string): readonly Gpu[] {
  return text
    .split("\n")
    .flatMap((line) => {
      const match = /^\s*([^,]{1,128}?)\s*,\s*(\d{1,9}|\[[^\]]{1,40}\])\s*$/.exec(line);
      if (match === null) return [];
      const [, product = "", memory = ""] = match;
      const memoryMiB = /^\d+$/.test(memory) ? Number(memory) : undefined;
      return [{ vendor: "nvidia", product, memoryMiB, computes: true } as const];
    })
    .slice(0, gpusMax);
}

function nvidiaByDriver(files: MachineFiles): readonly Gpu[] {
  return files.list(nvidiaFolder).map((slot) => {
    const about = pairsOf(files.text(`${nvidiaFolder}/${slot}/information`) ?? "", ":");
    return { vendor: "nvidia", product: about.get("Model") ?? "", memoryMiB: undefined, computes: true };
  });
}

function jetsonGpu(files: MachineFiles): Finding<readonly Gpu[]> | undefined {
  const compatible = files.text(`${deviceTree}/compatible`)?.split("\0") ?? [];
  if (!compatible.some((name) => name.startsWith("nvidia,tegra"))) return undefined;
  const device = ["/dev/nvhost-gpu", "/dev/nvgpu", "/dev/nvidia0"].find((path) => files.exists(path));
  const product = files.text(`${deviceTree}/model`) ?? "NVIDIA Tegra";
  const gpu: Gpu = { vendor: "nvidia", product, memoryMiB: undefined, computes: device !== undefined };
  return { value: [gpu], from: `${deviceTree}/compatible${device === undefined ? "" : ` and ${device}`}` };
}

function amdByTopology(files: MachineFiles): readonly Gpu[] {
  return files.list(kfdFolder).flatMap((node) => {
    const about = pairsOf(files.text(`${kfdFolder}/${node}/properties`) ?? "", " ");
    // A node without SIMDs is the processor.
    if (Number(about.get("simd_count") ?? 0) === 0 || about.get("vendor_id") !== "4098") return [];
    const bank = pairsOf(files.text(`${kfdFolder}/${node}/mem_banks/0/properties`) ?? "", " ");
    const bytes = Number(bank.get("size_in_bytes") ?? 0);
    const device = Number(about.get("device_id") ?? 0).toString(16);
    const product = files.text(`${kfdFolder}/${node}/name`) || `AMD ${device}`;
    const memoryMiB = bytes > 0 ? Math.floor(bytes / 2 ** 20) : undefined;
    return [{ vendor: "amd", product, memoryMiB, computes: true } as const];
  });
}

function byDrm(files: MachineFiles): readonly Gpu[] {
  return files
    .list(drmFolder)
    .filter((name) => /^card\d+$/.test(name))
    .flatMap((card): readonly Gpu[] => {
      const at = `${drmFolder}/${card}/device`;
      const vendorId = numberAt(files, `${at}/vendor`);
      if (vendorId === undefined) return [];
      const vendor = vendorByPci[vendorId] ?? "other";
      const bytes = numberAt(files, `${at}/mem_info_vram_total`);
      const memoryMiB = bytes === undefined ? undefined : Math.floor(bytes / 2 ** 20);
      const product = `${vendorId.toString(16).padStart(4, "0")}:${hexOf(files, `${at}/device`)}`;
      return [{ vendor, product, memoryMiB, computes: false }];
    });
}

/**
 * PCI devices of the classes that node-feature-discovery labels: displays, co-processors, accelerators.
 * One entry a class and vendor.
 */
export function readPci({ files }: MachineHost): Finding<readonly string[]> {
  const folder = "/sys/bus/pci/devices";
  const found = files.list(folder).flatMap((slot) => {
    const code = (files.text(`${folder}/${slot}/class`) ?? "").replace(/^0x/, "").slice(0, 4);
    const wanted = code.startsWith("03") || code.startsWith("12") || code === "0b40";
    return wanted ? [`${code}_${hexOf(files, `${folder}/${slot}/vendor`)}`] : [];
  });
  return { value: [...new Set(found)].sort().slice(0, 16), from: folder };
}

const hexOf = (files: MachineFiles, path: string): string =>
  (numberAt(files, path) ?? 0).toString(16).padStart(4, "0");
