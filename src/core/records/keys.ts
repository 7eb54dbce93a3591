import type { NodeId } from "./record.ts";

/** The object a record is about, in Kubernetes' terms. Cluster-scoped kinds have the namespace "". */
export type ObjectRef = {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
};

export const memberKey = (node: NodeId): string => `roster/member/${node}`;
export const goneKey = (node: NodeId): string => `roster/gone/${node}`;
export const statusKey = (node: NodeId): string => `node/${node}/status`;
export const linksKey = (node: NodeId): string => `node/${node}/links`;
export const acksKey = (node: NodeId): string => `node/${node}/acks`;
export const floorsKey = (node: NodeId): string => `node/${node}/floors`;
export const exclusiveKey = (node: NodeId): string => `node/${node}/exclusive`;
export const healthKey = (node: NodeId): string => `node/${node}/health`;
export const healKey = (node: NodeId): string => `node/${node}/heal`;
/** Floors of the logs that everybody keeps, where a node's own facts do not travel so far. */
export const meshFloorsKey = (node: NodeId): string => `node/${node}/floors/mesh`;
export const siteSummaryKey = (site: string): string => `site/${site}/summary`;
export const regionSummaryKey = (region: string): string => `region/${region}/summary`;
export const jobKey = (node: NodeId, uid: string): string => `node/${node}/job/${uid}`;
export const podKey = (node: NodeId, uid: string): string => `node/${node}/pod/${uid}`;

/** All configurations of one object share this prefix. The core group is written `core`, no namespace `-`. */
export function objectKey(ref: ObjectRef): string {
  return `intent/${ref.group || "core"}/${ref.kind}/${ref.namespace || "-"}/${ref.name}`;
}

/** The record of one manager's configuration of one object; managers are escaped, so `/` cannot break out. */
export function intentKey(ref: ObjectRef, manager: string): string {
  return `${objectKey(ref)}/${encodeURIComponent(manager)}`;
}

type FactType = "status" | "links" | "heal" | "health" | "acks" | "floors" | "exclusive";
const factTypes: ReadonlySet<string> = new Set<FactType>([
  "status",
  "links",
  "heal",
  "health",
  "acks",
  "floors",
  "exclusive",
]);

export type KeyParts =
  | { readonly type: "member" | "gone"; readonly node: NodeId }
  | { readonly type: FactType; readonly node: NodeId }
  | { readonly type: "pod" | "job"; readonly node: NodeId; readonly uid: string }
  | { readonly type: "mesh-floors"; readonly node: NodeId }
  | { readonly type: "site-summary" | "region-summary"; readonly place: string }
  | { readonly type: "intent"; readonly ref: ObjectRef; readonly manager: string };

/** What a key names; undefined for a key that no version of ours writes. */
export function partsOf(key: string): KeyParts | undefined {
  const parts = key.split("/");
  const [root, first = "", second = "", third = "", fourth = "", fifth = ""] = parts;
  if (root === "roster" && parts.length === 3 && (first === "member" || first === "gone")) {
    return { type: first, node: second };
  }
  if (root === "node" && parts.length === 3 && factTypes.has(second)) {
    return { type: second as FactType, node: first };
  }
  if (root === "node" && parts.length === 4 && (second === "pod" || second === "job"))
    return { type: second, node: first, uid: third };
  if (root === "node" && parts.length === 4 && second === "floors" && third === "mesh")
    return { type: "mesh-floors", node: first };
  if ((root === "site" || root === "region") && parts.length === 3 && second === "summary")
    return { type: `${root}-summary`, place: first };
  if (root === "intent" && parts.length === 6) {
    const manager = unescape(fifth);
    if (manager === undefined) return undefined;
    const ref = {
      group: first === "core" ? "" : first,
      kind: second,
      namespace: third === "-" ? "" : third,
      name: fourth,
    };
    return { type: "intent", ref, manager };
  }
  return undefined;
}

declare const decodeURIComponent: (text: string) => string;
declare const encodeURIComponent: (text: string) => string;

function unescape(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
