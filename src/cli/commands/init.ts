import { hostname } from "node:os";
import { initMesh } from "../../shells/identity-file/init-mesh.ts";
import { hostAddresses } from "../host-addresses.ts";
import { print } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

type Options = {
  readonly site: string;
  readonly mesh: string;
  readonly name?: string;
  readonly region: string;
  readonly advertise?: string[];
};

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
    addresses,
    now: Date.now(),
  });
  print(`mesh ${node.mesh.name} is made; ${node.name} in site ${site} is its first node

  kubeconfig   ${kubeconfig}
  root key     ${data}/root (take it offline and keep it safe)

next: starlight agent --data ${data}
then: starlight invite --site ${site}   (for every further machine)`);
}
