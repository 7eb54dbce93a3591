import { networkInterfaces } from "node:os";

/**
 * Whether an interface that is up and has a carrier bears this address. libuv lists no others
 * (`uv_interface_addresses` skips what lacks IFF_UP or IFF_RUNNING), though their addresses stay.
 */
export function isOnRunningInterface(
  address: string,
  interfaces: NodeJS.Dict<readonly { readonly address: string }[]> = networkInterfaces(),
): boolean {
  const plain = plainAddress(address);
  return Object.values(interfaces).some((listed) => listed?.some((own) => own.address === plain));
}

/** IPv4 as a socket for both families tells it, and link-local IPv6 with its zone. */
const plainAddress = (address: string): string =>
  address.replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "");
