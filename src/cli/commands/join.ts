import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { checkJoin } from "../../app/enrol/check-join.ts";
import { decodeInvite } from "../../app/enrol/invite.ts";
import { joinMesh } from "../../app/enrol/join-mesh.ts";
import { CommandError } from "../command-error.ts";
import { printHops } from "../hops.ts";
import { print, table } from "../output.ts";
import { hostAddresses } from "../host-addresses.ts";
import type { GlobalOptions } from "./index.ts";

type Options = {
  readonly name?: string;
  readonly advertise?: string[];
  readonly filename?: string;
  readonly discover?: boolean;
  readonly check?: boolean;
};

const lookForMs = 3_000;

export async function action(options: Options, [argument]: string[], { data }: GlobalOptions): Promise<void> {
  const invite = inviteFrom(argument, options.filename);
  if (invite === undefined) {
    if (options.discover === true) return listMeshes();
    throw new CommandError(
      "usage",
      "give the invite, or a file with -f; --discover alone lists the meshes here",
    );
  }
  const found = options.discover === true ? await placesOf(invite) : [];
  const nodeName = options.name ?? hostname().toLowerCase();
  if (options.check === true) return tryOnly(invite, nodeName, found);
  const node = await joinMesh({
    directory: data,
    invite,
    nodeName,
    addresses: options.advertise ?? hostAddresses(),
    found,
    progress: (line) => process.stderr.write(`${line}\n`),
  });
  print(
    `joined mesh ${node.mesh.name} in site ${node.site} (region ${node.region}) as ${node.name}\n\nnext: starlight agent --data ${data}`,
  );
}

function inviteFrom(argument: string | undefined, filename: string | undefined): string | undefined {
  const path = filename ?? (argument?.startsWith("@") === true ? argument.slice(1) : undefined);
  if (path === undefined) return argument?.trim();
  try {
    return readFileSync(path === "-" ? 0 : path, "utf8").trim();
  } catch (error) {
    throw new CommandError("usage", `${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Where the invite's enroller answers on the local network. Whoever answers must still prove that it is it. */
async function placesOf(text: string): Promise<readonly string[]> {
  const invite = decodeInvite(text, 0);
  if (!invite.ok) return [];
  const { meshId, enroller } = invite.value;
  const { lookAround } = await import("../../app/finding/look-around.ts");
  const mesh = (await lookAround(lookForMs)).find((seen) => seen.meshId === meshId);
  return (mesh?.nodes ?? []).filter(({ nodeId }) => nodeId === enroller).map(({ address }) => address);
}

async function listMeshes(): Promise<void> {
  const { lookAround } = await import("../../app/finding/look-around.ts");
  const meshes = await lookAround(lookForMs);
  if (meshes.length === 0) {
    throw new CommandError(
      "unreachable",
      "no mesh answers on the local network; its agents may have `discovery: off`, or a switch keeps multicast back",
    );
  }
  const rows = meshes.flatMap(({ meshId, nodes }) =>
    nodes.map(({ nodeId, address }) => [meshId, nodeId, address]),
  );
  print(table(["Mesh", "Node", "Address"], rows));
  print("\nnothing of it is proven; to join one, ask for an invite: starlight join INVITE");
}

async function tryOnly(invite: string, nodeName: string, found: readonly string[]): Promise<void> {
  const { addresses, failing, exitCode, place } = await checkJoin({ invite, nodeName, found });
  for (const { address, hops } of addresses) printHops(address, hops);
  if (failing === undefined) {
    const where = place === undefined ? "" : ` in site ${place.site} (region ${place.region})`;
    return print(`\n${nodeName} can join${where}: run it without --check`);
  }
  if (addresses.length === 0) printHops("the invite", [failing]);
  process.exitCode = exitCode;
}
