import { Missing, residentBytes, type SyncPeer } from "./peer.ts";
import type { PeerResult } from "./run.ts";
import { createWorkload, type SyncCase } from "./workload.ts";

/** One peer in a process of its own: `child.ts NAME CASE` writes a `PeerResult` to stdout. */
const [name = "", which = "{}"] = process.argv.slice(2);
const result = JSON.stringify(await measured(name, JSON.parse(which) as SyncCase));
process.stdout.write(result, () => process.exit(0));

async function measured(name: string, which: SyncCase): Promise<PeerResult> {
  try {
    const { peer } = (await import(`./${name}.ts`)) as { readonly peer: SyncPeer };
    const workload = createWorkload(which);
    const baselineBytes = residentBytes();
    const figures = await peer.run(workload);
    return { type: "measured", peer: peer.name, version: peer.version, figures, baselineBytes };
  } catch (error) {
    if (error instanceof Missing) return { type: "skipped", peer: name, why: error.message };
    throw error;
  }
}
