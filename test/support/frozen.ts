import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { zstdDecompressSync } from "node:zlib";
import type { createNode } from "../../src/core/node/create-node.ts";

/**
 * The core as it was when `npm run freeze` ran for this protocol, unpacked into a new folder.
 *
 * @param edit What becomes of a module's source: makes a version of it that knows less.
 * @returns Its `createNode`, and the folder, which is the caller's to remove.
 */
export async function unpackFrozen(
  protocol: number,
  edit: (path: string, source: string) => string = (_, source) => source,
): Promise<{ readonly createNode: typeof createNode; readonly folder: string }> {
  const file = new URL(`../fixtures/frozen/node-core-v${protocol}.json.zst`, import.meta.url);
  const sources = JSON.parse(zstdDecompressSync(readFileSync(file)).toString()) as {
    readonly [path: string]: string;
  };
  const folder = mkdtempSync(join(tmpdir(), "starlight-frozen-"));
  for (const [path, source] of Object.entries(sources)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), edit(path, source));
  }
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  const module = (await import(pathToFileURL(join(folder, "node/create-node.js")).href)) as {
    readonly createNode: typeof createNode;
  };
  return { createNode: module.createNode, folder };
}
