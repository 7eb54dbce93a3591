import { isScope, keeps } from "../core/records/scope.ts";
import type { Machine } from "./machine.ts";
import { placesOf, placeTold } from "./places.ts";
import type { World } from "./world.ts";

/** What nodes hold in common, once all is calm. */

/** Whether nobody holds another state of a scope than others do. */
export function isInStep(world: World): boolean {
  const hashes = new Map<string, string>();
  for (const { node } of world.machines)
    for (const part of node?.view.stateHash().split(" ") ?? []) {
      const [scope = "", hash = ""] = part.split("=");
      if ((hashes.get(scope) ?? hash) !== hash) return false;
      hashes.set(scope, hash);
    }
  return true;
}

/** 2. Connected nodes hold the same of each scope, none that is not theirs, and agree that all are alive. */
export function checkAgreement(world: World): void {
  const hashesByScope = new Map<string, Map<string, string[]>>();
  for (const machine of world.machines) {
    const view = machine.node?.view;
    if (view === undefined) return world.violated(`2: ${machine.name} is not up`);
    for (const part of view.stateHash().split(" ")) {
      const [scope = "", hash = ""] = part.split("=");
      if (!isScope(scope) || !keeps(machine.identity, scope))
        world.violated(`2: ${machine.name} keeps the scope ${scope}`);
      const hashes = hashesByScope.get(scope) ?? new Map<string, string[]>();
      hashesByScope.set(scope, hashes);
      hashes.set(hash, [...(hashes.get(hash) ?? []), machine.name]);
    }
    const missing = view.members().filter(({ evidence }) => evidence.verdict !== "alive");
    for (const { member, evidence } of missing) {
      world.violated(
        `2: ${machine.name} holds ${member.name} for ${evidence.verdict}: ${evidence.observations[0]?.what ?? ""}`,
      );
    }
  }
  for (const [scope, hashes] of hashesByScope) {
    const names = [...hashes.values()];
    const keepers = world.machines.filter(({ identity }) => isScope(scope) && keeps(identity, scope));
    const groups = names.map((group) => group.join("+")).join(" | ");
    if (hashes.size > 1) world.violated(`2: states of ${scope} differ: ${groups}`);
    if (names.flat().length < keepers.length) world.violated(`2: ${scope} is only at ${groups}`);
  }
  for (const machine of world.machines) placesSeen(world, machine);
}

/** 11. Everybody is told of every part of the mesh and of the regions around it, and of all of their nodes. */
function placesSeen(world: World, machine: Machine): void {
  const { identity, node } = machine;
  if (identity.mesh.detail === "mesh" || node === undefined) return;
  const told = new Map<string, number>([
    ...node.view.sites().map(({ name, summary }) => [`site ${name}`, summary.ready] as const),
    ...node.view.regions().map(({ name, summary }) => [`region ${name}`, summary.ready] as const),
  ]);
  const counts = new Map<string, number>();
  for (const other of world.machines)
    for (const place of placesOf(other.identity)) counts.set(place, (counts.get(place) ?? 0) + 1);
  for (const other of world.machines) {
    const place = placeTold(identity, other.identity);
    const count = counts.get(place);
    if (told.get(place) === count) continue;
    world.violated(`11: ${machine.name} is told ${told.get(place) ?? "nothing"} of ${count} in ${place}`);
    return;
  }
  for (const place of told.keys())
    if (!counts.has(place)) world.violated(`11: ${machine.name} is told of ${place}, which is empty`);
}
