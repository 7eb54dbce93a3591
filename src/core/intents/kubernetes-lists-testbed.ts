import type { Json, JsonObject } from "../kernel/json.ts";
import type { ObjectRef } from "../records/keys.ts";
import { deployment, deploymentRef, put } from "./testbed.ts";
import { nodeRef, pod, podOf, serviceRef } from "./kubernetes-testbed.ts";

/** Lists and maps: what tells their items apart, and which are held as a whole. */
const inWeb = (fields: JsonObject): JsonObject => podOf({ containers: [{ name: "web", ...fields }] });
const webWith = (fields: JsonObject): JsonObject => deployment([{ name: "web", image: "w", ...fields }]);

/** A list whose items have owners of their own: two appliers, then one who touches the other's item. */
export type ListMap = {
  readonly doc: string;
  readonly ref: ObjectRef;
  readonly list: string;
  readonly whole: (items: readonly JsonObject[]) => JsonObject;
  readonly part: (items: readonly JsonObject[]) => JsonObject;
  readonly first: JsonObject;
  readonly second: JsonObject;
  /** The keys of `first` with another value in a field that is no key. */
  readonly rival: JsonObject;
  readonly conflict: string;
};

const containerList = (name: string): Pick<ListMap, "ref" | "list" | "whole" | "part"> => ({
  ref: deploymentRef,
  list: `${pod}/containers/0/${name}`,
  whole: (items) =>
    put(webWith({ [name]: items }), `${pod}/volumes`, [
      { name: "one", emptyDir: {} },
      { name: "two", emptyDir: {} },
    ]),
  part: (items) => inWeb({ [name]: items }),
});

export const listMaps: readonly ListMap[] = [
  {
    doc: "api, PodSpec.containers: map, key name",
    ref: deploymentRef,
    list: `${pod}/containers`,
    whole: (items) => deployment(items),
    part: (items) => podOf({ containers: items }),
    first: { name: "a", image: "a:1" },
    second: { name: "b", image: "b:1" },
    rival: { name: "a", image: "a:2" },
    conflict: '.spec.template.spec.containers[name="a"].image',
  },
  {
    doc: "api, PodSpec.volumes: map, key name",
    ref: deploymentRef,
    list: `${pod}/volumes`,
    whole: (items) => put(deployment(), `${pod}/volumes`, items),
    part: (items) => podOf({ volumes: items }),
    first: { name: "a", configMap: { name: "one" } },
    second: { name: "b", emptyDir: {} },
    rival: { name: "a", configMap: { name: "two" } },
    conflict: '.spec.template.spec.volumes[name="a"].configMap.name',
  },
  {
    doc: "api, Container.env: map, key name",
    ...containerList("env"),
    first: { name: "A", value: "1" },
    second: { name: "B", value: "1" },
    rival: { name: "A", value: "2" },
    conflict: '.spec.template.spec.containers[name="web"].env[name="A"].value',
  },
  {
    doc: "api, Container.ports: map, keys containerPort and protocol",
    ...containerList("ports"),
    first: { containerPort: 53, protocol: "TCP", name: "dns-tcp" },
    second: { containerPort: 53, protocol: "UDP", name: "dns" },
    rival: { containerPort: 53, protocol: "TCP", name: "other" },
    conflict: '.spec.template.spec.containers[name="web"].ports[containerPort=53,protocol="TCP"].name',
  },
  {
    doc: "api, Container.volumeMounts: map, key mountPath",
    ...containerList("volumeMounts"),
    first: { mountPath: "/a", name: "one" },
    second: { mountPath: "/b", name: "one" },
    rival: { mountPath: "/a", name: "two" },
    conflict: '.spec.template.spec.containers[name="web"].volumeMounts[mountPath="/a"].name',
  },
  {
    doc: "api, ServiceSpec.ports: map, keys port and protocol",
    ref: serviceRef,
    list: "spec/ports",
    whole: (items) => ({ spec: { selector: { app: "web" }, ports: items } }),
    part: (items) => ({ spec: { ports: items } }),
    first: { name: "dns-tcp", port: 53, protocol: "TCP", targetPort: 53 },
    second: { name: "dns", port: 53, protocol: "UDP", targetPort: 53 },
    rival: { port: 53, protocol: "TCP", targetPort: 5353 },
    conflict: '.spec.ports[port=53,protocol="TCP"].targetPort',
  },
];

