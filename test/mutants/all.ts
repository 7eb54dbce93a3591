import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { clockMutations } from "./clocks.ts";
import { leaseMutations } from "./leases.ts";
import { membershipMutations } from "./membership.ts";
import type { Mutation } from "./mutation.ts";
import { nodeMutations } from "./node.ts";
import { otherMutations } from "./others.ts";
import { recordMutations } from "./records.ts";
import { regionMutations } from "./regions.ts";

export const mutations: readonly Mutation[] = [
  ...clockMutations,
  ...leaseMutations,
  ...membershipMutations,
  ...nodeMutations,
  ...recordMutations,
  ...regionMutations,
  ...otherMutations,
];

/** Why a mutation would prove nothing, or end a long run: the code has moved on. Undefined when it fits. */
export function whyUnfit({ name, file, from, tests = [] }: Mutation, sources: string): string | undefined {
  const places = readFileSync(join(sources, file), "utf8").split(from).length - 1;
  if (places !== 1) return `${name}: ${places} places in ${file} read: ${from}`;
  const missing = tests.find((test) => !existsSync(join(sources, test)));
  return missing === undefined ? undefined : `${name}: there is no ${missing}`;
}
