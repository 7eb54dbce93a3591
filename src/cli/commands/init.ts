import { hostname } from "node:os";
import { initMesh } from "../../shells/identity-file/init-mesh.ts";
import { hostAddresses } from "../host-addresses.ts";
import { details, type Detail } from "../../core/records/scope.ts";
import { CommandError } from "../command-error.ts";
import { print } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

type Options = {
  readonly site: string;
  readonly mesh: string;
  readonly name?: string;
  readonly region: string;
  readonly detail: string;
  readonly advertise?: string[];
};

function detailNamed(text: string): Detail {
  const detail = details.find((each) => each === text);
  if (detail !== undefined) return detail;
  throw new CommandError("usage", `--detail ${text}: use mesh, region or site`);
}

export async function action(options: Options, _args: string[], { data }: GlobalOptions): Promise<void> {
  const nodeName = options.name ?? hostname().toLowerCase();
  const addresses = options.advertise ?? hostAddresses();
  const { mesh: meshName, site, region } = options;
  const { node, kubeconfig } = await initMesh({
    directory: data,
    meshName,
    nodeName,
    site,
    region,
    detail: detailNamed(options.detail),
    addresses,
    now: Date.now(),
  });
  print(`mesh ${node.mesh.name} is made; ${node.name} in site ${site} is its first node

  kubeconfig   ${kubeconfig}
  root key     ${data}/root (take it offline and keep it safe)

next: starlight agent --data ${data}
then: starlight invite --site ${site}   (for every further machine)`);
}
