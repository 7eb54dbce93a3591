import { logName } from "../../core/records/log.ts";
import type { BundleReport } from "../../core/node/contract.ts";
import { keeps } from "../../core/records/scope.ts";
import { readBundleFrame, type BundlePart } from "../../core/sync/bundle.ts";
import { BundleError } from "../../shells/bundle-file/bundle-error.ts";
import { leadsTo, type BundleHeader } from "../../shells/bundle-file/header.ts";
import { withBundle, type OpenBundle } from "../../shells/bundle-file/read-bundle.ts";
import { nodeCrypto } from "../../shells/crypto-node/node-crypto.ts";
import { AppError } from "../app-error.ts";
import type { Driver } from "../driver.ts";
import { exitCodes } from "../exit-codes.ts";
import { checkKind, checkMesh } from "./make-bundle.ts";

/** What an import did, and what the node knows now. */
export type ImportReport = BundleReport & {
  readonly header: BundleHeader;
  /** Logs of which something before the bundle is missing here: it was made for a node that knew more. */
  readonly gaps: number;
  /** Everything that the maker knew of the bundle's scopes is known here. */
  readonly complete: boolean;
  /** And nothing beyond it. */
  readonly same: boolean;
  readonly now: { readonly records: number; readonly setAside: number };
};

const refusalsMax = 100;

/**
 * Takes a bundle in. The whole file is read and decoded before its first record is used; then it goes to
 * the core part by part, each on disk before the next. Should the disk refuse on the way, what came before
 * stays: every record stands for itself, as in a sync, and importing again completes it.
 */
export function takeBundle(path: string, driver: Driver): Promise<ImportReport> {
  return withBundle(path, async (bundle) => {
    const { header, digest, signature } = bundle;
    const { view } = driver;
    checkKind(header, "bundle");
    checkMesh(header, view);
    const reach = await checkFrames(bundle);
    const maker = { node: header.by.id, digest, signature };
    let sum: BundleReport = nothing;
    const give = async (part: BundlePart, whole: boolean): Promise<void> => {
      const report = await driver.takeBundle({ ...part, maker, whole });
      if (report === undefined) throw refusedByDisk();
      sum = added(sum, report);
    };
    for await (const part of partsOf(bundle)) await give(part, false);
    const heads = new Map(view.heads().map((log) => [logName(log), log.at] as const));
    const kept = [...reach].filter(([, { scope }]) => keeps(view.identity, scope));
    const gaps = kept.filter(([name, { to }]) => (heads.get(name) ?? 0) < to).length;
    // With what our own heads left out, this is all that the maker held for us.
    const forUs = header.to === undefined || header.to.site === view.identity.site;
    const sinceOurs = header.since === undefined || header.since.by.id === view.identity.id;
    await give({ records: [], covers: [] }, sum.vouched && gaps === 0 && forUs && sinceOurs);
    const open = sum.refused + sum.setAside + sum.waiting;
    const { total, setAside } = view.records();
    return {
      ...sum,
      header,
      gaps: sum.vouched ? gaps : 0,
      complete: sum.vouched && gaps + open === 0,
      same: leadsTo(header, view.stateHash()),
      now: { records: total, setAside },
    };
  });
}

/** Decodes everything once; how far each log is covered by it. */
export async function checkFrames(
  bundle: OpenBundle,
): Promise<ReadonlyMap<string, BundlePart["covers"][number]>> {
  const reach = new Map<string, BundlePart["covers"][number]>();
  for await (const { covers } of partsOf(bundle)) for (const log of covers) reach.set(logName(log), log);
  return reach;
}

export async function* partsOf({ frames }: OpenBundle): AsyncGenerator<BundlePart> {
  for await (const frame of frames()) {
    const part = readBundleFrame(frame, nodeCrypto);
    if (part === undefined) throw new BundleError({ type: "altered", detail: "a part of it is not records" });
    yield part;
  }
}

const nothing: BundleReport = {
  records: 0,
  fresh: 0,
  known: 0,
  setAside: 0,
  waiting: 0,
  elsewhere: 0,
  refused: 0,
  refusals: [],
  vouched: true,
};

/** The maker may become known with the first part, so the last word on it counts. */
function added(sum: BundleReport, next: BundleReport): BundleReport {
  return {
    records: sum.records + next.records,
    fresh: sum.fresh + next.fresh,
    known: sum.known + next.known,
    setAside: sum.setAside + next.setAside,
    waiting: sum.waiting + next.waiting,
    elsewhere: sum.elsewhere + next.elsewhere,
    refused: sum.refused + next.refused,
    refusals: [...sum.refusals, ...next.refusals].slice(0, refusalsMax),
    vouched: next.vouched,
  };
}

function refusedByDisk(): AppError {
  return new AppError({
    exitCode: exitCodes.diskFull,
    what: "the node's disk refused a part of the bundle, or its agent is stopping",
    kept: "What came before that part is taken and stays.",
    fix: "Make room and import the file again: what is known already is skipped.",
  });
}
