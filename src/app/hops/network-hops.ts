import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { connect, isIP, type Socket } from "node:net";
import { parseAddress } from "../../shells/identity-file/address.ts";
import { failed, passed, type Hop, type HopResult } from "./run-hops.ts";

/** From an address to an open TCP connection. */
export type NetworkPath = {
  /** `host:port` */
  readonly address: string;
  readonly localAddress?: string | undefined;
  ips: readonly string[];
  /** Whoever runs the hops closes it. */
  socket: Socket | undefined;
};

export const networkPath = (address: string, localAddress?: string): NetworkPath => ({
  address,
  localAddress,
  ips: [],
  socket: undefined,
});

const connectTimeoutMs = 3_000;
const ipsMax = 4;

export const networkHops: readonly Hop<NetworkPath>[] = [
  { name: "resolve", run: resolveName },
  { name: "route", run: findRoute },
  { name: "tcp", run: openTcp },
];

async function resolveName(path: NetworkPath): Promise<HopResult> {
  const parsed = parseAddress(path.address);
  if (parsed === undefined) return failed(`${path.address} is no address`, "Write HOST:PORT.");
  if (isIP(parsed.host) !== 0) {
    path.ips = [parsed.host];
    return passed("it is an IP address");
  }
  try {
    const found = await lookup(parsed.host, { all: true });
    path.ips = found.map(({ address }) => address).slice(0, ipsMax);
    return passed(path.ips.join(", "));
  } catch (error) {
    return failed(
      `the name ${parsed.host} has no address here (${codeOf(error)})`,
      "Check the name, and the DNS server of this machine (/etc/resolv.conf); or use an IP address.",
    );
  }
}

/** A datagram socket that is connected asks the kernel for its route, and sends nothing. */
async function findRoute(path: NetworkPath): Promise<HopResult> {
  const port = parseAddress(path.address)?.port ?? 0;
  const fix = "Look at `ip route get ADDRESS`: an interface is down, or there is no default route.";
  let failure = "";
  const reachable: string[] = [];
  const sources = new Set<string>();
  for (const ip of path.ips) {
    const socket = createSocket(isIP(ip) === 6 ? "udp6" : "udp4");
    try {
      await new Promise<void>((resolve, reject) => {
        // Its types leave out that a failure comes as the callback's argument.
        socket.connect(port, ip, ((error?: Error) => (error ? reject(error) : resolve())) as () => void);
      });
      sources.add(socket.address().address);
      reachable.push(ip);
    } catch (error) {
      failure = `no route to ${ip} from here (${codeOf(error)})`;
    } finally {
      socket.close();
    }
  }
  if (reachable.length === 0) return failed(failure, fix);
  path.ips = reachable;
  return passed(`from ${[...sources].join(", ")}`);
}

async function openTcp(path: NetworkPath): Promise<HopResult> {
  const port = parseAddress(path.address)?.port ?? 0;
  let code = "";
  for (const host of path.ips) {
    const begun = performance.now();
    try {
      path.socket = await connected(host, port, path.localAddress);
      return passed(`${host}, ${Math.round(performance.now() - begun)} ms`);
    } catch (error) {
      code = codeOf(error);
    }
  }
  return tcpFailure(code, port);
}

function tcpFailure(code: string, port: number): HopResult {
  switch (code) {
    case "ECONNREFUSED":
      return failed(
        "the machine answers, but nothing listens on that port: is the agent running?",
        `Start the agent there, or use the port it listens on instead of ${port}.`,
      );
    case "ETIMEDOUT":
      return failed(
        "no answer: wrong address, a firewall, or no link",
        `See whether the machine is on, and whether a firewall on the way lets TCP port ${port} through.`,
      );
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return failed(
        "nobody on the network answers for that address",
        "See whether the machine is on, its cable is in, and it still has that address.",
      );
    case "EADDRNOTAVAIL":
      return failed(
        "this machine does not have the address that `dialFrom` names",
        "Correct `dialFrom` in config.yaml, or leave it out.",
      );
    default:
      return failed(`the connection failed: ${code}`, "See whether a firewall or proxy is on the way.");
  }
}

function connected(host: string, port: number, localAddress: string | undefined): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, ...(localAddress === undefined ? {} : { localAddress }) });
    const timer = setTimeout(() => socket.destroy(timedOut()), connectTimeoutMs);
    socket.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.removeAllListeners("error");
      // Who uses it listens again; until then an error must not end the process.
      socket.on("error", () => {});
      resolve(socket);
    });
  });
}

const timedOut = (): Error => Object.assign(new Error("no answer"), { code: "ETIMEDOUT" });

function codeOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}
