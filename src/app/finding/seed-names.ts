import { parseAddress } from "../../shells/identity-file/address.ts";

/**
 * Seeds: addresses where some member answers, whichever it is. `host:port` (the host may be a name with
 * several addresses) or the name of an SRV record, such as `_starlight._tcp.shops.example`. Names are resolved
 * each time, so that what DNS says now counts.
 */

export const seedsMax = 16;
const srvPattern = /^_[a-z0-9-]{1,63}\._tcp(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?){1,8}$/i;

export const isServiceName = (text: string): boolean => text.length <= 253 && srvPattern.test(text);
export const isSeed = (text: string): boolean => isServiceName(text) || parseAddress(text) !== undefined;
