import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json, JsonObject } from "../kernel/json.ts";
import type { Kind } from "./kinds/kind.ts";
import { allKinds, kindOf } from "./kinds/index.ts";
import { at, configMap, deployment, put } from "./testbed.ts";
import { validateObject, withDefaults } from "./validate.ts";

const kind = (group: string, name: string): Kind => {
  const found = kindOf(group, name);
  assert.ok(found !== undefined);
  return found;
};
const deploy = kind("apps", "Deployment");
const container = "spec/template/spec/containers/0";

function problem(
  of: Kind,
  value: JsonObject,
): { field: string; value: string; problem: string; fix: string } {
  const result = validateObject(of, value);
  assert.ok(!result.ok, "no problem was found");
  assert.equal(result.error.length, 1, JSON.stringify(result.error));
  return { field: "", value: "", problem: "", fix: "", ...result.error[0] };
}

test("a typing mistake is named with the field that was probably meant", () => {
  const { field, problem: what, fix } = problem(deploy, put(deployment(), "spec/replica", 3));
  assert.deepEqual([field, what, fix], ["spec.replica", "is not a known field", "did you mean replicas?"]);
});

const required = "requiredDuringSchedulingIgnoredDuringExecution";
const matchFields = { matchFields: [{ key: "metadata.name", operator: "In", values: ["a"] }] };
const spread = { maxSkew: 1, topologyKey: "zone", whenUnsatisfiable: "DoNotSchedule" };

test("a field of Kubernetes that is not supported is refused by name, not ignored", () => {
  for (const [path, value] of [
    ["spec/template/spec/initContainers", []],
    [
      "spec/template/spec/affinity",
      { podAffinity: { [required]: [{ topologyKey: "zone", namespaceSelector: {} }] } },
    ],
    ["spec/template/spec/affinity", { nodeAffinity: { [required]: { nodeSelectorTerms: [matchFields] } } }],
    ["spec/template/spec/topologySpreadConstraints", [{ minDomains: 2, ...spread }]],
    [`${container}/lifecycle`, {}],
    ["spec/paused", true],
    ["metadata/finalizers", ["x"]],
    ["metadata/ownerReferences", []],
    ["metadata/generateName", "web-"],
    ["spec/selector/matchExpressions", []],
  ] as const) {
    const found = problem(deploy, put(deployment(), path, value as Json));
    assert.equal(found.problem, "is not supported by Starlight", path);
  }
});

test("wrong types and ranges are named with path, value and fix", () => {
  const cases: readonly (readonly [string, Json, string, string])[] = [
    ["spec/replicas", "3", "spec.replicas", '"3"'],
    ["spec/replicas", -1, "spec.replicas", "-1"],
    ["spec/replicas", 1.5, "spec.replicas", "1.5"],
    [
      `${container}/ports`,
      [{ containerPort: 70_000 }],
      `${dotted(container)}.ports[0].containerPort`,
      "70000",
    ],
    [`${container}/args`, "run", `${dotted(container)}.args`, '"run"'],
    [
      `${container}/resources`,
      { requests: { cpu: "1 core" } },
      `${dotted(container)}.resources.requests[cpu]`,
      '"1 core"',
    ],
    [`${container}/name`, "Web", `${dotted(container)}.name`, '"Web"'],
    ["spec/strategy", { type: "Recreate" }, "spec.strategy.type", '"Recreate"'],
  ];
  for (const [path, value, field, shown] of cases) {
    const found = problem(deploy, put(deployment(), path, value));
    assert.equal(found.field, field);
    assert.equal(found.value, shown);
    assert.ok(found.fix.length > 0);
  }
});

