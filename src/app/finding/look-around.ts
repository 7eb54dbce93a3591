import type { NodeId } from "../../core/records/record.ts";
import type { Sighting } from "../../ports/discovery.ts";
import { createMdnsDiscovery } from "../../shells/discovery-mdns/create-discovery.ts";
import { lansFor } from "../../shells/discovery-mdns/interfaces.ts";

export type MeshSeen = {
  readonly meshId: NodeId;
  readonly nodes: readonly { readonly nodeId: NodeId; readonly address: string }[];
};

const meshesMax = 64;
const nodesMax = 256;

/** The meshes that answer on the local network within a time, of a machine that has no agent yet. */
export async function lookAround(forMs: number): Promise<readonly MeshSeen[]> {
  const addressByNode = new Map<string, Sighting>();
  const discovery = await createMdnsDiscovery({
    announce: undefined,
    lans: () => lansFor("0.0.0.0"),
    seen: (sighting) => {
      if (addressByNode.size < nodesMax)
        addressByNode.set(`${sighting.nodeId} ${sighting.address}`, sighting);
    },
    log: () => {},
  });
  const asking = setInterval(() => discovery.seek(), 1_000);
  discovery.seek();
  await new Promise((resolve) => setTimeout(resolve, forMs));
  clearInterval(asking);
  await discovery.stop();
  const meshes = new Map<NodeId, { readonly nodeId: NodeId; readonly address: string }[]>();
  for (const { meshId, nodeId, address } of addressByNode.values()) {
    const nodes = meshes.get(meshId) ?? [];
    if (meshes.size < meshesMax || nodes.length > 0) meshes.set(meshId, [...nodes, { nodeId, address }]);
  }
  return [...meshes].sort().map(([meshId, nodes]) => ({ meshId, nodes }));
}
