import type { JsonObject } from "../../kernel/json.ts";
import type { FieldProblem } from "../contract.ts";
import { bool, int, intOrText, list, listMap, map, object, text } from "../schema.ts";
import { checkNodeAnnotations } from "./annotations.ts";
import type { Kind } from "./kind.ts";
import { dnsLabel, labelKey, labels, labelValue, metadata } from "./metadata.ts";
import { childOf, itemsOf } from "./workloads.ts";

const noFurtherRules = (): readonly FieldProblem[] => [];

export const configMap: Kind = {
  group: "",
  version: "v1",
  kind: "ConfigMap",
  plural: "configmaps",
  singular: "configmap",
  shortNames: ["cm"],
  categories: [],
  namespaced: true,
  schema: object(
    "Texts for programs to read.",
    {
      metadata,
      data: map("Key to text.", text("The text.", { lengthMax: 1_000_000 }), {
        keys: { pattern: { test: /^[-._a-zA-Z0-9]{1,253}$/, says: "letters, digits, `-`, `_` and `.`" } },
      }),
    },
    { unsupported: ["binaryData", "immutable"] },
  ),
  check: noFurtherRules,
};

export const namespace: Kind = {
  group: "",
  version: "v1",
  kind: "Namespace",
  plural: "namespaces",
  singular: "namespace",
  shortNames: ["ns"],
  categories: [],
  namespaced: false,
  schema: object("A room for names.", { metadata, spec: object("Accepted when empty.", {}) }),
  check: noFurtherRules,
};

export const service: Kind = {
  group: "",
  version: "v1",
  kind: "Service",
  plural: "services",
  singular: "service",
  shortNames: ["svc"],
  categories: ["all"],
  namespaced: true,
  schema: object("A name for pods that answer together.", {
    metadata,
    spec: object(
      "Which pods, which ports.",
      {
        selector: { ...labels("Labels of the pods."), atomic: true },
        ports: listMap(
          "Ports of the service.",
          ["port", "protocol"],
          object(
            "A port.",
            {
              name: text("Its name; needed when there are several.", { pattern: dnsLabel }),
              port: int("The service's port.", 1, 65_535, { required: true }),
              targetPort: intOrText("The pods' port, by number or name.", 1, 65_535, { pattern: dnsLabel }),
              protocol: text("TCP or UDP.", { choices: ["TCP", "UDP"], default: "TCP" }),
              appProtocol: text("Accepted for compatibility.", { lengthMax: 253 }),
            },
            { unsupported: ["nodePort"] },
          ),
        ),
        type: text("How it is reached.", { choices: ["ClusterIP"], default: "ClusterIP" }),
        clusterIP: text("Always None: names lead to the pods themselves.", { choices: ["None"] }),
        clusterIPs: list("Accepted for compatibility.", text("None.", { choices: ["None"] })),
        sessionAffinity: text("Always None.", { choices: ["None"], default: "None" }),
        internalTrafficPolicy: text("Accepted for compatibility.", { choices: ["Cluster"] }),
        ipFamilies: list("Accepted for compatibility.", text("IPv4.", { choices: ["IPv4"] })),
        ipFamilyPolicy: text("Accepted for compatibility.", { choices: ["SingleStack"] }),
      },
      {
        required: true,
        unsupported: [
          "publishNotReadyAddresses",
          "externalIPs",
          "externalName",
          "loadBalancerIP",
          "externalTrafficPolicy",
          "loadBalancerClass",
        ],
      },
    ),
  }),
  check: checkService,
};

/** What people may say about a node; what a node says of itself is its own. */
export const node: Kind = {
  group: "",
  version: "v1",
  kind: "Node",
  plural: "nodes",
  singular: "node",
  shortNames: ["no"],
  categories: [],
  namespaced: false,
  schema: object("A machine of the mesh.", {
    metadata,
    spec: object(
      "What people decided about it.",
      {
        unschedulable: bool("Takes no new pods (cordoned)."),
        taints: list(
          "Keeps pods away that do not tolerate it.",
          object("A taint.", {
            key: text("Its key.", { required: true, pattern: labelKey }),
            value: text("Its value.", { pattern: labelValue }),
            effect: text("What it does.", {
              required: true,
              choices: ["NoSchedule", "PreferNoSchedule", "NoExecute"],
            }),
            timeAdded: text("Accepted for compatibility.", { lengthMax: 64 }),
          }),
          { lengthMax: 256 },
        ),
      },
      { unsupported: ["podCIDR", "podCIDRs", "providerID", "externalID", "configSource"] },
    ),
  }),
  check: checkNode,
};

function checkNode(value: JsonObject): FieldProblem[] {
  const problems = checkNodeAnnotations(value);
  const seen = new Set<string>();
  itemsOf(childOf(value, "spec"), "taints").forEach((taint, at) => {
    const key = JSON.stringify([taint["key"], taint["effect"]]);
    if (seen.has(key)) {
      const problem = "has the key and effect of an earlier taint";
      problems.push({ field: `spec.taints[${at}]`, value: key, problem, fix: "remove one of them" });
    }
    seen.add(key);
  });
  return problems;
}

function checkService(value: JsonObject): FieldProblem[] {
  const spec = childOf(value, "spec");
  const ports = itemsOf(spec, "ports");
  const problems: FieldProblem[] = [];
  if (ports.length === 0) {
    const fix = "give at least one port, for example `- {port: 80, targetPort: http}`";
    problems.push({ field: "spec.ports", value: "[]", problem: "is empty", fix });
  }
  ports.forEach((port, at) => {
    if (ports.length < 2 || port["name"] !== undefined) return;
    const fix = "name every port when there are several";
    problems.push({ field: `spec.ports[${at}].name`, value: "", problem: "is missing", fix });
  });
  return problems;
}
