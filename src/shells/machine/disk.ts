import type { Disk, Finding, MachineHost } from "./contract.ts";
import { numberAt, type MachineFiles } from "./files.ts";

const mountinfo = "/proc/self/mountinfo";

/** The disk under a folder. */
export function readDisk({ files, space }: MachineHost, folder: string): Finding<Disk | undefined> {
  const room = space(folder);
  if (room === undefined) return { value: undefined, from: `the size of ${folder} cannot be read` };
  const device = deviceUnder(files, folder);
  const spins = device === undefined ? undefined : rotational(files, device);
  const value = { ...room, rotational: spins?.value };
  return { value, from: `statfs ${folder}${spins === undefined ? "" : `, ${spins.from}`}` };
}

/** `major:minor`, or a name below /sys/class/block where the file system has no device number of its own. */
function deviceUnder(files: MachineFiles, folder: string): string | undefined {
  let best = { point: "", device: "" };
  for (const line of (files.text(mountinfo) ?? "").split("\n")) {
    // proc_pid_mountinfo(5): id parent major:minor root mount-point options [tags] - type source ...
    const [before = "", after = ""] = line.split(" - ");
    const [, , number = "", , escaped = ""] = before.split(" ");
    const point = escaped.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const holds = point === "/" || folder === point || folder.startsWith(`${point}/`);
    // Of two mounts on one point the later one is seen.
    if (point === "" || !holds || point.length < best.point.length) continue;
    const source = /^\/dev\/([A-Za-z0-9]{1,32})$/.exec(after.split(" ")[1] ?? "")?.[1];
    best = { point, device: number.startsWith("0:") ? (source ?? "") : number };
  }
  return best.device === "" ? undefined : best.device;
}

function rotational(files: MachineFiles, device: string): Finding<boolean> | undefined {
  const at = device.includes(":") ? `/sys/dev/block/${device}` : `/sys/class/block/${device}`;
  // A partition has its queue in the folder of its disk.
  for (const path of [`${at}/queue/rotational`, `${at}/../queue/rotational`]) {
    const value = numberAt(files, path);
    if (value !== undefined) return { value: value === 1, from: path };
  }
  return undefined;
}
