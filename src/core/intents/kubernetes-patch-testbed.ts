import { deployment, deploymentRef, put } from "./testbed.ts";
import { named, pod, podOf, testCm, type Example } from "./kubernetes-testbed.ts";

/** Strategic merge patch. */
const nginx = { name: "nginx", image: "nginx-1.0" };
const tailer = { name: "log-tailer", image: "log-tailer-1.0" };
const demo = deployment([{ name: "patch-demo-ctr", image: "nginx" }]);
const rolling = put(deployment(), "spec/strategy", {
  type: "RollingUpdate",
  rollingUpdate: { maxSurge: "30%" },
});

export const strategicMerge: readonly Example[] = [
  {
    doc: "smp, Background",
    says: "a container of another name is added to the list",
    ref: deploymentRef,
    steps: [
      { by: "a", update: deployment([nginx]) },
      { by: "b", patch: podOf({ containers: [tailer] }) },
    ],
    shows: { [`${pod}/containers`]: [tailer, nginx] },
  },
  {
    doc: "patch, Use a strategic merge patch to update a Deployment",
    says: "redis is added, and stands first as in the output that is printed there",
    ref: deploymentRef,
    steps: [
      { by: "a", update: demo },
      { by: "b", patch: podOf({ containers: [{ name: "patch-demo-ctr-2", image: "redis" }] }) },
    ],
    shows: {
      [`${pod}/containers`]: [
        { name: "patch-demo-ctr-2", image: "redis" },
        { name: "patch-demo-ctr", image: "nginx" },
      ],
    },
  },
  {
    doc: "patch, Notes on the strategic merge patch",
    says: "tolerations have no merge key: the list is replaced",
    ref: deploymentRef,
    steps: [
      { by: "a", update: put(demo, `${pod}/tolerations`, [{ key: "dedicated", operator: "Exists" }]) },
      {
        by: "b",
        patch: podOf({ tolerations: [{ effect: "NoSchedule", key: "disktype", value: "ssd" }] }),
      },
    ],
    shows: { [`${pod}/tolerations`]: [{ effect: "NoSchedule", key: "disktype", value: "ssd" }] },
  },
  {
    doc: "smp, replace directive, map",
    says: "a map with $patch: replace is taken literally",
    ref: deploymentRef,
    steps: [
      { by: "a", update: put(deployment([nginx, tailer]), `${pod}/hostNetwork`, true) },
      { by: "b", patch: podOf({ $patch: "replace", containers: [nginx] }) },
    ],
    shows: { [`${pod}/containers`]: [nginx], [`${pod}/hostNetwork`]: null },
  },
  {
    doc: "smp, replace directive, list of maps",
    says: "a list with $patch: replace in it is replaced",
    ref: deploymentRef,
    steps: [
      { by: "a", update: deployment([tailer]) },
      { by: "b", patch: podOf({ containers: [nginx, { $patch: "replace" }] }) },
    ],
    shows: { [`${pod}/containers`]: [nginx] },
  },
  {
    doc: "smp, delete directive, list of maps",
    says: "an item with $patch: delete goes",
    ref: deploymentRef,
    steps: [
      { by: "a", update: deployment([nginx, tailer]) },
      { by: "b", patch: podOf({ containers: [nginx, { $patch: "delete", name: "log-tailer" }] }) },
    ],
    shows: { [`${pod}/containers`]: [nginx] },
  },
  ...[{ $patch: "delete" }, null].map((gone): Example => ({
    doc: "smp, delete directive, maps",
    says: `rollingUpdate goes by ${JSON.stringify(gone)}`,
    ref: deploymentRef,
    steps: [
      { by: "a", update: rolling },
      { by: "b", patch: { spec: { strategy: { rollingUpdate: gone } } } },
    ],
    shows: { "spec/strategy/rollingUpdate/maxSurge": null, "spec/strategy/type": "RollingUpdate" },
  })),
  {
    doc: "smp, deleteFromPrimitiveList directive",
    says: "finalizers are refused by name, so there is nothing to take from them",
    steps: [
      { by: "a", update: testCm({ key: "1" }) },
      {
        by: "b",
        patch: { metadata: { finalizers: ["a", "b", "c"] } },
        refused: "metadata.finalizers is not supported",
      },
      { by: "b", patch: { metadata: { "$deleteFromPrimitiveList/finalizers": ["b", "c"] } } },
    ],
    shows: { "data/key": "1", "metadata/finalizers": null },
  },
  {
    doc: "smp, setElementOrder directive, list of maps",
    says: "the list a b c is put into the order b c a",
    ref: deploymentRef,
    steps: [
      { by: "a", update: deployment(named("a", "b", "c")) },
      {
        by: "b",
        patch: podOf({ "$setElementOrder/containers": [{ name: "b" }, { name: "c" }, { name: "a" }] }),
      },
    ],
    shows: { [`${pod}/containers`]: named("b", "c", "a") },
  },
  {
    doc: "smp, retainKeys directive",
    says: "what $retainKeys does not name is cleared: a volume changes its kind",
    ref: deploymentRef,
    steps: [
      {
        by: "a",
        update: put(deployment(), `${pod}/volumes`, [{ name: "v", emptyDir: { medium: "Memory" } }]),
      },
      {
        by: "b",
        patch: podOf({
          volumes: [{ name: "v", configMap: { name: "c" }, $retainKeys: ["name", "configMap"] }],
        }),
      },
    ],
    shows: { [`${pod}/volumes`]: [{ name: "v", configMap: { name: "c" } }] },
  },
  {
    doc: "patch, Use strategic merge patch to update a Deployment using the retainKeys strategy",
    says: "the strategy Recreate itself is not supported and refused by name",
    ref: deploymentRef,
    steps: [
      { by: "a", update: rolling },
      {
        by: "b",
        patch: { spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } } },
        refused: "spec.strategy.type",
      },
      { by: "b", patch: { spec: { strategy: { $retainKeys: ["type"], type: "RollingUpdate" } } } },
    ],
    shows: { "spec/strategy": { type: "RollingUpdate" } },
  },
  {
    doc: "api, Container ports: patch merge key containerPort, list map keys containerPort and protocol",
    says: "a port is found by number and protocol, and by its number alone where that is unique",
    ref: deploymentRef,
    steps: [
      {
        by: "a",
        update: deployment([
          {
            name: "dns",
            image: "d",
            ports: [
              { containerPort: 53, protocol: "TCP" },
              { containerPort: 53, protocol: "UDP" },
            ],
          },
        ]),
      },
      {
        by: "b",
        patch: podOf({
          containers: [{ name: "dns", ports: [{ containerPort: 53, protocol: "UDP", name: "dns" }] }],
        }),
      },
    ],
    shows: { [`${pod}/containers/0/ports/0/name`]: null, [`${pod}/containers/0/ports/1/name`]: "dns" },
  },
];
