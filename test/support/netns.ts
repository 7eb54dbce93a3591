import { execFileSync, spawn, type ChildProcess } from "node:child_process";

/**
 * Real networks for tests: each site is a bridge in a network namespace of its own, its nodes hang on it
 * by veth pairs, and a router joins the sites. Needs root and `ip`; nothing outside of these
 * namespaces is touched.
 */

export type NetHost = { readonly namespace: string; readonly address: string };

export type Topology = {
  /** Hosts by site name. */
  readonly sites: { readonly [site: string]: readonly NetHost[] };
  /** Takes the cable between a site and the router away; connections inside the site live on. */
  readonly cutSite: (site: string) => void;
  readonly healSite: (site: string) => void;
  /** Takes one host's cable away. */
  readonly cutHost: (host: NetHost) => void;
  readonly healHost: (host: NetHost) => void;
  /** Puts the site behind a router that rewrites addresses: its hosts reach others, nobody opens a way to them. */
  readonly hideSite: (site: string) => void;
  /** Two hosts of one site hear nothing of each other; everybody else hears both. */
  readonly cutPair: (one: NetHost, other: NetHost) => void;
  readonly healPair: (one: NetHost, other: NetHost) => void;
  /** Takes the host's address away and gives it another one of its site's network, as a new lease does. */
  readonly moveHost: (host: NetHost, number: number) => NetHost;
  /** Starts a program inside a host. */
  readonly spawn: (
    host: NetHost,
    command: string,
    args: readonly string[],
    options: {
      readonly env: NodeJS.ProcessEnv;
      readonly stdio: "ignore" | "pipe" | ["ignore", number, number];
    },
  ) => ChildProcess;
  /** Runs a program inside a host to its end and returns what it printed; throws when it fails. */
  readonly run: (
    host: NetHost,
    command: string,
    args: readonly string[],
    options?: { readonly env?: NodeJS.ProcessEnv; readonly input?: string; readonly timeoutMs?: number },
  ) => string;
  readonly remove: () => void;
};

/** Why namespaces cannot be used here; undefined when they can. Tests say it when they skip. */
export function whyNoNamespaces(): string | undefined {
  if (process.getuid?.() !== 0) return "network namespaces need root";
  try {
    execFileSync("ip", ["netns", "add", probe()], { stdio: "pipe" });
    execFileSync("ip", ["netns", "del", probe()], { stdio: "pipe" });
    return undefined;
  } catch (error) {
    return `no network namespaces here: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}`;
  }
}

