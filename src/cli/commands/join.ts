import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { joinMesh } from "../../app/enrol/join-mesh.ts";
import { ownHosts } from "../../app/measure.ts";
import { print } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

export async function action(
  options: { readonly name?: string; readonly advertise?: string[] },
  [invite = ""]: string[],
  { data }: GlobalOptions,
): Promise<void> {
  const joined = await joinMesh({
    data,
    invite: invite.startsWith("@") ? readFileSync(invite.slice(1), "utf8") : invite,
    name: options.name ?? hostname().toLowerCase(),
    addresses: options.advertise ?? ownHosts().map((host) => `${host}:7443`),
    now: () => Date.now(),
    progress: (line) => process.stderr.write(`${line}\n`),
  });
  print(
    `joined mesh ${joined.mesh} in site ${joined.site} as node ${joined.id}\n\nnext: starlight agent --data ${data}`,
  );
}
