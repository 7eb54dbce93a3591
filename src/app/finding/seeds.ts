import { resolveSrv } from "node:dns/promises";
import type { NodeId } from "../../core/records/record.ts";
import { formatAddress, parseAddress } from "../../shells/identity-file/address.ts";
import { isServiceName, seedsMax } from "./seed-names.ts";

const targetsMax = 32;

export type SeedsDeps = {
  /** RFC 2782: the targets of a service, in any order. */
  readonly services?: (
    name: string,
  ) => Promise<readonly { readonly name: string; readonly port: number; readonly priority: number }[]>;
  /** Who answers there and proves it; undefined when nobody of this mesh does. */
  readonly whoAnswers: (address: string, signal: AbortSignal) => Promise<NodeId | undefined>;
  readonly found: (node: NodeId, address: string) => void;
  readonly log: (message: string) => void;
};

/** Asks every seed who answers there, four at a time. */
export async function askSeeds(
  seeds: readonly string[],
  deps: SeedsDeps,
  signal: AbortSignal,
): Promise<void> {
  const { services = resolveSrv, whoAnswers, found, log } = deps;
  const resolved = await Promise.all(
    seeds.slice(0, seedsMax).map(async (seed) => {
      if (!isServiceName(seed)) return [seed];
      try {
        const targets = [...(await services(seed))].sort((left, right) => left.priority - right.priority);
        return targets.flatMap(({ name, port }) => {
          const address = parseAddress(formatAddress({ host: name.replace(/\.$/, ""), port }));
          return address === undefined ? [] : [formatAddress(address)];
        });
      } catch (error) {
        log(`the seed ${seed} cannot be resolved: ${error instanceof Error ? error.message : String(error)}`);
        return [];
      }
    }),
  );
  const open = [...new Set(resolved.flat())].slice(0, targetsMax);
  const worker = async (): Promise<void> => {
    for (let address = open.shift(); address !== undefined && !signal.aborted; address = open.shift()) {
      const node = await whoAnswers(address, signal);
      if (node !== undefined) found(node, address);
    }
  };
  await Promise.all(Array.from({ length: 4 }, worker));
}
