import { copyFileSync, existsSync, statSync, truncateSync } from "node:fs";
import { open } from "node:fs/promises";
import type { LogOptions } from "../../ports/runtime.ts";

/** A container's log: one file it writes itself, and the one before. */

const rotateBytes = 10 * 1024 * 1024;
const followEveryMs = 150;
const chunkBytes = 64 * 1024;

/** Moves a big log aside and empties it in place: the program goes on writing to the same file. */
export function rotateLog(file: string): void {
  try {
    if (statSync(file).size < rotateBytes) return;
    copyFileSync(file, `${file}.1`);
    truncateSync(file, 0);
  } catch {
    // The pod is going away.
  }
}

export async function* readLog(
  file: string,
  options: LogOptions,
  isGone: () => boolean,
): AsyncGenerator<Uint8Array, void, void> {
  if (!existsSync(file)) return;
  const handle = await open(file, "r");
  try {
    let at = options.tailLines === undefined ? 0 : await tailStart(handle, options.tailLines);
    for (;;) {
      const { size } = await handle.stat();
      if (size < at) at = 0;
      while (at < size) {
        const buffer = Buffer.alloc(Math.min(chunkBytes, size - at));
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
        if (bytesRead === 0) break;
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
      if (!options.follow || options.signal?.aborted === true) return;
      if (isGone()) return;
      await new Promise((resolve) => setTimeout(resolve, followEveryMs));
    }
  } finally {
    await handle.close();
  }
}

/** Where the last `lines` lines begin, reading backwards. */
async function tailStart(handle: Awaited<ReturnType<typeof open>>, lines: number): Promise<number> {
  const { size } = await handle.stat();
  if (lines <= 0) return size;
  let found = 0;
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - chunkBytes);
    const buffer = Buffer.alloc(end - start);
    await handle.read(buffer, 0, buffer.length, start);
    for (let at = buffer.length - 1; at >= 0; at--) {
      if (buffer[at] === 0x0a && start + at !== size - 1 && ++found === lines) return start + at + 1;
    }
    end = start;
  }
  return 0;
}