test("what must fit together is checked: selector, mounts, port names, names that are there twice", () => {
  const twice = deployment([
    { name: "a", image: "x" },
    { name: "a", image: "y" },
  ]);
  assert.equal(problem(deploy, twice).field, "spec.template.spec.containers[1]");
  const ports = [{ containerPort: 80 }, { containerPort: 80, protocol: "TCP" }];
  assert.equal(
    problem(deploy, put(deployment(), `${container}/ports`, ports)).field,
    `${dotted(container)}.ports[1]`,
  );
  const label = put(deployment(), "spec/selector/matchLabels/app", "other");
  assert.equal(problem(deploy, label).problem, "does not match spec.selector");
  const mount = put(deployment(), `${container}/volumeMounts`, [{ name: "v", mountPath: "/v" }]);
  assert.match(problem(deploy, mount).problem, /is not one of/);
  const probe = put(deployment(), `${container}/livenessProbe`, {
    httpGet: { port: 1 },
    tcpSocket: { port: 1 },
  });
  assert.match(problem(deploy, probe).problem, /httpGet and tcpSocket/);
});

test("the annotations that steer Starlight are checked by name and value", () => {
  const annotated = (name: string, value: string): JsonObject =>
    put(deployment(), "metadata/annotations", { [`starlight.dev/${name}`]: value });
  for (const [name, value] of [
    ["placement", "perSite"],
    ["on-partition", "freeze"],
    ["lost-after", "1m30s"],
    ["on-heal", "keepReplacement"],
  ] as const) {
    assert.ok(validateObject(deploy, annotated(name, value)).ok, name);
  }
  for (const [name, value] of [
    ["placement", "persite"],
    ["sites", "country=ch"],
    ["sites", "name!=a"],
    ["on-partition", "panic"],
    ["lost-after", "soon"],
    ["on-heal", "both"],
    ["tier", "1"],
  ] as const) {
    const { fix } = problem(deploy, annotated(name, value));
    assert.ok(fix.length > 0, name);
  }
});

test("a selector of sites is taken with perSite only, and with regions that can exist", () => {
  const selecting = (sites: string, placement?: string): JsonObject =>
    put(deployment(), "metadata/annotations", {
      "starlight.dev/sites": sites,
      ...(placement === undefined ? {} : { "starlight.dev/placement": placement }),
    });
  for (const sites of ["region=eu,name in (a,b)", "region in (eu.de.south,us)", "region=a.b.c.d.e.f", ""])
    assert.ok(validateObject(deploy, selecting(sites, "perSite")).ok, sites);
  const field = "metadata.annotations[starlight.dev/sites]";
  for (const placement of [undefined, "mesh"])
    assert.deepEqual(problem(deploy, selecting("region=eu", placement)), {
      field,
      value: '"region=eu"',
      problem: "is for perSite workloads only",
      fix: 'set starlight.dev/placement to "perSite" too, or leave it out',
    });
  for (const [sites, region] of [
    ["region=EU", "EU"],
    ["region=eu..de", "eu..de"],
    ["region in (eu,a.b.c.d.e.f.g)", "a.b.c.d.e.f.g"],
    ["region=eu,region=eu.-de", "eu.-de"],
  ] as const) {
    const found = problem(deploy, selecting(sites, "perSite"));
    assert.deepEqual(
      [found.field, found.value, found.problem],
      [field, JSON.stringify(region), "is not a region"],
    );
    assert.match(found.fix, /^use 1 to 6 names with dots between them, the outermost first, .*eu\.de\.south/);
  }
});

test("a DaemonSet with a placement or sites is refused with the annotation, its value and the fix", () => {
  const { replicas: _replicas, strategy: _strategy, ...spec } = at(deployment(), "spec") as JsonObject;
  const daemonSet = { ...deployment(), kind: "DaemonSet", spec };
  const daemonSets = kind("apps", "DaemonSet");
  assert.ok(validateObject(daemonSets, daemonSet).ok);
  const annotations = { "starlight.dev/placement": "perSite", "starlight.dev/sites": "name in (oslo,bern)" };
  const result = validateObject(daemonSets, put(daemonSet, "metadata/annotations", annotations));
  assert.ok(!result.ok);
  const zone = "topology.kubernetes.io/zone";
  assert.deepEqual(result.error, [
    {
      field: "metadata.annotations[starlight.dev/placement]",
      value: '"perSite"',
      problem: "is not for a DaemonSet, which runs on every node that may run it",
      fix: "leave it out",
    },
    {
      field: "metadata.annotations[starlight.dev/sites]",
      value: '"name in (oslo,bern)"',
      problem: "is not for a DaemonSet, which runs on every node that may run it",
      fix: `leave it out, and select nodes in spec.template.spec by their labels ${zone} (the site) and topology.kubernetes.io/region: nodeSelector for one, affinity.nodeAffinity for several`,
    },
  ]);
});

