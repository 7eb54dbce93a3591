import { isRegion, regionRefused } from "../../core/records/scope.ts";
import { agentPort, parseAddress, type Address } from "./address.ts";
import { IdentityError } from "./identity-error.ts";

/** Names of meshes, sites and nodes: they become labels, host names and parts of scopes. */
const namePattern = /^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/;

export const isName = (text: string): boolean => namePattern.test(text) && !text.includes("..");

export function checkName(what: string, name: string): void {
  if (isName(name)) return;
  const detail = `${what} ${JSON.stringify(name)} is not a name: use 1 to 63 of a-z, 0-9, "-" and ".", a letter or digit at both ends`;
  throw new IdentityError({ type: "invalid", detail });
}

export function checkRegion(what: string, region: string): void {
  if (isRegion(region)) return;
  throw new IdentityError({ type: "invalid", detail: regionRefused(what, region) });
}

export const addressesMax = 16;

/** The hosts of addresses as they go into a certificate. */
export const hostsOf = (addresses: readonly string[]): readonly string[] =>
  addressesIn(addresses, agentPort).map(({ host }) => host);

/** @param portDefault Of those that name no port; undefined: each must name one. */
export function addressesIn(
  addresses: readonly string[],
  portDefault: number | undefined,
): readonly Address[] {
  if (addresses.length > addressesMax) {
    const detail = `${addresses.length} addresses, at most ${addressesMax}`;
    throw new IdentityError({ type: "invalid", detail });
  }
  return addresses.map((address) => {
    const parsed = parseAddress(address, { portDefault });
    if (parsed !== undefined) return parsed;
    const detail = `${JSON.stringify(address)} is not an address: write host:port, for example 10.0.0.5:7443`;
    throw new IdentityError({ type: "invalid", detail });
  });
}
