import { networkInterfaces } from "node:os";

/**
 * Looks at this machine's addresses every two seconds, which costs a system call: a lease that was renewed
 * with another address, or a modem that came back, is noticed before a peer would miss us.
 */
const lookEveryMs = 2_000;

/** Every address of this machine, loopback included. */
export function ownHosts(): ReadonlySet<string> {
  const infos = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return new Set(infos.map(({ address }) => address));
}

/** Calls back when addresses came or went. @returns the stop. */
export function watchNetwork(
  changed: (present: ReadonlySet<string>) => void,
  read: () => ReadonlySet<string> = ownHosts,
): () => void {
  let last = named(read());
  const timer = setInterval(() => {
    const present = read();
    const name = named(present);
    if (name === last) return;
    last = name;
    changed(present);
  }, lookEveryMs);
  timer.unref();
  return () => clearInterval(timer);
}

const named = (hosts: ReadonlySet<string>): string => [...hosts].sort().join(" ");
