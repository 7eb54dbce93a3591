import type { Capabilities, Finding, MachineHost, Power, TpmVersion } from "./contract.ts";
import { numberAt, pairsOf, type MachineFiles } from "./files.ts";

/** What stands around the processor: model, system, container engines, TPM, power. */

const dmi = "/sys/class/dmi/id";
const deviceTreeModel = "/proc/device-tree/model";

export function readModel({ files }: MachineHost): Finding<string> {
  const board = files.text(deviceTreeModel);
  if (board !== undefined && board !== "") return { value: board.slice(0, 128), from: deviceTreeModel };
  const words = ["sys_vendor", "product_name"].flatMap((name) => files.text(`${dmi}/${name}`) ?? []);
  const filler = /^(to be filled|system manufacturer|system product name|default string|not specified)/i;
  const value = words.filter((word) => word !== "" && !filler.test(word)).join(" ");
  return {
    value: value.slice(0, 128),
    from: value === "" ? `${dmi} and ${deviceTreeModel} say nothing` : dmi,
  };
}

export function readOs({ files }: MachineHost): Capabilities["os"] {
  const path = ["/etc/os-release", "/usr/lib/os-release"].find((candidate) => files.exists(candidate));
  const about = pairsOf(path === undefined ? "" : (files.text(path) ?? ""), "=");
  const said = (key: string): string => (about.get(key) ?? "").replaceAll(/^["']|["']$/g, "").slice(0, 128);
  const value = { id: said("ID"), version: said("VERSION_ID"), name: said("PRETTY_NAME") };
  return { value, from: path ?? "no os-release" };
}

const sockets: readonly (readonly [engine: string, path: string])[] = [
  ["docker", "/run/docker.sock"],
  ["docker", "/var/run/docker.sock"],
  ["podman", "/run/podman/podman.sock"],
  ["containerd", "/run/containerd/containerd.sock"],
  ["containerd", "/run/k3s/containerd/containerd.sock"],
  ["cri-o", "/run/crio/crio.sock"],
];
const programs = ["podman", "runc", "crun"];
const programFolders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** Engines with a socket or a program; whether they work is for the runtimes to find out. */
export function readEngines({ files }: MachineHost): Finding<readonly string[]> {
  const found = new Map<string, string>();
  for (const [engine, path] of sockets) {
    if (!found.has(engine) && files.exists(path)) found.set(engine, path);
  }
  for (const name of programs) {
    const path = programFolders.map((at) => `${at}/${name}`).find((candidate) => files.exists(candidate));
    if (path !== undefined && !found.has(name)) found.set(name, path);
  }
  const from = [...found.values()].join(", ") || "no known socket and no known program";
  return { value: [...found.keys()].sort(), from };
}

export function readTpm({ files }: MachineHost): Finding<TpmVersion> {
  const version = "/sys/class/tpm/tpm0/tpm_version_major";
  // Only a TPM 2.0 has a resource manager in the kernel.
  if (files.exists("/dev/tpmrm0")) return { value: "2.0", from: "/dev/tpmrm0" };
  if (!files.exists("/dev/tpm0")) return { value: "none", from: "no /dev/tpmrm0 and no /dev/tpm0" };
  return numberAt(files, version) === 2
    ? { value: "2.0", from: `/dev/tpm0, ${version}` }
    : { value: "1.2", from: "/dev/tpm0" };
}

const supplies = "/sys/class/power_supply";

/** Batteries of mice and pens (`scope` Device) are not ours. */
export function readPower({ files }: MachineHost): Finding<Power> {
  const at = files.list(supplies).filter((name) => files.text(`${supplies}/${name}/scope`) !== "Device");
  const said = (name: string, field: string): string => files.text(`${supplies}/${name}/${field}`) ?? "";
  const battery = at.find((name) => said(name, "type") === "Battery");
  const outlets = at.filter((name) => /^(Mains|USB|UPS)/.test(said(name, "type")));
  const live = outlets.find((name) => said(name, "online") === "1");
  const batteryPercent =
    battery === undefined ? undefined : percent(files, `${supplies}/${battery}/capacity`);
  const as = (source: Power["source"], from: string): Finding<Power> => ({
    value: { source, batteryPercent },
    from,
  });
  if (live !== undefined) return as("mains", `${supplies}/${live}/online`);
  if (battery === undefined) return as("unknown", `${supplies} has no battery and no live outlet`);
  // Without an outlet in sight, a battery that does not drain is being fed from somewhere.
  const drains = outlets.length > 0 || said(battery, "status") === "Discharging";
  return as(drains ? "battery" : "mains", `${supplies}/${battery}/status`);
}

function percent(files: MachineFiles, path: string): number | undefined {
  const value = numberAt(files, path);
  return value === undefined ? undefined : Math.min(100, value);
}