/** Why addresses cannot be rewritten here (see `hideSite`); undefined when they can. */
export function whyNoNat(): string | undefined {
  const without = whyNoNamespaces();
  if (without !== undefined) return without;
  try {
    execFileSync("ip", ["netns", "add", probe()], { stdio: "pipe" });
    iptables(probe(), "-t", "nat", "-A", "POSTROUTING", "-s", "10.0.0.0/8", "-j", "MASQUERADE");
    iptables(probe(), "-A", "FORWARD", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT");
    return undefined;
  } catch (error) {
    return `no iptables here: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}`;
  } finally {
    removeNamespace(probe());
  }
}

/** `sizes`: site name -> number of hosts. Names are prefixed, so that several topologies can coexist. */
export function createTopology(prefix: string, sizes: { readonly [site: string]: number }): Topology {
  const router = `${prefix}-router`;
  const names = Object.keys(sizes);
  const made: string[] = [];
  const add = (namespace: string): void => {
    removeNamespace(namespace);
    ip("netns", "add", namespace);
    made.push(namespace);
    ip("-n", namespace, "link", "set", "lo", "up");
  };
  add(router);
  execFileSync("ip", ["netns", "exec", router, "sysctl", "-qw", "net.ipv4.ip_forward=1"], { stdio: "pipe" });
  const sites: { [site: string]: NetHost[] } = {};
  names.forEach((site, at) => {
    const bridge = `${prefix}-${site}`;
    const net = `10.77.${at + 1}`;
    add(bridge);
    ip("-n", bridge, "link", "add", "br0", "type", "bridge");
    ip("-n", bridge, "link", "set", "br0", "up");
    ip(
      "link",
      "add",
      "uplink",
      "netns",
      bridge,
      "type",
      "veth",
      "peer",
      "name",
      `site${at}`,
      "netns",
      router,
    );
    ip("-n", bridge, "link", "set", "uplink", "master", "br0", "up");
    ip("-n", router, "addr", "add", `${net}.1/24`, "dev", `site${at}`);
    ip("-n", router, "link", "set", `site${at}`, "up");
    sites[site] = Array.from({ length: sizes[site] ?? 0 }, (_, number) => {
      const namespace = `${bridge}-${number + 1}`;
      const address = `${net}.${number + 11}`;
      add(namespace);
      const port = `port${number}`;
      ip("link", "add", port, "netns", bridge, "type", "veth", "peer", "name", "eth0", "netns", namespace);
      ip("-n", bridge, "link", "set", port, "master", "br0", "up");
      ip("-n", namespace, "addr", "add", `${address}/24`, "dev", "eth0");
      ip("-n", namespace, "link", "set", "eth0", "up");
      ip("-n", namespace, "route", "add", "default", "via", `${net}.1`);
      return { namespace, address };
    });
  });
  const siteOf = (host: NetHost): string => host.namespace.replace(/-\d+$/, "");
  const portOf = (host: NetHost): string => `port${Number(host.namespace.replace(/^.*-/, "")) - 1}`;
  const linkState = (site: string, state: "up" | "down"): void =>
    ip("-n", router, "link", "set", `site${names.indexOf(site)}`, state);
  /** A bridge passes nothing between two isolated ports (`man bridge`, `isolated`). */
  const isolate = (hosts: readonly NetHost[], how: "on" | "off"): void => {
    for (const host of hosts)
      ip("-n", siteOf(host), "link", "set", portOf(host), "type", "bridge_slave", "isolated", how);
  };
  return {
    sites,
    cutSite: (site) => linkState(site, "down"),
    healSite: (site) => linkState(site, "up"),
    cutHost: (host) => ip("-n", siteOf(host), "link", "set", portOf(host), "down"),
    healHost: (host) => ip("-n", siteOf(host), "link", "set", portOf(host), "up"),
    hideSite: (site) => {
      const at = names.indexOf(site);
      const net = `10.77.${at + 1}.0/24`;
      const conntrack = ["-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED"];
      iptables(router, "-t", "nat", "-A", "POSTROUTING", "-s", net, "!", "-d", net, "-j", "MASQUERADE");
      iptables(router, "-A", "FORWARD", "-o", `site${at}`, ...conntrack, "-j", "ACCEPT");
      iptables(router, "-A", "FORWARD", "-o", `site${at}`, "-j", "DROP");
    },
    cutPair: (one, other) => isolate([one, other], "on"),
    healPair: (one, other) => isolate([one, other], "off"),
    moveHost: (host, number) => {
      const net = host.address.replace(/\.\d+$/, "");
      const address = `${net}.${number}`;
      ip("-n", host.namespace, "addr", "add", `${address}/24`, "dev", "eth0");
      ip("-n", host.namespace, "addr", "del", `${host.address}/24`, "dev", "eth0");
      // The default route left with the old address, and the new one may have become its secondary.
      ip("-n", host.namespace, "addr", "replace", `${address}/24`, "dev", "eth0");
      ip("-n", host.namespace, "route", "replace", "default", "via", `${net}.1`);
      return { ...host, address };
    },
    spawn: (host, command, args, options) =>
      spawn("nsenter", [`--net=/run/netns/${host.namespace}`, command, ...args], {
        env: options.env,
        stdio: options.stdio,
        detached: true,
      }),
    run: (host, command, args, options = {}) =>
      execFileSync("nsenter", [`--net=/run/netns/${host.namespace}`, command, ...args], {
        encoding: "utf8",
        env: options.env ?? process.env,
        input: options.input ?? "",
        timeout: options.timeoutMs ?? 20_000,
        stdio: ["pipe", "pipe", "pipe"],
      }),
    remove: () => {
      for (const namespace of made) removeNamespace(namespace);
    },
  };
}

const probe = (): string => `slprobe${process.pid}`;

function ip(...args: readonly string[]): void {
  execFileSync("ip", args, { stdio: "pipe" });
}

function iptables(namespace: string, ...args: readonly string[]): void {
  execFileSync("nsenter", [`--net=/run/netns/${namespace}`, "iptables", "-w", ...args], { stdio: "pipe" });
}

function removeNamespace(namespace: string): void {
  try {
    ip("netns", "del", namespace);
  } catch {
    // It was not there.
  }
}
