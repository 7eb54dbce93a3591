import { createHash } from "node:crypto";
import type { Json, JsonObject } from "../core/kernel/json.ts";
import { allKinds } from "../core/intents/kinds/index.ts";
import { openApiSchema } from "../core/intents/openapi.ts";
import { apiVersionOf, resources, type Resource } from "./resources.ts";

/** What the API has: the documents that kubectl reads before its first request. */

type GroupVersion = { readonly group: string; readonly version: string };

const groupVersions: readonly GroupVersion[] = [
  { group: "", version: "v1" },
  { group: "apps", version: "v1" },
  { group: "authorization.k8s.io", version: "v1" },
  { group: "batch", version: "v1" },
  { group: "discovery.k8s.io", version: "v1" },
  { group: "policy", version: "v1" },
  { group: "scheduling.k8s.io", version: "v1" },
  { group: "starlight.dev", version: "v1" },
];

type Subresource = {
  readonly name: string;
  readonly kind: string;
  readonly verbs: readonly string[];
  readonly group?: string;
};

const scale: Subresource = {
  name: "scale",
  kind: "Scale",
  verbs: ["get", "patch", "update"],
  group: "autoscaling",
};

const subresources: { readonly [plural: string]: readonly Subresource[] } = {
  pods: [
    { name: "eviction", kind: "Eviction", verbs: ["create"], group: "policy" },
    { name: "log", kind: "Pod", verbs: ["get"] },
    { name: "proxy", kind: "PodProxyOptions", verbs: ["get", "create", "update", "patch", "delete"] },
  ],
  services: [
    { name: "proxy", kind: "ServiceProxyOptions", verbs: ["get", "create", "update", "patch", "delete"] },
  ],
  deployments: [scale],
  statefulsets: [scale],
};

const reviews = [
  { name: "selfsubjectaccessreviews", kind: "SelfSubjectAccessReview" },
  { name: "selfsubjectrulesreviews", kind: "SelfSubjectRulesReview" },
];

/** The answer for a discovery path; undefined for any other. `accept` is the Accept header. */
export function discovery(path: string, accept: string): { body: JsonObject; type?: string } | undefined {
  const aggregated = /g=apidiscovery\.k8s\.io;v=(v2(?:beta1)?)/.exec(accept)?.[1];
  if (path === "/api" || path === "/apis") {
    const groups = groupVersions.filter(({ group }) => (path === "/api") === (group === ""));
    if (aggregated !== undefined) return aggregatedAnswer(groups, aggregated);
    if (path === "/api") return { body: { kind: "APIVersions", versions: ["v1"] } };
    return { body: { kind: "APIGroupList", apiVersion: "v1", groups: groups.map(groupOf) } };
  }
  const [, root, first = "", second = "", ...rest] = path.split("/");
  if (rest.length > 0) return undefined;
  if (root === "api" && first === "v1" && second === "")
    return { body: resourceList({ group: "", version: "v1" }) };
  if (root !== "apis") return undefined;
  const known = groupVersions.find(
    ({ group, version }) => group === first && (second === "" || version === second),
  );
  if (known === undefined || known.group === "") return undefined;
  return {
    body: second === "" ? { kind: "APIGroup", apiVersion: "v1", ...groupOf(known) } : resourceList(known),
  };
}

function groupOf({ group, version }: GroupVersion): JsonObject {
  const named = { groupVersion: `${group}/${version}`, version };
  return { name: group, versions: [named], preferredVersion: named };
}

function resourceList(of: GroupVersion): JsonObject {
  const list: Json[] = [];
  for (const resource of inGroup(of)) {
    list.push({
      name: resource.plural,
      singularName: resource.singular,
      namespaced: resource.namespaced,
      kind: resource.kind,
      verbs: resource.verbs,
      shortNames: resource.shortNames,
      categories: resource.categories,
    });
    for (const { name, kind, verbs, group } of subresources[resource.plural] ?? []) {
      list.push({
        name: `${resource.plural}/${name}`,
        singularName: "",
        namespaced: resource.namespaced,
        kind,
        verbs,
        ...(group === undefined ? {} : { group, version: "v1" }),
      });
    }
  }
  if (of.group === "authorization.k8s.io") {
    for (const { name, kind } of reviews)
      list.push({ name, singularName: "", namespaced: false, kind, verbs: ["create"] });
  }
  return { kind: "APIResourceList", apiVersion: "v1", groupVersion: apiVersionOf(of), resources: list };
}