test("what servers fill in, and null, is dropped; nothing is added", () => {
  const given = {
    ...put(deployment(), "metadata", {
      name: "web",
      uid: "x",
      resourceVersion: "5",
      creationTimestamp: null,
      generation: 2,
      managedFields: [],
      selfLink: "/x",
    }),
    status: { replicas: 1 },
  };
  const result = validateObject(deploy, put(given, `${container}/resources`, null as Json));
  assert.ok(result.ok);
  assert.deepEqual(result.value, deployment());
});

test("a key called __proto__ is refused, in a map and as a field", () => {
  const data = JSON.parse('{"__proto__": "x"}') as JsonObject;
  assert.equal(problem(kind("", "ConfigMap"), configMap(data)).problem, "is not allowed as a key");
  const spec = JSON.parse('{"metadata": {"name": "n"}, "__proto__": {}}') as JsonObject;
  assert.equal(problem(kind("", "Namespace"), spec).problem, "is not a known field");
});

test("a partial configuration needs no required fields but the keys of its items", () => {
  const partial = {
    metadata: { name: "web" },
    spec: { template: { spec: { containers: [{ args: ["x"] }] } } },
  };
  const result = validateObject(deploy, partial, { partial: true });
  assert.ok(!result.ok);
  assert.deepEqual(
    result.error.map(({ field }) => field),
    ["spec.template.spec.containers[0].name"],
  );
});

test("defaults are those of Kubernetes", () => {
  const probe = { httpGet: { port: 80 } };
  const value = put(put(deployment(), `${container}/livenessProbe`, probe), `${container}/ports`, [
    { containerPort: 80 },
  ]);
  const shown = withDefaults(deploy, value);
  assert.equal(at(shown, "spec/replicas"), 1);
  assert.equal(at(shown, "spec/template/spec/restartPolicy"), "Always");
  assert.equal(at(shown, "spec/template/spec/terminationGracePeriodSeconds"), 30);
  assert.equal(at(shown, `${container}/ports/0/protocol`), "TCP");
  assert.deepEqual(at(shown, `${container}/livenessProbe`), {
    httpGet: { port: 80, path: "/", scheme: "HTTP" },
    initialDelaySeconds: 0,
    periodSeconds: 10,
    timeoutSeconds: 1,
    successThreshold: 1,
    failureThreshold: 3,
  });
});

test("the taints of a node are replaced as a whole, and none is there twice", () => {
  const node = kind("", "Node");
  const taint = { key: "gpu", effect: "NoSchedule" };
  const tainted = (taints: readonly JsonObject[]): JsonObject => ({
    metadata: { name: "n" },
    spec: { taints },
  });
  assert.ok(validateObject(node, tainted([taint, { ...taint, effect: "NoExecute" }])).ok);
  assert.equal(problem(node, tainted([taint, { ...taint, value: "x" }])).field, "spec.taints[1]");
});

test("12 kinds are known, by group and kind", () => {
  assert.deepEqual(
    allKinds().map(({ group, kind: name }) => `${group}/${name}`),
    [
      "/ConfigMap",
      "/Namespace",
      "/Node",
      "/Service",
      "apps/DaemonSet",
      "apps/Deployment",
      "apps/StatefulSet",
      "batch/CronJob",
      "batch/Job",
      "policy/PodDisruptionBudget",
      "scheduling.k8s.io/PriorityClass",
      "starlight.dev/LinkPolicy",
    ],
  );
  assert.equal(kindOf("apps", "ReplicaSet"), undefined);
  assert.equal(kindOf("", "__proto__"), undefined);
});

function dotted(path: string): string {
  return path.replaceAll(/\/(\d+)/g, "[$1]").replaceAll("/", ".");
}
