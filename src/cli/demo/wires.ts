import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/**
 * The network between the demo's machines: one TCP forwarder in front of every node, which knows each
 * caller by its source address. Cutting a site stops every byte between it and the others, old
 * connections and new ones alike, without a word to either side: what a broken uplink does.
 */
export type Wires = {
  /** A wire to a node; returns the address that others reach it at. */
  readonly add: (node: {
    readonly name: string;
    readonly site: string;
    readonly address: string;
  }) => Promise<string>;
  /** Where the node itself listens now; undefined while it is down. */
  readonly plug: (name: string, target: { readonly host: string; readonly port: number } | undefined) => void;
  readonly cut: (site: string) => void;
  readonly heal: (site: string) => void;
  readonly close: () => void;
};

type Wire = {
  readonly name: string;
  readonly site: string;
  readonly address: string;
  readonly port: number;
  server: Server | undefined;
  target: { readonly host: string; readonly port: number } | undefined;
};

type Pair = {
  readonly sites: readonly [string, string];
  readonly near: Socket;
  far: Socket | undefined;
  readonly release: () => void;
};

export function createWires(): Wires {
  const wires = new Map<string, Wire>();
  const siteByAddress = new Map<string, string>();
  const cuts = new Set<string>();
  const pairs = new Set<Pair>();
  const isCut = ([from, to]: readonly [string, string]): boolean =>
    from !== to && (cuts.has(from) || cuts.has(to));

  const carry = (wire: Wire, near: Socket): void => {
    const caller = siteByAddress.get(near.remoteAddress ?? "") ?? "outside";
    const sites = [caller, wire.site] as const;
    near.setNoDelay(true);
    near.on("error", () => {});
    near.pause();
    const open = (): void => {
      const { target } = wire;
      if (target === undefined) return void near.resetAndDestroy();
      const far = connect(target);
      pair.far = far;
      far.setNoDelay(true);
      far.on("error", () => listenOnlyIfAnswered(wire));
      join(near, far);
      join(far, near);
      near.resume();
    };
    const join = (from: Socket, to: Socket): void => {
      from.on("data", (chunk: Buffer) => {
        if (!to.write(chunk)) from.pause();
        if (isCut(sites)) from.pause();
      });
      to.on("drain", () => {
        if (!isCut(sites)) from.resume();
      });
      from.on("close", () => {
        if (isCut(sites)) return;
        pairs.delete(pair);
        to.destroy();
        if (from === pair.far) listenOnlyIfAnswered(wire);
      });
    };
    const pair: Pair = {
      sites,
      near,
      far: undefined,
      release: () => {
        if (near.destroyed || pair.far?.destroyed === true) {
          near.destroy();
          pair.far?.destroy();
          pairs.delete(pair);
        } else if (pair.far === undefined) open();
        else {
          near.resume();
          pair.far.resume();
        }
      },
    };
    pairs.add(pair);
    if (!isCut(sites)) open();
  };

  /** A machine whose agent is gone refuses connections: so does its wire. */
  const listenOnlyIfAnswered = (wire: Wire): void => {
    const { target } = wire;
    if (target === undefined) return unlisten(wire);
    const probe = connect(target);
    probe.on("connect", () => probe.destroy());
    probe.on("error", () => unlisten(wire));
  };

  const listen = (wire: Wire): Promise<number> =>
    new Promise((resolve, reject) => {
      const server = createServer((socket) => carry(wire, socket));
      server.on("error", reject);
      server.listen(wire.port, wire.address, () => {
        wire.server = server;
        resolve((server.address() as AddressInfo).port);
      });
    });

  const unlisten = (wire: Wire): void => {
    wire.server?.close();
    wire.server = undefined;
  };

  return {
    add: async ({ name, site, address }) => {
      siteByAddress.set(address, site);
      const draft: Wire = {
        name,
        site,
        address: address.replace("127.1.", "127.2."),
        port: 0,
        server: undefined,
        target: undefined,
      };
      const port = await listen(draft);
      const wire: Wire = { ...draft, port, server: undefined };
      draft.server?.close();
      wires.set(name, wire);
      return `${wire.address}:${port}`;
    },
    plug: (name, target) => {
      const wire = wires.get(name);
      if (wire === undefined) return;
      wire.target = target;
      if (target === undefined) unlisten(wire);
      else if (wire.server === undefined) listen(wire).catch(() => {});
    },
    cut: (site) => {
      cuts.add(site);
      for (const pair of pairs) {
        if (!isCut(pair.sites)) continue;
        pair.near.pause();
        pair.far?.pause();
      }
    },
    heal: (site) => {
      cuts.delete(site);
      for (const pair of pairs) if (!isCut(pair.sites)) pair.release();
    },
    close: () => {
      for (const wire of wires.values()) unlisten(wire);
      for (const { near, far } of pairs) {
        near.destroy();
        far?.destroy();
      }
    },
  };
}
