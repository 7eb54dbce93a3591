import { createReadStream, createWriteStream, existsSync, renameSync, rmSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { findAgent } from "../app/agent-file.ts";
import { layoutOf } from "../shells/identity-file/layout.ts";
import { withBundle, type OpenBundle } from "../shells/bundle-file/read-bundle.ts";
import { CommandError } from "./command-error.ts";
import type { ConnectOptions } from "./client.ts";

/** Files that commands read and write; errors of the file system as sentences. */

/** Whether the data folder is meant itself: no server is named, and no agent runs on it. */
export function isOffline({ data, kubeconfig, server }: ConnectOptions): boolean {
  const named = server ?? kubeconfig ?? process.env["STARLIGHT_KUBECONFIG"];
  return named === undefined && existsSync(layoutOf(data).identity) && findAgent(data) === undefined;
}

/** Writes a bundle whole, or not at all: aside, on disk, read back, renamed. Reports on it from `look`. */
export async function saveBundle<T>(
  path: string,
  bytes: AsyncIterable<Uint8Array> | Readable,
  look: (bundle: OpenBundle) => Promise<T>,
): Promise<T> {
  const aside = `${path}.${process.pid}.new`;
  try {
    await pipeline(bytes, createWriteStream(aside, { flags: "wx", flush: true }));
    const seen = await withBundle(aside, look);
    renameSync(aside, path);
    const folder = await open(dirname(path), "r");
    await folder.sync().catch(() => undefined);
    await folder.close();
    return seen;
  } catch (error) {
    rmSync(aside, { force: true });
    throw fileError(path, error);
  }
}

export async function readBundle<T>(path: string, look: (bundle: OpenBundle) => Promise<T>): Promise<T> {
  try {
    return await withBundle(path, look);
  } catch (error) {
    throw fileError(path, error);
  }
}

export const streamOf = (path: string): Readable => createReadStream(path);

export function sizeText(bytes: number): string {
  if (bytes < 10_000) return `${bytes} bytes`;
  return bytes < 10_000_000 ? `${Math.round(bytes / 1000)} kB` : `${Math.round(bytes / 1e6)} MB`;
}

export const sizeOf = (path: string): number => statSync(path).size;

function fileError(path: string, error: unknown): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (typeof code !== "string" || syscall === undefined) return error;
  if (code === "ENOSPC" || code === "EDQUOT")
    return new CommandError("diskFull", `no space is left for ${path}`);
  return new CommandError("failed", `${path}: ${code === "ENOENT" ? "no such file or folder" : code}`);
}
