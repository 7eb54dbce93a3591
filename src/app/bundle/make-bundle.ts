import type { Place } from "../../core/records/scope.ts";
import { bundleToSign, headFrames, readHeadFrame } from "../../core/sync/bundle.ts";
import { spoken } from "../../core/records/protocol.ts";
import type { LogAt } from "../../core/sync/frames.ts";
import { BundleError } from "../../shells/bundle-file/bundle-error.ts";
import { scopesOf, type BundleHeader } from "../../shells/bundle-file/header.ts";
import { openBundle, type ByteSource, type OpenBundle } from "../../shells/bundle-file/read-bundle.ts";
import { bundleBytes } from "../../shells/bundle-file/write-bundle.ts";
import { nodeCrypto } from "../../shells/crypto-node/node-crypto.ts";
import { AppError } from "../app-error.ts";
import { exitCodes } from "../exit-codes.ts";
import type { BundleSource } from "./source.ts";

/** Bundles and heads as streams of bytes, from a node that runs or from its folder. */

export type ExportOptions = {
  /** Only the scopes that this site keeps. */
  readonly site: string | undefined;
  /** The heads file of the other side: only what it lacks. */
  readonly since: Heads | undefined;
  readonly now: number;
};

export type Heads = { readonly header: BundleHeader; readonly logs: readonly LogAt[] };

export const headsBytesMax = 32 * 1024 * 1024;

export function exportBundle(source: BundleSource, options: ExportOptions): AsyncGenerator<Uint8Array> {
  const { site, since, now } = options;
  const { id, name } = source.identity.mesh;
  if (since !== undefined) checkMesh(since.header, source);
  const to = site === undefined ? undefined : placeOf(source, site);
  const { scopes, records, frames } = source.bundle(to, since?.logs ?? []);
  const header: BundleHeader = {
    ...headOf(source, now),
    kind: "bundle",
    mesh: { id, name },
    ...(to === undefined ? {} : { to: { site: to.site, region: to.region } }),
    ...(since === undefined ? {} : { since: { by: since.header.by, madeAtMs: since.header.madeAtMs } }),
    records,
    scopes: scopesOf(scopes),
  };
  return bundleBytes(header, frames, (digest) => source.signer.sign(bundleToSign(digest)));
}

export function exportHeads(source: BundleSource, now: number): AsyncGenerator<Uint8Array> {
  const header: BundleHeader = { ...headOf(source, now), kind: "heads", records: 0, scopes: [] };
  return bundleBytes(header, headFrames(source.heads(), nodeCrypto), (digest) =>
    source.signer.sign(bundleToSign(digest)),
  );
}

export async function readHeads(bytes: ByteSource): Promise<Heads> {
  const opened = await openBundle(bytes);
  return { header: opened.header, logs: await headsOf(opened) };
}

export async function headsOf({ header, frames }: OpenBundle): Promise<readonly LogAt[]> {
  checkKind(header, "heads");
  const logs: LogAt[] = [];
  for await (const frame of frames()) {
    const read = readHeadFrame(frame, nodeCrypto);
    if (read === undefined) throw new BundleError({ type: "altered", detail: "a part of it is not heads" });
    for (const log of read) logs.push(log);
  }
  return logs;
}

export function checkKind(header: BundleHeader, wanted: BundleHeader["kind"]): void {
  if (header.kind !== wanted) throw new BundleError({ type: "kind", is: header.kind, wanted });
}

export function checkMesh(header: BundleHeader, { identity }: Pick<BundleSource, "identity">): void {
  const { mesh } = identity;
  if (header.mesh.id === mesh.id) return;
  const [theirs, ours] = [header.mesh, mesh].map(({ id, name }) => `${name} (${id})`);
  throw new BundleError({ type: "wrong-mesh", theirs: theirs ?? "", ours: ours ?? "" });
}

function headOf(
  { identity }: BundleSource,
  now: number,
): Pick<BundleHeader, "protocol" | "mesh" | "by" | "madeAtMs"> {
  const { id, name, site, mesh } = identity;
  return {
    protocol: spoken.max,
    mesh: { id: mesh.id, name: mesh.name },
    by: { id, name, site },
    madeAtMs: Math.max(0, Math.floor(now)),
  };
}

function placeOf(source: BundleSource, site: string): Place {
  const found = source.places().find((place) => place.site === site);
  if (found !== undefined) return found;
  throw new AppError({
    exitCode: exitCodes.failed,
    what: `no member stands in a site called ${site}`,
    kept: "",
    fix: "",
  });
}
