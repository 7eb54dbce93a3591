import { deployment, deploymentRef, put } from "./testbed.ts";
import {
  label,
  named,
  ownsKey,
  ownsLabel,
  pod,
  podOf,
  replicas,
  testCm,
  withReplicas,
  type Example,
} from "./kubernetes-testbed.ts";

/** Server-side apply. */
export const serverSideApply: readonly Example[] = [
  {
    doc: "ssa, Field management, Example",
    says: "one applier owns the label and the key it applied",
    steps: [{ by: "kubectl", apply: testCm({ key: "some value" }, label) }],
    owns: { "kubectl Apply": { ...ownsLabel, ...ownsKey } },
  },
  {
    doc: "ssa, Operations in scope for field management",
    says: "an update moves the field it changes to its own manager and never fails for a conflict",
    steps: [
      { by: "kubectl", apply: testCm({ key: "some value" }, label) },
      { by: "kube-controller-manager", update: testCm({ key: "new value" }, label) },
    ],
    shows: { "data/key": "new value" },
    owns: { "kubectl Apply": ownsLabel, "kube-controller-manager Update": ownsKey },
  },
  {
    doc: "ssa, Operations in scope for field management",
    says: "the same change as an apply fails, with the message of Kubernetes",
    steps: [
      { by: "kubectl", apply: testCm({ key: "some value" }, label) },
      {
        by: "other",
        apply: testCm({ key: "new value" }),
        refused: 'Apply failed with 1 conflict: conflict with "kubectl": .data.key',
      },
    ],
    shows: { "data/key": "some value" },
  },
  {
    doc: "ssa, Conflicts (message: apimachinery, managedfields/internal/conflict.go)",
    says: "several conflicts are listed per manager, and one that updated is named with the version",
    steps: [
      { by: "a", apply: testCm({ one: "1", two: "2", three: "3" }) },
      { by: "b", update: testCm({ one: "1", two: "2", three: "4" }) },
      {
        by: "c",
        apply: testCm({ one: "x", two: "x", three: "x" }),
        refused:
          'Apply failed with 3 conflicts: conflicts with "a":\n- .data.one\n- .data.two\nconflicts with "b" using v1:\n- .data.three',
      },
    ],
  },
  {
    doc: "ssa, Conflicts: overwrite value, become sole manager",
    says: "force changes the value and takes the field from all others",
    steps: [
      { by: "a", apply: testCm({ key: "1" }) },
      { by: "b", apply: testCm({ key: "1" }) },
      { by: "c", apply: testCm({ key: "2" }), force: true },
    ],
    shows: { "data/key": "2" },
    owns: { "c Apply": ownsKey },
  },
  {
    doc: "ssa, Conflicts: don't overwrite value, give up management claim",
    says: "an apply without the field leaves the value and gives the claim up",
    steps: [
      { by: "a", apply: testCm({ key: "1" }, label) },
      { by: "b", update: testCm({ key: "2" }, label) },
      { by: "a", apply: testCm({ key: "1" }, label), refused: "Apply failed with 1 conflict" },
      { by: "a", apply: { metadata: { labels: label } } },
    ],
    shows: { "data/key": "2" },
    owns: { "a Apply": ownsLabel, "b Update": ownsKey },
  },
  {
    doc: "ssa, Conflicts: don't overwrite value, become shared manager",
    says: "an apply of the value that is there shares the field",
    steps: [
      { by: "a", apply: testCm({ key: "1" }) },
      { by: "b", apply: testCm({ key: "2" }), refused: "Apply failed with 1 conflict" },
      { by: "b", apply: testCm({ key: "1" }) },
    ],
    owns: { "a Apply": ownsKey, "b Apply": ownsKey },
  },
  {
    doc: "ssa, Field management: shared ownership",
    says: "any attempt of an owner to change a shared field is a conflict with the others",
    steps: [
      { by: "a", apply: testCm({ key: "1" }) },
      { by: "b", apply: testCm({ key: "1" }) },
      {
        by: "a",
        apply: testCm({ key: "2" }),
        refused: 'Apply failed with 1 conflict: conflict with "b": .data.key',
      },
    ],
    shows: { "data/key": "1" },
  },
  {
    doc: "ssa, Field management: shared ownership",
    says: "a shared owner gives the field up by leaving it out, and it stays for the other",
    steps: [
      { by: "a", apply: testCm({ key: "1" }) },
      { by: "b", apply: testCm({ key: "1" }) },
      { by: "a", apply: { metadata: { labels: label } } },
    ],
    shows: { "data/key": "1" },
    owns: { "a Apply": ownsLabel, "b Apply": ownsKey },
  },
  {
    doc: "ssa, Field management: removing a field from a manifest",
    says: "a field without another owner is deleted; one with a default has its default again",
    ref: deploymentRef,
    steps: [
      { by: "a", apply: withReplicas(3) },
      { by: "a", apply: deployment() },
    ],
    shows: { "spec/replicas": null },
  },
  {
    doc: "ssa, Field management: the same rule for associative list and map items",
    says: "items left out go, items of another manager stay",
    ref: deploymentRef,
    steps: [
      { by: "a", apply: put(deployment(named("web", "log")), "metadata/labels", { x: "1", y: "1" }) },
      { by: "b", apply: podOf({ containers: named("proxy") }) },
      { by: "a", apply: put(deployment(named("web")), "metadata/labels", { y: "1" }) },
    ],
    shows: { [`${pod}/containers`]: named("web", "proxy"), "metadata/labels": { y: "1" } },
  },
  {
    doc: "ssa, Serialization",
    says: "a body of only apiVersion and kind changes nothing",
    steps: [
      { by: "a", apply: testCm({ key: "1" }) },
      { by: "b", apply: { apiVersion: "v1", kind: "ConfigMap" } },
    ],
    shows: { "data/key": "1" },
    owns: { "a Apply": ownsKey },
  },
  {
    doc: "ssa, Merge strategy",
    says: "an item that its applier leaves out goes, unless another applier manages it",
    ref: deploymentRef,
    steps: [
      { by: "a", apply: deployment(named("web", "log")) },
      { by: "b", apply: podOf({ containers: named("log") }) },
      { by: "a", apply: deployment(named("web")) },
    ],
    shows: { [`${pod}/containers`]: named("web", "log") },
  },
  {
    doc: "ssa, Transferring ownership (basic)",
    says: "the autoscaler writes replicas, the user meets a conflict and leaves the field out",
    ref: deploymentRef,
    steps: [
      { by: "kubectl", apply: withReplicas(3) },
      { by: "hpa", patch: replicas(5) },
      {
        by: "kubectl",
        apply: withReplicas(3),
        refused: 'Apply failed with 1 conflict: conflict with "hpa" using apps/v1: .spec.replicas',
      },
      { by: "kubectl", apply: deployment() },
    ],
    shows: { "spec/replicas": 5 },
  },
  {
    doc: "ssa, Transferring ownership (advanced)",
    says: "a private manager holds replicas meanwhile, and owns nothing once the autoscaler writes",
    ref: deploymentRef,
    steps: [
      { by: "kubectl", apply: deployment() },
      { by: "kubectl", apply: withReplicas(3) },
      { by: "handover-to-hpa", apply: replicas(3) },
      { by: "kubectl", apply: deployment() },
      { by: "hpa", patch: replicas(7) },
    ],
    shows: { "spec/replicas": 7 },
  },
  {
    doc: "ssa, Transferring ownership between managers",
    says: "both apply the same value, then one leaves it out",
    steps: [
      { by: "a", apply: testCm({ key: "1", mine: "a" }) },
      { by: "b", apply: testCm({ key: "1" }) },
      { by: "a", apply: testCm({ mine: "a" }) },
    ],
    shows: { "data/key": "1" },
    owns: { "a Apply": { "f:data": { "f:mine": {} } }, "b Apply": ownsKey },
  },
  {
    doc: "ssa, Clearing managedFields",
    says: "not supported: ownership is computed here, so an update with other managedFields changes none",
    steps: [
      { by: "a", apply: testCm({ key: "1" }) },
      { by: "b", update: { ...testCm({ key: "1" }), metadata: { managedFields: [{}] } } },
    ],
    owns: { "a Apply": ownsKey },
  },
  {
    doc: "ssa, Field management: a request that does not give a valid object fails",
    says: "an apply that leaves a required field missing is refused by its name",
    ref: deploymentRef,
    steps: [
      {
        by: "a",
        apply: podOf({ containers: [{ name: "web" }] }),
        refused: "spec.template.spec.containers[0].image is missing",
      },
    ],
  },
  {
    doc: "declare, Merge individual elements of a list of complex elements",
    says: "helper-a is deleted, helper-b keeps the args of another writer, helper-c is added, helper-d stays",
    ref: deploymentRef,
    steps: [
      { by: "kubectl", apply: deployment(named("nginx", "helper-a", "helper-b")) },
      { by: "other", patch: podOf({ containers: [{ name: "helper-b", args: ["run"] }] }) },
      { by: "other", apply: podOf({ containers: named("helper-d") }) },
      { by: "kubectl", apply: deployment(named("nginx", "helper-b", "helper-c")) },
    ],
    shows: {
      [`${pod}/containers`]: [
        { name: "nginx", image: "nginx:1" },
        { name: "helper-b", image: "helper-b:1", args: ["run"] },
        ...named("helper-d", "helper-c"),
      ],
    },
  },
  {
    doc: "declare, Replace the list if all its elements are primitives",
    says: "args [a b], live [a b d], configuration [a c]: forced, the result is [a c]",
    ref: deploymentRef,
    steps: [
      { by: "kubectl", apply: deployment([{ name: "web", image: "w", args: ["a", "b"] }]) },
      { by: "other", patch: podOf({ containers: [{ name: "web", args: ["a", "b", "d"] }] }) },
      {
        by: "kubectl",
        apply: deployment([{ name: "web", image: "w", args: ["a", "c"] }]),
        refused:
          'Apply failed with 1 conflict: conflict with "other" using apps/v1: .spec.template.spec.containers[name="web"].args',
      },
      {
        by: "kubectl",
        apply: deployment([{ name: "web", image: "w", args: ["a", "c"] }]),
        force: true,
      },
    ],
    shows: { [`${pod}/containers/0/args`]: ["a", "c"] },
  },
];
