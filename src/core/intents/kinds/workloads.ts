import { isList, isObject, type Json, type JsonObject } from "../../kernel/json.ts";
import type { FieldProblem } from "../contract.ts";
import { int, int32Max, intOrText, list, object, quantity, text } from "../schema.ts";
import { checkAnnotations, checkDaemonSetAnnotations, checkTemplateAnnotations } from "./annotations.ts";
import type { Kind } from "./kind.ts";
import { dnsLabel, labelSelector, metadata } from "./metadata.ts";
import { checkPlacement, checkResources } from "./check-placement.ts";
import { podTemplate } from "./pod-template.ts";

const percent = { test: /^\d{1,3}%$/, says: "a number, or a percentage such as `25%`" };
const countOrPercent = (description: string, otherwise: Json): ReturnType<typeof intOrText> =>
  intOrText(description, 0, int32Max, { pattern: percent, default: otherwise });

export const deployment: Kind = {
  group: "apps",
  version: "v1",
  kind: "Deployment",
  plural: "deployments",
  singular: "deployment",
  shortNames: ["deploy"],
  categories: ["all"],
  namespaced: true,
  schema: object("Copies of a pod, in every site or in the whole mesh.", {
    metadata,
    spec: object(
      "What to run, and how many.",
      {
        replicas: int(
          "Copies: in each site with `starlight.dev/placement: perSite`, else in the mesh.",
          0,
          10_000,
          {
            default: 1,
          },
        ),
        selector: { ...labelSelector, required: true },
        template: podTemplate,
        strategy: object("How a new version replaces the old one.", {
          type: text("Always RollingUpdate.", { choices: ["RollingUpdate"], default: "RollingUpdate" }),
          rollingUpdate: object("Its pace.", {
            maxSurge: countOrPercent("Copies in change at once.", "25%"),
            maxUnavailable: countOrPercent("Accepted; old copies end when new ones are ready.", "25%"),
          }),
        }),
        revisionHistoryLimit: int("Accepted for compatibility.", 0, int32Max, { default: 10 }),
        progressDeadlineSeconds: int("Accepted for compatibility.", 1, int32Max, { default: 600 }),
        minReadySeconds: int("Accepted only as 0.", 0, 0),
      },
      { required: true, unsupported: ["paused"] },
    ),
  }),
  immutable: ["spec.selector"],
  check: checkWorkload,
};

export const daemonSet: Kind = {
  group: "apps",
  version: "v1",
  kind: "DaemonSet",
  plural: "daemonsets",
  singular: "daemonset",
  shortNames: ["ds"],
  categories: ["all"],
  namespaced: true,
  schema: object("One copy of a pod on every node that may run it.", {
    metadata,
    spec: object(
      "What to run.",
      {
        selector: { ...labelSelector, required: true },
        template: podTemplate,
        updateStrategy: object(
          "How a new version replaces the old one.",
          {
            type: text("Always RollingUpdate.", { choices: ["RollingUpdate"], default: "RollingUpdate" }),
            rollingUpdate: object("Its pace.", {
              maxSurge: int("Accepted only as 0.", 0, 0, { default: 0 }),
              maxUnavailable: countOrPercent("Nodes in change at once, per site.", 1),
            }),
          },
          { default: {} },
        ),
        revisionHistoryLimit: int("Accepted for compatibility.", 0, int32Max, { default: 10 }),
        minReadySeconds: int("Accepted only as 0.", 0, 0),
      },
      { required: true },
    ),
  }),
  immutable: ["spec.selector"],
  check: (value) => [...checkDaemonSetAnnotations(value), ...checkPods(value)],
};

const claim = object(
  "A folder of the node that stays when the pod goes; the pod stays with it.",
  {
    metadata: object(
      "Its name.",
      {
        name: text("The volume that containers mount.", { required: true, pattern: dnsLabel }),
      },
      { required: true },
    ),
    spec: object(
      "Accepted for compatibility: the folder is on the node's own disk.",
      {
        accessModes: list("Accepted for compatibility.", text("A mode.", { choices: ["ReadWriteOnce"] })),
        resources: object("Accepted for compatibility.", {
          requests: object("What it asks for.", { storage: quantity("Bytes; not enforced.") }),
        }),
      },
      {
        unsupported: [
          "storageClassName",
          "selector",
          "volumeName",
          "volumeMode",
          "dataSource",
          "dataSourceRef",
        ],
      },
    ),
  },
  { unsupported: ["status"] },
);

