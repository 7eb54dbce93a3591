import { join } from "node:path";
import type { NodeId } from "../core/records/record.ts";
import { layoutOf } from "../shells/identity-file/layout.ts";
import { loadIdentity } from "../shells/identity-file/load-identity.ts";
import { loadConfig, type ConfigSources } from "./config.ts";

/** Where a node's records are. */
export type StoreFiles = { readonly database: string; readonly mirror: string | undefined };

/** Nodes may share a mirror's folder: each has a file of its own name. */
export function mirrorFile(mirrorPath: string, node: NodeId): string | undefined {
  return mirrorPath === "" ? undefined : join(mirrorPath, `${node}.db`);
}

/** The files of a data folder while no agent runs there. */
export async function storeFiles(sources: ConfigSources): Promise<StoreFiles> {
  const { config } = await loadConfig(sources);
  const mirror =
    config.mirrorPath === ""
      ? undefined
      : mirrorFile(config.mirrorPath, loadIdentity(sources.directory).node.id);
  return { database: layoutOf(sources.directory).database, mirror };
}
