import { isObject, type JsonObject } from "../core/kernel/json.ts";
import { allKinds } from "../core/intents/kinds/index.ts";
import type { ApiDeps } from "./contract.ts";
import { events } from "./events.ts";
import { presentRegions, presentSites } from "./places.ts";
import { presentNode } from "./present-node.ts";
import { presentObject, presentPod, presentSlice } from "./present.ts";

/** Every resource of the API: how it is called, and how its objects are read from the view. */
export type Resource = {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
  /** All objects, in every namespace, without resource versions. */
  readonly list: (deps: ApiDeps) => JsonObject[];
};

const readVerbs = ["get", "list", "watch"] as const;
const writeVerbs = ["create", "delete", "get", "list", "patch", "update", "watch"] as const;

export const implicitNamespaces = ["default", "kube-node-lease", "kube-public", "kube-system"] as const;

const written: readonly Resource[] = allKinds().map((kind) => ({
  ...kind,
  verbs: kind.kind === "Node" ? ["get", "list", "patch", "update", "watch"] : writeVerbs,
  list: ({ view }) => {
    if (kind.kind === "Node") return view.members().map((member) => presentNode(member, view));
    const objects = view.objects(kind.group, kind.kind).map((object) => presentObject(object, view));
    return kind.kind === "Namespace" ? withImplicit(objects) : objects;
  },
}));

const readOnly = (
  resource: Pick<Resource, "group" | "version" | "kind" | "plural" | "singular" | "namespaced" | "list"> &
    Partial<Resource>,
): Resource => ({ shortNames: [], categories: [], verbs: readVerbs, ...resource });

const derived: readonly Resource[] = [
  readOnly({
    group: "",
    version: "v1",
    kind: "Pod",
    plural: "pods",
    singular: "pod",
    shortNames: ["po"],
    categories: ["all"],
    namespaced: true,
    verbs: [...readVerbs, "delete"],
    list: ({ view }) => view.pods().map((pod) => presentPod(pod, view)),
  }),
  readOnly({
    group: "",
    version: "v1",
    kind: "Event",
    plural: "events",
    singular: "event",
    shortNames: ["ev"],
    namespaced: true,
    list: events,
  }),
  readOnly({
    group: "discovery.k8s.io",
    version: "v1",
    kind: "EndpointSlice",
    plural: "endpointslices",
    singular: "endpointslice",
    namespaced: true,
    list: ({ view }) => view.objects("", "Service").map((service) => presentSlice(service, view)),
  }),
  readOnly({
    group: "starlight.dev",
    version: "v1",
    kind: "Site",
    plural: "sites",
    singular: "site",
    namespaced: false,
    list: ({ view }) => presentSites(view),
  }),
  readOnly({
    group: "starlight.dev",
    version: "v1",
    kind: "Region",
    plural: "regions",
    singular: "region",
    namespaced: false,
    list: ({ view }) => presentRegions(view),
  }),
];

export const resources: readonly Resource[] = [...written, ...derived];

export function findResource(group: string, version: string, plural: string): Resource | undefined {
  return resources.find(
    (resource) => resource.group === group && resource.version === version && resource.plural === plural,
  );
}

export const apiVersionOf = ({ group, version }: { group: string; version: string }): string =>
  group === "" ? version : `${group}/${version}`;

function withImplicit(objects: readonly JsonObject[]): JsonObject[] {
  const names = new Set(objects.map(nameOf));
  const implicit = implicitNamespaces
    .filter((name) => !names.has(name))
    .map((name) => ({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: {
        name,
        uid: `namespace-${name}`,
        creationTimestamp: "2020-01-01T00:00:00Z",
        labels: { "kubernetes.io/metadata.name": name },
      },
      spec: { finalizers: ["kubernetes"] },
      status: { phase: "Active" },
    }));
  return [...objects, ...implicit];
}

export function nameOf(object: JsonObject): string {
  return metadataText(object, "name");
}

export function metadataText(object: JsonObject, field: string): string {
  const { metadata } = object;
  const value = isObject(metadata) ? metadata[field] : undefined;
  return typeof value === "string" ? value : "";
}
