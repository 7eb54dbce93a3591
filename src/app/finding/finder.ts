import type { NodeView } from "../../core/node/contract.ts";
import type { NodeId } from "../../core/records/record.ts";
import type { Discovery } from "../../ports/discovery.ts";
import type { Identity } from "../../ports/identity.ts";
import type { Address } from "../../shells/identity-file/address.ts";
import { localAddressOf, type Config } from "../config-schema.ts";
import type { Log } from "../log.ts";
import type { Hints } from "./hints.ts";

/**
 * Looks for members that are out of view: on the local network by mDNS, and at the seeds. Often at first,
 * then ever more rarely, up to once a minute; nobody is looked for while everybody is there.
 */
export type FinderOptions = {
  readonly identity: Identity;
  readonly listen: Address;
  readonly settings: Pick<Config, "discovery" | "seeds" | "dialFrom">;
  readonly view: NodeView;
  readonly admits: (peer: NodeId, tlsKey: string) => boolean;
  readonly hints: Hints;
  readonly log: Log;
};

const seekEveryMs = { first: 2_000, last: 60_000 };
/** How often it is looked whether somebody is missing. */
const lookEveryMs = 5_000;
const firstLookMs = 1_000;

export async function startFinder(options: FinderOptions): Promise<() => Promise<void>> {
  const { view, settings } = options;
  const ended = new AbortController();
  const discovery = await openDiscovery(options);
  if (discovery === undefined && settings.seeds.length === 0) return () => Promise.resolve();
  let everyMs = firstLookMs;
  let sought = 0;
  let timer: NodeJS.Timeout | undefined;

  const seek = async (): Promise<void> => {
    const missing = view.members().some(({ self, evidence }) => !self && evidence.verdict !== "alive");
    sought = missing ? sought + 1 : 0;
    everyMs = missing
      ? Math.min(seekEveryMs.last, seekEveryMs.first * 2 ** Math.min(sought - 1, 10))
      : lookEveryMs;
    if (missing) discovery?.seek();
    if (missing && settings.seeds.length > 0) await seekAtSeeds(options, ended.signal);
    if (!ended.signal.aborted) arm();
  };
  const arm = (): void => {
    timer = setTimeout(() => void seek(), everyMs * (0.75 + Math.random() / 2));
    timer.unref();
  };
  arm();
  return async () => {
    ended.abort();
    clearTimeout(timer);
    await discovery?.stop();
  };
}

async function seekAtSeeds(options: FinderOptions, signal: AbortSignal): Promise<void> {
  const { settings, identity, admits, hints, log } = options;
  const { askSeeds } = await import("./seeds.ts");
  const { whoAnswers } = await import("../../shells/transport-http2/who-answers.ts");
  const localAddress = localAddressOf(settings);
  const deps = {
    whoAnswers: (address: string) => whoAnswers(address, { identity, admits, signal, localAddress }),
    found: (node: NodeId, address: string) => {
      if (node !== identity.node.id) hints.add(node, address);
    },
    log: (message: string) => log("debug", "Seeds", message),
  };
  await askSeeds(settings.seeds, deps, signal);
}

/** Undefined where it is off, has no network to speak on, or the port cannot be opened. */
async function openDiscovery(options: FinderOptions): Promise<Discovery | undefined> {
  const { settings, identity, listen, hints, log } = options;
  if (settings.discovery === "off") return undefined;
  const { lansFor } = await import("../../shells/discovery-mdns/interfaces.ts");
  const lans = (): ReturnType<typeof lansFor> => lansFor(listen.host);
  // A mesh on the loopback interface has no neighbours.
  if (lans().length === 0) return undefined;
  const { createMdnsDiscovery } = await import("../../shells/discovery-mdns/create-discovery.ts");
  try {
    return await createMdnsDiscovery({
      announce: { meshId: identity.node.mesh.id, nodeId: identity.node.id, port: listen.port },
      lans,
      seen: ({ meshId, nodeId, address }) => {
        if (meshId === identity.node.mesh.id) hints.add(nodeId, address);
      },
      log: (message) => log("debug", "Discovery", message),
    });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    log("warning", "Discovery", `nodes on the local network are not looked for: ${why}`);
    return undefined;
  }
}
