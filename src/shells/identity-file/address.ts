import { isIP } from "node:net";

/** A place to reach a node: `host:port`, an IPv6 host in brackets. */
export type Address = { readonly host: string; readonly port: number };

/** Where agents listen that were not told otherwise. */
export const agentPort = 7443;

/** `portDefault` stands in for a missing port; `portMin` 0 allows "any free port". */
export type AddressRules = { readonly portDefault?: number | undefined; readonly portMin?: 0 | 1 };

/** The parts of `host:port`; undefined when it is not that. */
export function parseAddress(text: string, rules: AddressRules = {}): Address | undefined {
  const { portDefault, portMin = 1 } = rules;
  if (text.length > 300) return undefined;
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s/@]+))(?::(\d{1,5}))?$/.exec(text);
  const bare = match === null && isIP(text) === 6 ? text : undefined;
  const host = bare ?? match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? portDefault : Number(match[3]);
  if (host === undefined || port === undefined || port < portMin || port > 65_535) return undefined;
  if (match?.[1] !== undefined && isIP(host) !== 6) return undefined;
  return isHost(host) ? { host, port } : undefined;
}

export function formatAddress({ host, port }: Address): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

function isHost(host: string): boolean {
  return (
    isIP(host) !== 0 ||
    /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i.test(host)
  );
}
