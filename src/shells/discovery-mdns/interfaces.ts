import { networkInterfaces } from "node:os";

/** An IPv4 network that this machine is on. */
export type Lan = { readonly address: string; readonly netmask: string };

/** A machine with containers has an interface for each: they are not asked all. */
const lansMax = 8;

/**
 * The networks to speak on: of one address when the port is open on one only, else of all interfaces.
 * Empty on a machine, or for a port, that only has itself.
 */
export function lansFor(listenHost: string): readonly Lan[] {
  const all = Object.values(networkInterfaces()).flatMap((infos) => infos ?? []);
  const everywhere = listenHost === "0.0.0.0" || listenHost === "::";
  return all
    .filter(
      ({ family, internal, netmask }) => family === "IPv4" && !internal && netmask !== "255.255.255.255",
    )
    .filter(({ address }) => everywhere || address === listenHost)
    .map(({ address, netmask }) => ({ address, netmask }))
    .sort((left, right) => (left.address < right.address ? -1 : 1))
    .slice(0, lansMax);
}

/** Whether the sender is on one of our networks: what comes from elsewhere is not for us (RFC 6762, 11). */
export function isOnLan(sender: string, lans: readonly Lan[]): boolean {
  const from = numberOf(sender);
  return (
    from !== undefined &&
    lans.some(({ address, netmask }) => {
      const [own, mask] = [numberOf(address), numberOf(netmask)];
      return own !== undefined && mask !== undefined && ((from ^ own) & mask) === 0;
    })
  );
}

function numberOf(address: string): number | undefined {
  const parts = address.split(".").map(Number);
  if (parts.length !== 4 || parts.some((part) => !(part >= 0 && part <= 255))) return undefined;
  return parts.reduce((sum, part) => (sum << 8) | part, 0);
}
