import { randomBytes } from "node:crypto";
import { createWriteStream, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Json } from "../../core/kernel/json.ts";
import type { HttpRequest } from "../../ports/http.ts";
import { BundleError } from "../../shells/bundle-file/bundle-error.ts";
import { sourceOfBytes } from "../../shells/bundle-file/read-bundle.ts";
import { layoutOf } from "../../shells/identity-file/layout.ts";
import { AppError } from "../app-error.ts";
import type { Driver } from "../driver.ts";
import { exitCodes } from "../exit-codes.ts";
import { exportBundle, exportHeads, headsBytesMax, readHeads } from "./make-bundle.ts";
import { runningSource } from "./source.ts";
import { takeBundle } from "./take-bundle.ts";

/**
 * Bundles of a running node, for the group `system:masters`. Files travel as they are, as streams.
 *
 *     POST /starlight/v1/bundle/export?site=NAME   [heads file] -> bundle
 *     POST /starlight/v1/bundle/heads                           -> heads file
 *     POST /starlight/v1/bundle/import             bundle       -> ImportReport
 */
export type BundleReply =
  | { readonly status: number; readonly body: Json }
  | { readonly status: number; readonly stream: AsyncIterable<Uint8Array> };

export type BundleRoutes = {
  readonly [path: string]: (request: HttpRequest, query: URLSearchParams) => Promise<BundleReply>;
};

export function createBundleRoutes(directory: string, driver: Driver): BundleRoutes {
  const source = runningSource(driver);
  const folder = layoutOf(directory).incoming;
  let importing = false;
  return {
    "/starlight/v1/bundle/export": async (request, query) => {
      const bytes = await bytesOf(request);
      const since = bytes.length === 0 ? undefined : await readHeads(sourceOfBytes(bytes));
      const site = query.get("site") ?? undefined;
      return { status: 200, stream: exportBundle(source, { site, since, now: Date.now() }) };
    },
    "/starlight/v1/bundle/heads": () =>
      Promise.resolve({ status: 200, stream: exportHeads(source, Date.now()) }),
    "/starlight/v1/bundle/import": async (request) => {
      if (importing) return problem(429, "another bundle is being imported; try again when that is done");
      importing = true;
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const path = join(folder, randomBytes(8).toString("hex"));
      try {
        await pipeline(request, createWriteStream(path, { flags: "wx", mode: 0o600 }));
        return { status: 200, body: (await takeBundle(path, driver)) as unknown as Json };
      } finally {
        importing = false;
        rmSync(path, { force: true });
      }
    },
  };
}

/** A failure as a reply; undefined for a bug. */
export function bundleProblem(error: unknown): BundleReply | undefined {
  if (error instanceof BundleError)
    return problem(error.failure.type === "wrong-mesh" ? 409 : 422, error.message);
  if (error instanceof AppError) {
    const status = error.exitCode === exitCodes.diskFull ? 507 : 422;
    return problem(status, [error.what, error.kept, error.fix].filter((part) => part !== "").join(" "));
  }
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT")
    return problem(507, "no space is left on the node's disk; nothing was imported");
  return undefined;
}

/** RFC 9457. */
const problem = (status: number, detail: string): BundleReply => ({
  status,
  body: { type: "about:blank", status, detail },
});

async function bytesOf(request: HttpRequest): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > headsBytesMax) throw new BundleError({ type: "altered", detail: "too long for heads" });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
