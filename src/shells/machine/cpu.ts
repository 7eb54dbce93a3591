import type { Cpu, Finding, MachineHost } from "./contract.ts";
import { pairsOf } from "./files.ts";

const cpuinfo = "/proc/cpuinfo";

/** Flag of /proc/cpuinfo -> name in node-feature-discovery (x86: those of klauspost/cpuid; Arm: HWCAPs). */
const featureByFlag: { readonly [flag: string]: string } = {
  aes: "AESNI",
  sha_ni: "SHA",
  fma: "FMA3",
  avx: "AVX",
  avx2: "AVX2",
  avx_vnni: "AVXVNNI",
  avx512f: "AVX512F",
  avx512bw: "AVX512BW",
  avx512_vnni: "AVX512VNNI",
  avx512_bf16: "AVX512BF16",
  amx_tile: "AMXTILE",
  amx_int8: "AMXINT8",
  amx_bf16: "AMXBF16",
  vmx: "VMX",
  svm: "SVM",
  hypervisor: "HYPERVISOR",
};
const armFeatures = ["aes", "sha2", "atomics", "asimd", "asimdhp", "asimddp", "sve", "sve2", "i8mm", "bf16"];

const vendorById: { readonly [id: string]: string } = {
  GenuineIntel: "Intel",
  AuthenticAMD: "AMD",
  HygonGenuine: "Hygon",
  "0x41": "ARM",
  "0x4e": "NVIDIA",
  "0x51": "Qualcomm",
  "0x61": "Apple",
  "0xc0": "AmpereComputing",
};
/** Arm Ltd's part numbers of boards that are met at the edge. */
const armParts: { readonly [part: string]: string } = {
  "0xd03": "Cortex-A53",
  "0xd04": "Cortex-A35",
  "0xd05": "Cortex-A55",
  "0xd07": "Cortex-A57",
  "0xd08": "Cortex-A72",
  "0xd0b": "Cortex-A76",
  "0xd0c": "Neoverse-N1",
  "0xd42": "Cortex-A78AE",
};

export function readCpu({ files, limits }: MachineHost): Finding<Cpu> {
  const text = files.text(cpuinfo) ?? "";
  const first = pairsOf(text, ":");
  const processors = text.match(/^processor\s*:/gm)?.length ?? 0;
  const allowed = limits?.().cores ?? processors;
  const said = (key: string): string => first.get(key) ?? "";
  const flags = new Set((said("flags") || said("Features")).split(/\s+/));
  const isArm = first.has("CPU implementer");
  const vendorId = isArm ? said("CPU implementer") : said("vendor_id");
  const features = isArm
    ? armFeatures.filter((flag) => flags.has(flag)).map((flag) => flag.toUpperCase())
    : Object.entries(featureByFlag).flatMap(([flag, name]) => (flags.has(flag) ? [name] : []));
  const value: Cpu = {
    cores: Math.max(1, processors === 0 ? allowed : Math.min(processors, allowed)),
    name: said("model name") || (armParts[said("CPU part")] ?? ""),
    vendor: vendorById[vendorId] ?? vendorId,
    family: numberOf(said("cpu family") || said("CPU architecture")),
    id: numberOf(isArm ? said("CPU part") : said("model")),
    multithreading: Number(said("siblings")) > Number(said("cpu cores")),
    features: features.sort(),
  };
  const limited = allowed < processors ? `${cpuinfo} (${processors}), limited by the control group` : cpuinfo;
  return { value, from: text === "" ? "the operating system" : limited };
}

const numberOf = (text: string): number | undefined =>
  /^(\d{1,9}|0x[0-9a-f]{1,8})$/.test(text) ? Number(text) : undefined;
