import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { SyncFigures } from "./peer.ts";
import { createWorkload, defaultSize, exchanges, floorBytes, type SyncCase } from "./workload.ts";

export type PeerResult =
  | {
      readonly type: "measured";
      readonly peer: string;
      readonly version: string;
      readonly figures: SyncFigures;
      /** Resident memory of the process with the workload and the library in it, but no records yet. */
      readonly baselineBytes: number;
    }
  /** Not installed here; `why` says how to get it. */
  | { readonly type: "skipped"; readonly peer: string; readonly why: string };

/** Each is a file beside this one that exports `peer`. */
export const peerNames = [
  "starlight",
  "yjs",
  "loro",
  "automerge",
  "automerge-each",
  "tinybase",
  "tinybase-many",
  "pouchdb",
  "etcd-watch",
  "etcd-list",
] as const;

/** Runs each peer alone in a process of its own, one after the other, so that memory and processor are its. */
export async function runPeers(
  which: SyncCase,
  progress: (line: string) => void,
  names: readonly string[] = peerNames,
): Promise<PeerResult[]> {
  const results: PeerResult[] = [];
  for (const name of names) {
    const result = await inChild(name, which);
    progress(
      result.type === "skipped"
        ? `${name} skipped: ${result.why}`
        : `${result.peer} ${result.version}: ${result.figures.bytes} bytes`,
    );
    results.push(result);
  }
  return results;
}

async function inChild(name: string, which: SyncCase): Promise<PeerResult> {
  const args = [
    "--expose-gc",
    "--disable-warning=ExperimentalWarning",
    join(import.meta.dirname, "child.ts"),
  ];
  const { stdout } = await promisify(execFile)(process.execPath, [...args, name, JSON.stringify(which)], {
    timeout: 180_000,
  });
  return JSON.parse(stdout) as PeerResult;
}

/** `node bench/sync-peers/run.ts [NAME...]`: the peers' figures as a table, for every exchange. */
async function main(names: readonly string[]): Promise<void> {
  for (const writers of [2, 20]) {
    for (const exchange of exchanges) {
      const which = { ...defaultSize, ...exchange, writers };
      const floor = floorBytes(createWorkload(which).changes.flat());
      process.stdout.write(
        `\n${exchange.changedA} + ${exchange.changedB}, ${writers} writers, floor ${floor}\n`,
      );
      const quiet = (): void => {};
      const results = await runPeers(which, quiet, names.length > 0 ? names : peerNames);
      process.stdout.write(results.map(row).join(""));
    }
  }
}

function row(result: PeerResult): string {
  if (result.type === "skipped") return `${result.peer} skipped: ${result.why}\n`;
  const { bytes, rawBytes, messages, cpuMs, rssBytes, agree } = result.figures;
  const cells = [
    `${result.peer} ${result.version}`.padEnd(44),
    `${bytes} bytes`.padStart(14),
    `${rawBytes} raw`.padStart(12),
    `${messages} messages`.padStart(12),
    `${cpuMs.toFixed(0)} ms`.padStart(8),
    `${(rssBytes / 1e6).toFixed(0)} MB (before ${(result.baselineBytes / 1e6).toFixed(0)})`.padStart(21),
    agree ? "agree" : "DIFFER",
  ];
  return `${cells.join(" ")}\n`;
}

if (import.meta.main) await main(process.argv.slice(2));
