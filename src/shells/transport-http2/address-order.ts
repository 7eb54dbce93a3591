import { isIP } from "node:net";
import { parseAddress } from "../identity-file/address.ts";

/**
 * The order in which the addresses of a member are tried: the one that worked the last time, then the
 * families in turn (RFC 8305, section 4), beginning with the family of the first, so that a network on
 * which one family is broken costs one head start and not one for each of its addresses. Within a family,
 * and for names, the order of the list stays.
 */
export function raceOrder(addresses: readonly string[], lastWinner: string | undefined): readonly string[] {
  const rest = addresses.filter((address) => address !== lastWinner);
  const first = rest.length < addresses.length && lastWinner !== undefined ? [lastWinner] : [];
  const [head] = [...first, ...rest];
  if (head === undefined) return [];
  const v6First = isIpv6(head);
  const same = rest.filter((address) => isIpv6(address) === v6First);
  const other = rest.filter((address) => isIpv6(address) !== v6First);
  // After a winner the other family is next: its own family just had its turn.
  const [turn, next] = first.length > 0 ? [other, same] : [same, other];
  const order = [...first];
  for (let at = 0; at < Math.max(turn.length, next.length); at++)
    order.push(...turn.slice(at, at + 1), ...next.slice(at, at + 1));
  return order;
}

function isIpv6(address: string): boolean {
  return isIP(parseAddress(address)?.host ?? "") === 6;
}
