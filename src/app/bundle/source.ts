import { existsSync } from "node:fs";
import type { Signer } from "../../core/kernel/crypto.ts";
import type { NodeIdentity } from "../../core/node/contract.ts";
import { storeOnDisk } from "../../core/node/stored.ts";
import { memberBody } from "../../core/records/bodies.ts";
import { bodyOf } from "../../core/records/record.ts";
import { partsOf } from "../../core/records/keys.ts";
import { keeps, type Place } from "../../core/records/scope.ts";
import { headsIn, makeBundle, type Bundle } from "../../core/sync/bundle.ts";
import type { LogAt } from "../../core/sync/frames.ts";
import { nodeCrypto } from "../../shells/crypto-node/node-crypto.ts";
import { layoutOf } from "../../shells/identity-file/layout.ts";
import { loadIdentity } from "../../shells/identity-file/load-identity.ts";
import { openSqliteStorage } from "../../shells/storage-sqlite/sqlite-storage.ts";
import { AppError } from "../app-error.ts";
import type { Driver } from "../driver.ts";
import { exitCodes } from "../exit-codes.ts";

/** What bundles are made of: a running node, or the data folder of one that does not run. */
export type BundleSource = {
  readonly identity: NodeIdentity;
  readonly signer: Signer;
  /** Where members stand. */
  readonly places: () => readonly Place[];
  readonly bundle: (to: Place | undefined, since: readonly LogAt[]) => Bundle;
  readonly heads: () => readonly LogAt[];
};

export function runningSource({ view, env }: Driver): BundleSource {
  return {
    identity: view.identity,
    signer: env().signer,
    places: () => view.members().map(({ member }) => member),
    bundle: (to, since) => view.bundle(to, since, nodeCrypto),
    heads: view.heads,
  };
}

/** Nothing is written. Throws when an agent runs on the folder, or never ran. */
export async function sourceOnDisk(directory: string): Promise<BundleSource> {
  const { node, signer } = loadIdentity(directory);
  const path = layoutOf(directory).database;
  if (!existsSync(path)) {
    throw new AppError({
      exitCode: exitCodes.failed,
      what: `there are no records in ${directory} yet: its agent never ran`,
      kept: "",
      fix: "Start it once with `starlight agent`.",
    });
  }
  const storage = openSqliteStorage(path);
  const frames = Array.from(storage.load(), ({ bytes }) => bytes);
  await storage.close();
  const { store } = storeOnDisk(frames, node.id, nodeCrypto);
  return {
    identity: node,
    signer,
    places: () =>
      [...store.bySlot.values()].flatMap((record) => {
        const member = partsOf(record.key)?.type === "member" ? memberBody(bodyOf(record)) : undefined;
        return member === undefined ? [] : [member];
      }),
    bundle: (to, since) =>
      makeBundle(store, (scope) => keeps(node, scope) && keeps(to ?? node, scope), since, nodeCrypto),
    heads: () => headsIn(store, (scope) => keeps(node, scope)),
  };
}
