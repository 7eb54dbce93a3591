import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { joinMesh } from "../../app/enrol/join-mesh.ts";
import { print } from "../output.ts";
import { hostAddresses } from "../host-addresses.ts";
import type { GlobalOptions } from "./index.ts";

export async function action(
  options: { readonly name?: string; readonly advertise?: string[] },
  [invite = ""]: string[],
  { data }: GlobalOptions,
): Promise<void> {
  const node = await joinMesh({
    directory: data,
    invite: (invite.startsWith("@") ? readFileSync(invite.slice(1), "utf8") : invite).trim(),
    nodeName: options.name ?? hostname().toLowerCase(),
    addresses: options.advertise ?? hostAddresses(),
    progress: (line) => process.stderr.write(`${line}\n`),
  });
  print(
    `joined mesh ${node.mesh.name} in site ${node.site} as ${node.name}\n\nnext: starlight agent --data ${data}`,
  );
}
