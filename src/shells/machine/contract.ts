import type { MachineFiles } from "./files.ts";

/** A value, and the file, tool, rule or setting it comes from: every one can be asked where it is from. */
export type Finding<T> = { readonly value: T; readonly from: string };

export type Cpu = {
  readonly cores: number;
  /** `AMD EPYC`, `Cortex-A72`; empty when the kernel does not say. */
  readonly name: string;
  /** As node-feature-discovery writes it: `Intel`, `AMD`, `ARM`. */
  readonly vendor: string;
  readonly family: number | undefined;
  readonly id: number | undefined;
  readonly multithreading: boolean;
  /** Instruction sets that decide which programs run or run well, by their node-feature-discovery names. */
  readonly features: readonly string[];
};

export type GpuVendor = "nvidia" | "amd" | "intel" | "other";

export type Gpu = {
  readonly vendor: GpuVendor;
  readonly product: string;
  readonly memoryMiB: number | undefined;
  /** Its driver lets programs compute on it; an adapter for a screen alone does not count. */
  readonly computes: boolean;
};

/** The disk under the data folder. */
export type Disk = {
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** Undefined where the kernel does not know: network file systems, overlays. */
  readonly rotational: boolean | undefined;
};

/** What the route to everywhere else goes through. `unknown`: a tunnel, or no such route. */
export type NetworkClass = "ethernet" | "wifi" | "cellular" | "satellite" | "unknown";

export type Network = { readonly class: NetworkClass; readonly metered: boolean };

export type Power = {
  readonly source: "mains" | "battery" | "unknown";
  readonly batteryPercent: number | undefined;
};

export type Tier = 1 | 2 | 3;
export type TpmVersion = "none" | "1.2" | "2.0";

export type Capabilities = {
  readonly architecture: Finding<string>;
  readonly kernel: Finding<string>;
  readonly os: Finding<{ readonly id: string; readonly version: string; readonly name: string }>;
  /** Maker and model of the machine; empty when unknown. */
  readonly model: Finding<string>;
  readonly cpu: Finding<Cpu>;
  readonly memoryBytes: Finding<number>;
  readonly gpus: Finding<readonly Gpu[]>;
  /** PCI classes and vendors of accelerators, as node-feature-discovery writes them: `0300_10de`. */
  readonly pci: Finding<readonly string[]>;
  readonly disk: Finding<Disk | undefined>;
  readonly engines: Finding<readonly string[]>;
  readonly tpm: Finding<TpmVersion>;
  readonly network: Finding<Network>;
  readonly power: Finding<Power>;
  /** Where it is from says the rule. */
  readonly tier: Finding<Tier>;
};

/** The machine as far as it is no file. */
export type MachineHost = {
  readonly files: MachineFiles;
  /** `amd64`, `arm64`: as Go and Kubernetes write it. */
  readonly architecture: string;
  readonly kernel: string;
  /** What this process may use, when that may be less than what the machine has. */
  readonly limits?: (() => { readonly cores: number; readonly memoryBytes: number }) | undefined;
  readonly space: (path: string) => { readonly totalBytes: number; readonly freeBytes: number } | undefined;
  /** Runs a tool of the machine; rejects when there is none, or it fails. */
  readonly run: (command: string, args: readonly string[]) => Promise<string>;
};
