import type { Finding, MachineHost, Network, NetworkClass } from "./contract.ts";
import { pairsOf, type MachineFiles } from "./files.ts";

/**
 * What the default route goes through. A satellite modem shows itself as Ethernet: no kernel can tell, so
 * `satellite` is only ever declared by the operator. Cellular links are taken to be paid by the byte.
 */
export function readNetwork({ files }: MachineHost): Finding<Network> {
  const route = defaultRoute(files);
  if (route === undefined)
    return { value: { class: "unknown", metered: false }, from: "/proc/net/route has no default route" };
  const found = classOf(files, route.name, 0);
  const value = { class: found.value, metered: found.value === "cellular" };
  return { value, from: `${route.from} (${route.name}), ${found.from}` };
}

const folder = "/sys/class/net";
/** if_arp.h */
const types = { ethernet: "1", ppp: "512", rawIp: "519" };
/** Drivers of modems, which hide behind usual interfaces. */
const modemDrivers: ReadonlySet<string> = new Set([
  "cdc_mbim",
  "qmi_wwan",
  "qmi_wwan_q",
  "huawei_cdc_ncm",
  "sierra_net",
  "hso",
  "kalmia",
  "gobi",
  "mhi_net",
  "mhi_wwan_mbim",
  "iosm",
  "mtk_t7xx",
  "t7xx",
  // A telephone that shares its connection.
  "ipheth",
  "rndis_host",
]);
/** Makers of modems, by USB id: their sticks in router mode look like any USB network card. */
const modemVendors: ReadonlySet<string> = new Set([
  "12d1", // Huawei
  "19d2", // ZTE
  "1199", // Sierra Wireless
  "2c7c", // Quectel
  "1bc7", // Telit
  "1e0e", // SIMCom
  "2cb7", // Fibocom
  "1bbb", // Alcatel
  "05c6", // Qualcomm
]);

type Route = { readonly name: string; readonly from: string };

function defaultRoute(files: MachineFiles): Route | undefined {
  const path = "/proc/net/route";
  let best: { readonly name: string; readonly metric: number } | undefined;
  for (const line of (files.text(path) ?? "").split("\n").slice(1)) {
    const [name = "", destination, , flags = "0", , , metric = "0", mask] = line.trim().split(/\s+/);
    const isUp = (Number.parseInt(flags, 16) & 1) === 1;
    if (destination !== "00000000" || mask !== "00000000" || !isUp || !isInterface(name)) continue;
    if (best === undefined || Number(metric) < best.metric) best = { name, metric: Number(metric) };
  }
  return best === undefined ? defaultRoute6(files) : { name: best.name, from: path };
}

function defaultRoute6(files: MachineFiles): Route | undefined {
  const path = "/proc/net/ipv6_route";
  for (const line of (files.text(path) ?? "").split("\n")) {
    const [destination = "", length, , , , , , , flags = "0", name = ""] = line.trim().split(/\s+/);
    const isUp = (Number.parseInt(flags, 16) & 1) === 1;
    if (/^0{32}$/.test(destination) && length === "00" && isUp && name !== "lo" && isInterface(name))
      return { name, from: path };
  }
  return undefined;
}

const isInterface = (name: string): boolean => /^[^/\s.][^/\s]{0,14}$/.test(name);

function classOf(files: MachineFiles, name: string, depth: number): Finding<NetworkClass> {
  const at = `${folder}/${name}`;
  const as = (value: NetworkClass, from: string): Finding<NetworkClass> => ({ value, from });
  if (files.exists(`${at}/wireless`)) return as("wifi", `${at}/wireless`);
  if (files.exists(`${at}/phy80211`)) return as("wifi", `${at}/phy80211`);
  const kind = pairsOf(files.text(`${at}/uevent`) ?? "", "=").get("DEVTYPE");
  if (kind === "wlan") return as("wifi", `${at}/uevent`);
  if (kind === "wwan") return as("cellular", `${at}/uevent`);
  const driver = files.target(`${at}/device/driver`);
  if (driver !== undefined && modemDrivers.has(driver)) return as("cellular", `driver ${driver}`);
  const usb = files.text(`${at}/device/../idVendor`);
  if (usb !== undefined && modemVendors.has(usb)) return as("cellular", `USB vendor ${usb}`);
  const type = files.text(`${at}/type`);
  if (type === types.rawIp) return as("cellular", `${at}/type ${type}`);
  // PPP over Ethernet is a line in a wall; over anything else it is a modem that was dialled.
  if (type === types.ppp) {
    const sessions = (files.text("/proc/net/pppoe") ?? "").split("\n").length > 1;
    return as(sessions ? "ethernet" : "cellular", sessions ? "/proc/net/pppoe" : `${at}/type ${type}`);
  }
  // Bridges, bonds and VLANs are what lies below them.
  const lower = files.list(at).filter((entry) => entry.startsWith("lower_"));
  if (lower.length > 0 && depth < 4) {
    const below = lower.map((entry) => classOf(files, entry.slice("lower_".length), depth + 1));
    return below.find(({ value }) => value !== "unknown") ?? as("unknown", at);
  }
  return as(type === types.ethernet ? "ethernet" : "unknown", `${at}/type ${type ?? "missing"}`);
}