function aggregatedAnswer(
  groups: readonly GroupVersion[],
  version: string,
): { body: JsonObject; type: string } {
  const items = groups.map((of) => ({
    metadata: { name: of.group, creationTimestamp: null },
    versions: [{ version: of.version, freshness: "Current", resources: aggregatedResources(of) }],
  }));
  return {
    body: {
      kind: "APIGroupDiscoveryList",
      apiVersion: `apidiscovery.k8s.io/${version}`,
      metadata: {},
      items,
    },
    type: `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
  };
}

function aggregatedResources(of: GroupVersion): Json[] {
  const known: Json[] = inGroup(of).map((resource) => ({
    resource: resource.plural,
    responseKind: { group: resource.group, version: resource.version, kind: resource.kind },
    scope: resource.namespaced ? "Namespaced" : "Cluster",
    singularResource: resource.singular,
    verbs: resource.verbs,
    shortNames: resource.shortNames,
    categories: resource.categories,
    subresources: (subresources[resource.plural] ?? []).map(({ name, kind, verbs, group }) => ({
      subresource: name,
      responseKind: { group: group ?? resource.group, version: "v1", kind },
      verbs,
    })),
  }));
  if (of.group !== "authorization.k8s.io") return known;
  return reviews.map(({ name, kind }) => ({
    resource: name,
    responseKind: { ...of, kind },
    scope: "Cluster",
    singularResource: "",
    verbs: ["create"],
  }));
}

const inGroup = (of: GroupVersion): Resource[] =>
  resources.filter(({ group, version }) => group === of.group && version === of.version);

const openApiPath = ({ group, version }: GroupVersion): string =>
  group === "" ? `api/${version}` : `apis/${group}/${version}`;

/** `/openapi/v3` and one document per group version. */
export function openApi(path: string): JsonObject | undefined {
  if (path === "/openapi/v3") {
    const paths: { [path: string]: Json } = {};
    for (const of of groupVersions) {
      const hash = createHash("sha256")
        .update(JSON.stringify(openApiDocument(of)))
        .digest("hex")
        .slice(0, 16);
      paths[openApiPath(of)] = { serverRelativeURL: `/openapi/v3/${openApiPath(of)}?hash=${hash}` };
    }
    return { paths };
  }
  const found = groupVersions.find((of) => path === `/openapi/v3/${openApiPath(of)}`);
  return found === undefined ? undefined : openApiDocument(found);
}

function openApiDocument(of: GroupVersion): JsonObject {
  const schemas: { [name: string]: Json } = {};
  const paths: { [path: string]: Json } = {};
  for (const resource of inGroup(of)) {
    const kind = allKinds().find(
      (candidate) => candidate.kind === resource.kind && candidate.group === resource.group,
    );
    const gvk = { group: resource.group, version: resource.version, kind: resource.kind };
    schemas[`dev.starlight.${resource.kind}`] =
      kind === undefined ? { type: "object", "x-kubernetes-group-version-kind": [gvk] } : openApiSchema(kind);
    const base = `/${openApiPath(of)}${resource.namespaced ? "/namespaces/{namespace}" : ""}/${resource.plural}/{name}`;
    const reference = { schema: { $ref: `#/components/schemas/dev.starlight.${resource.kind}` } };
    const operation = (action: string): JsonObject => ({
      "x-kubernetes-action": action,
      "x-kubernetes-group-version-kind": gvk,
      parameters: ["dryRun", "fieldManager", "fieldValidation", "force"].map((name) => ({
        name,
        in: "query",
        schema: { type: "string", uniqueItems: true },
      })),
      responses: { "200": { description: "OK", content: { "application/json": reference } } },
    });
    paths[base] = {
      get: operation("get"),
      ...(resource.verbs.includes("patch") ? { patch: operation("patch"), put: operation("put") } : {}),
    };
    paths[base.replace(/\/\{name\}$/, "")] = resource.verbs.includes("create")
      ? { get: operation("list"), post: operation("post") }
      : { get: operation("list") };
  }
  return { openapi: "3.0.0", info: { title: "Starlight", version: "v1" }, paths, components: { schemas } };
}
