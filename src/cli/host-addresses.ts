import { networkInterfaces } from "node:os";
import { agentPort } from "../shells/identity-file/address.ts";

/** Where others probably reach this machine, IPv4 first; loopback only when there is nothing else. */
export function hostAddresses(port = agentPort): string[] {
  const all = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  const usable = all.filter(({ internal, address }) => !internal && !address.startsWith("fe80:"));
  const four = usable.filter(({ family }) => family === "IPv4").map(({ address }) => `${address}:${port}`);
  const six = usable.filter(({ family }) => family === "IPv6").map(({ address }) => `[${address}]:${port}`);
  const found = [...four, ...six].slice(0, 8);
  return found.length > 0 ? found : [`127.0.0.1:${port}`];
}
