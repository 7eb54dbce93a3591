import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json, JsonObject } from "../kernel/json.ts";
import { kindOf } from "./kinds/index.ts";
import { validateObject } from "./validate.ts";
import { parseVariants, withVariant } from "./variants.ts";

const required = "requiredDuringSchedulingIgnoredDuringExecution";
const preferred = "preferredDuringSchedulingIgnoredDuringExecution";

function deployment(
  podSpec: JsonObject,
  resources: JsonObject = {},
  annotations: JsonObject = {},
): JsonObject {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web" },
    spec: {
      selector: { matchLabels: { app: "web" } },
      template: {
        metadata: { labels: { app: "web" }, annotations },
        spec: { containers: [{ name: "main", image: "web:1", resources }], ...podSpec },
      },
    },
  };
}

/** `field: problem` of everything that is wrong. */
function problems(value: JsonObject): string[] {
  const kind = kindOf("apps", "Deployment");
  assert.ok(kind !== undefined);
  const checked = validateObject(kind, value);
  return checked.ok ? [] : checked.error.map(({ field, problem }) => `${field}: ${problem}`);
}

const pods = (rule: JsonObject): JsonObject => ({
  labelSelector: { matchExpressions: [{ key: "app", ...rule }] },
  topologyKey: "topology.kubernetes.io/zone",
});

test("affinity of every kind, spread, seconds of tolerations, a class and extended resources are accepted", () => {
  const nodeTerm = (operator: string, values?: readonly string[]): JsonObject => ({
    matchExpressions: [{ key: "starlight.dev/tier", operator, ...(values === undefined ? {} : { values }) }],
  });
  const spec: JsonObject = {
    priorityClassName: "till",
    affinity: {
      nodeAffinity: {
        [required]: {
          nodeSelectorTerms: [
            nodeTerm("In", ["1", "2"]),
            nodeTerm("NotIn", ["3"]),
            nodeTerm("Exists"),
            nodeTerm("DoesNotExist"),
            nodeTerm("Gt", ["0"]),
            nodeTerm("Lt", ["3"]),
          ],
        },
        [preferred]: [{ weight: 100, preference: nodeTerm("Lt", ["2"]) }],
      },
      podAffinity: { [required]: [pods({ operator: "In", values: ["db"] })] },
      podAntiAffinity: {
        [preferred]: [{ weight: 1, podAffinityTerm: { ...pods({ operator: "Exists" }), namespaces: ["b"] } }],
      },
    },
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: "kubernetes.io/hostname",
        whenUnsatisfiable: "DoNotSchedule",
        labelSelector: { matchLabels: { app: "web" } },
      },
    ],
    tolerations: [{ key: "fire", operator: "Exists", effect: "NoExecute", tolerationSeconds: 30 }],
  };
  const resources = {
    requests: { cpu: "1", memory: "1Gi", "ephemeral-storage": "2Gi", "nvidia.com/gpu": 1 },
    limits: { "nvidia.com/gpu": "1", memory: "1Gi" },
  };
  assert.deepEqual(problems(deployment(spec, resources)), []);
});