/** Fields that one manager holds as a whole. */
export type Atomic = {
  readonly doc: string;
  readonly ref: ObjectRef;
  readonly field: string;
  readonly object: (value: Json) => JsonObject;
  readonly one: Json;
  readonly other: Json;
  readonly conflict: string;
};

const inPod = (field: string): Pick<Atomic, "ref" | "field" | "object" | "conflict"> => ({
  ref: deploymentRef,
  field: `${pod}/${field}`,
  object: (value) => put(deployment(), `${pod}/${field}`, value),
  conflict: `.spec.template.spec.${field}`,
});
const inContainer = (field: string): Pick<Atomic, "ref" | "field" | "object" | "conflict"> => ({
  ref: deploymentRef,
  field: `${pod}/containers/0/${field}`,
  object: (value) => put(webWith({}), `${pod}/containers/0/${field}`, value),
  conflict: `.spec.template.spec.containers[name="web"].${field.replaceAll("/", ".")}`,
});

export const atomics: readonly Atomic[] = [
  {
    doc: "api, PodSpec.tolerations: atomic",
    ...inPod("tolerations"),
    one: [{ key: "a", operator: "Exists" }],
    other: [{ key: "b", operator: "Exists" }],
  },
  {
    doc: "api, PodSpec.nodeSelector: atomic map",
    ...inPod("nodeSelector"),
    one: { disk: "ssd" },
    other: { zone: "a" },
  },
  { doc: "api, Container.command: atomic", ...inContainer("command"), one: ["a"], other: ["a", "b"] },
  { doc: "api, Container.args: atomic", ...inContainer("args"), one: ["a"], other: ["a", "b"] },
  {
    doc: "api, Container.envFrom: atomic",
    ...inContainer("envFrom"),
    one: [{ configMapRef: { name: "a" } }],
    other: [{ configMapRef: { name: "b" } }],
  },
  {
    doc: "api, HTTPGetAction.httpHeaders: atomic",
    ref: deploymentRef,
    field: `${pod}/containers/0/livenessProbe/httpGet/httpHeaders`,
    object: (value) => webWith({ livenessProbe: { httpGet: { port: 80, httpHeaders: value } } }),
    one: [{ name: "A", value: "1" }],
    other: [{ name: "B", value: "1" }],
    conflict: '.spec.template.spec.containers[name="web"].livenessProbe.httpGet.httpHeaders',
  },
  {
    doc: "api, ConfigMapVolumeSource.items: atomic",
    ref: deploymentRef,
    field: `${pod}/volumes/0/configMap/items`,
    object: (value) =>
      put(deployment(), `${pod}/volumes`, [{ name: "v", configMap: { name: "c", items: value } }]),
    one: [{ key: "a", path: "a" }],
    other: [{ key: "b", path: "b" }],
    conflict: '.spec.template.spec.volumes[name="v"].configMap.items',
  },
  {
    doc: "api, ServiceSpec.selector: atomic map",
    ref: serviceRef,
    field: "spec/selector",
    object: (value) => ({ spec: { selector: value, ports: [{ port: 80, protocol: "TCP" }] } }),
    one: { app: "web" },
    other: { tier: "front" },
    conflict: ".spec.selector",
  },
  {
    doc: "api, NodeSpec.taints: atomic",
    ref: nodeRef,
    field: "spec/taints",
    object: (value) => ({ spec: { taints: value } }),
    one: [{ key: "a", effect: "NoSchedule" }],
    other: [{ key: "b", effect: "NoSchedule" }],
    conflict: ".spec.taints",
  },
];

/** Fields with list-map keys of their own in Kubernetes that Starlight does not have. */
export const refusedByName: readonly {
  readonly doc: string;
  readonly field: string;
  readonly config: JsonObject;
}[] = [
  "initContainers",
  "ephemeralContainers",
  "imagePullSecrets",
  "hostAliases",
  "resourceClaims",
  "schedulingGates",
].map((field) => ({
  doc: `api, PodSpec.${field}: map`,
  field: `spec.template.spec.${field}`,
  config: put(deployment(), `${pod}/${field}`, [{ name: "x" }]),
}));
