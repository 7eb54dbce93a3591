import type { Discovery, DiscoveryOptions } from "./discovery.ts";

/** A local network without sockets, for tests. */
export function createMemoryLan(): { readonly open: (options: DiscoveryOptions) => Discovery } {
  const present = new Set<DiscoveryOptions>();
  let hosts = 0;
  return {
    open: (options) => {
      const host = `10.0.0.${++hosts}`;
      const hostOf = new Map<DiscoveryOptions, string>([[options, host]]);
      present.add(options);
      const tell = (to: DiscoveryOptions, from: DiscoveryOptions): void => {
        const { announce } = from;
        if (announce === undefined || to === from || !present.has(to) || !present.has(from)) return;
        const { meshId, nodeId, port } = announce;
        const address = `${hostOf.get(from) ?? "10.0.0.254"}:${port}`;
        setImmediate(() => to.seen({ meshId, nodeId, address, version: 1 }));
      };
      for (const peer of present) tell(peer, options);
      return {
        seek: () => {
          for (const peer of present) tell(options, peer);
        },
        stop: () => {
          present.delete(options);
          return Promise.resolve();
        },
      };
    },
  };
}