test("what a schema cannot say is refused with its path: operators, values, limits, seconds", () => {
  const base = "spec.template.spec";
  const node = (rule: JsonObject): JsonObject => ({
    affinity: { nodeAffinity: { [required]: { nodeSelectorTerms: [{ matchExpressions: [rule] }] } } },
  });
  const at = `${base}.affinity.nodeAffinity.${required}.nodeSelectorTerms[0].matchExpressions[0].values`;
  const container = `${base}.containers[0].resources`;
  const cases: readonly (readonly [JsonObject, JsonObject, string])[] = [
    [node({ key: "a", operator: "In" }), {}, `${at}: is empty`],
    [node({ key: "a", operator: "Gt", values: ["big"] }), {}, `${at}: is not one whole number`],
    [node({ key: "a", operator: "Lt", values: ["1", "2"] }), {}, `${at}: is not one whole number`],
    [
      node({ key: "a", operator: "Exists", values: ["1"] }),
      {},
      `${at}: has values that Exists does not compare with`,
    ],
    [
      { affinity: { nodeAffinity: { [required]: { nodeSelectorTerms: [] } } } },
      {},
      `${base}.affinity.nodeAffinity.${required}.nodeSelectorTerms: is empty`,
    ],
    [
      { tolerations: [{ operator: "Exists", effect: "NoSchedule", tolerationSeconds: 1 }] },
      {},
      `${base}.tolerations[0].tolerationSeconds: counts only for NoExecute`,
    ],
    [
      {},
      { requests: { cpu: "2" }, limits: { cpu: "1500m" } },
      `${container}.requests[cpu]: is more than its limit "1500m"`,
    ],
    [{}, { limits: { "a.com/x": "1500m" } }, `${container}.limits[a.com/x]: is not whole`],
    [
      {},
      { requests: { "a.com/x": 1 }, limits: { "a.com/x": 2 } },
      `${container}.requests[a.com/x]: is not its limit`,
    ],
  ];
  for (const [spec, resources, expected] of cases)
    assert.deepEqual(problems(deployment(spec, resources)), [expected]);
  assert.match(problems(deployment({}, { requests: { gpu: 1 } }))[0] ?? "", /requests.*gpu/);
});

test("a ladder of variants is checked by name, and its problem is told", () => {
  const bad: readonly (readonly [Json, string])[] = [
    [{}, "is not a JSON list"],
    [[], "does not have 1 to 8 variants"],
    [[{ name: "Full" }], "[0].name is not a short name of lower-case letters, digits and `-`"],
    [[{ name: "a", minTier: 4 }], "[0].minTier is not 1, 2 or 3"],
    [
      [{ name: "a", cpu: 1 }],
      "[0].cpu is not known; known are name, minTier, container, image, env, requests, limits",
    ],
    [[{ name: "a", requests: { cpu: "much" } }], "[0].requests is not a map of quantities"],
    [[{ name: "a" }, { name: "a" }], 'has two variants called "a"'],
    [[{ name: "a", container: "x" }], 'names a container "x" that is not there'],
  ];
  for (const [value, expected] of bad) {
    const annotations = { "starlight.dev/variants": JSON.stringify(value) };
    const field = "spec.template.metadata.annotations[starlight.dev/variants]";
    assert.deepEqual(problems(deployment({}, {}, annotations)), [`${field}: ${expected}`]);
  }
  assert.deepEqual(problems(deployment({}, {}, { "starlight.dev/variants": '[{"name":"a"}]' })), []);
  assert.match(problems(deployment({}, {}, { "starlight.dev/variant": "x" }))[0] ?? "", /is not known/);
});

test("a variant changes image, variables and resources of its container, and nothing else", () => {
  const parsed = parseVariants(
    JSON.stringify([
      {
        name: "small",
        container: "model",
        image: "model:int4",
        env: { MODEL: "int4" },
        requests: { cpu: 1 },
      },
    ]),
  );
  assert.ok(parsed.ok);
  const [small] = parsed.value;
  assert.ok(small !== undefined);
  const model = {
    name: "model",
    image: "model:full",
    env: [
      { name: "MODEL", value: "full" },
      { name: "KEPT", value: "1" },
    ],
    resources: { requests: { cpu: "8" }, limits: { cpu: "8" } },
  };
  const template = { metadata: {}, spec: { containers: [{ name: "side", image: "s" }, model] } };
  assert.deepEqual(withVariant(template, small), {
    metadata: {},
    spec: {
      containers: [
        { name: "side", image: "s" },
        {
          name: "model",
          image: "model:int4",
          env: [
            { name: "KEPT", value: "1" },
            { name: "MODEL", value: "int4" },
          ],
          resources: { requests: { cpu: "1" }, limits: {} },
        },
      ],
    },
  });
});