export const statefulSet: Kind = {
  group: "apps",
  version: "v1",
  kind: "StatefulSet",
  plural: "statefulsets",
  singular: "statefulset",
  shortNames: ["sts"],
  categories: ["all"],
  namespaced: true,
  schema: object("Numbered pods, each of which runs at most once.", {
    metadata,
    spec: object(
      "What to run, and how many.",
      {
        replicas: int(
          "Ordinals: in each site with `starlight.dev/placement: perSite`, else in the mesh.",
          0,
          1_000,
          {
            default: 1,
          },
        ),
        selector: { ...labelSelector, required: true },
        template: podTemplate,
        serviceName: text("The Service that its pods belong to; recorded.", { lengthMax: 253 }),
        podManagementPolicy: text("OrderedReady starts one after the other, Parallel all at once.", {
          choices: ["OrderedReady", "Parallel"],
          default: "OrderedReady",
        }),
        updateStrategy: object(
          "How a new version replaces the old one.",
          {
            type: text("RollingUpdate from the highest ordinal down, or OnDelete.", {
              choices: ["RollingUpdate", "OnDelete"],
              default: "RollingUpdate",
            }),
            rollingUpdate: object("Its pace.", {
              partition: int("Ordinals below it keep what they run.", 0, int32Max, { default: 0 }),
            }),
          },
          { default: {} },
        ),
        volumeClaimTemplates: list("Folders that stay.", claim, { lengthMax: 16 }),
        revisionHistoryLimit: int("Accepted for compatibility.", 0, int32Max, { default: 10 }),
        minReadySeconds: int("Accepted only as 0.", 0, 0),
      },
      { required: true, unsupported: ["ordinals", "persistentVolumeClaimRetentionPolicy"] },
    ),
  }),
  immutable: ["spec.selector", "spec.serviceName", "spec.podManagementPolicy", "spec.volumeClaimTemplates"],
  check: checkWorkload,
};

function checkWorkload(value: JsonObject): FieldProblem[] {
  return [...checkAnnotations(value), ...checkPods(value)];
}

/** The selector finds the template's pods, mounts name volumes, names and ports are there once. */
function checkPods(value: JsonObject): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const spec = childOf(value, "spec");
  const template = childOf(spec, "template");
  const wanted = childOf(childOf(spec, "selector"), "matchLabels");
  const given = childOf(childOf(template, "metadata"), "labels");
  if (Object.keys(wanted).length === 0) {
    problems.push({
      field: "spec.selector.matchLabels",
      value: "",
      problem: "is empty",
      fix: "name at least one label, and give it to spec.template.metadata.labels too",
    });
  }
  for (const [label, expected] of Object.entries(wanted)) {
    if (given[label] === expected) continue;
    problems.push({
      field: `spec.template.metadata.labels[${label}]`,
      value: JSON.stringify(given[label] ?? null),
      problem: "does not match spec.selector",
      fix: `set it to ${JSON.stringify(expected)}`,
    });
  }
  const claimed = itemsOf(spec, "volumeClaimTemplates").map((volume) => childOf(volume, "metadata")["name"]);
  return [...problems, ...checkPodTemplate(template, claimed)];
}

/**
 * Rules between the fields of a pod template, at `spec.template`.
 *
 * @param claimed Names of volumes that it may mount besides its own.
 */
export function checkPodTemplate(
  template: JsonObject,
  claimed: readonly (Json | undefined)[] = [],
): FieldProblem[] {
  const podSpec = childOf(template, "spec");
  return [
    ...checkTemplateAnnotations(template),
    ...checkContainers(podSpec, claimed),
    ...checkPlacement(podSpec),
  ];
}

function checkContainers(podSpec: JsonObject, claimed: readonly (Json | undefined)[]): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const volumes = new Set([...itemsOf(podSpec, "volumes").map((volume) => volume["name"]), ...claimed]);
  const containers = itemsOf(podSpec, "containers");
  if (containers.length === 0) {
    const fix = "give at least one container with name and image";
    problems.push({ field: "spec.template.spec.containers", value: "[]", problem: "is empty", fix });
  }
  const portNames = new Set<Json>();
  containers.forEach((container, at) => {
    const field = `spec.template.spec.containers[${at}]`;
    itemsOf(container, "volumeMounts").forEach((mount, number) => {
      if (volumes.has(mount["name"])) return;
      problems.push({
        field: `${field}.volumeMounts[${number}].name`,
        value: JSON.stringify(mount["name"] ?? null),
        problem: "is not one of spec.template.spec.volumes",
        fix: "add the volume or correct the name",
      });
    });
    problems.push(...checkResources(childOf(container, "resources"), `${field}.resources`));
    itemsOf(container, "ports").forEach((port, number) => {
      const name = port["name"];
      if (name === undefined) return;
      if (portNames.has(name)) {
        const fix = "port names must differ within a pod";
        problems.push({
          field: `${field}.ports[${number}].name`,
          value: JSON.stringify(name),
          problem: "is there twice",
          fix,
        });
      }
      portNames.add(name);
    });
  });
  return problems;
}

export function childOf(value: JsonObject, name: string): JsonObject {
  const child = value[name];
  return isObject(child) ? child : {};
}

export function itemsOf(value: JsonObject, name: string): JsonObject[] {
  const items = value[name];
  return isList(items) ? items.filter(isObject) : [];
}
