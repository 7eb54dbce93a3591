import { int, int32Max, list, listMap, object, text, type ListSchema, type ObjectSchema } from "../schema.ts";
import { dnsLabel, labelKey, labels, labelValue } from "./metadata.ts";

/** Where pods may and would rather run: affinity, spread and tolerations of a PodSpec. */

const values = list("Values.", text("A value.", { pattern: labelValue }), { lengthMax: 256 });

const nodeTerm = object(
  "Conditions on the labels of a node; all must hold.",
  {
    matchExpressions: list(
      "The conditions.",
      object("A condition.", {
        key: text("The label.", { required: true, pattern: labelKey }),
        operator: text("How it compares.", {
          required: true,
          choices: ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"],
        }),
        values,
      }),
      { lengthMax: 64 },
    ),
  },
  { unsupported: ["matchFields"] },
);

const weight = int("How much it counts.", 1, 100, { required: true });

const nodeAffinity = object("By the labels of nodes.", {
  requiredDuringSchedulingIgnoredDuringExecution: object(
    "One of the terms must hold when a pod is placed.",
    { nodeSelectorTerms: list("The terms.", nodeTerm, { required: true, lengthMax: 64 }) },
    { atomic: true },
  ),
  preferredDuringSchedulingIgnoredDuringExecution: list(
    "What counts for a node.",
    object("A preference.", { weight, preference: { ...nodeTerm, required: true } }),
    { lengthMax: 64 },
  ),
});

const podSelector = object("Which pods.", {
  matchLabels: labels("Labels a pod must have."),
  matchExpressions: list(
    "Conditions on its labels.",
    object("A condition.", {
      key: text("The label.", { required: true, pattern: labelKey }),
      operator: text("How it compares.", {
        required: true,
        choices: ["In", "NotIn", "Exists", "DoesNotExist"],
      }),
      values,
    }),
    { lengthMax: 64 },
  ),
});

const topologyKey = text("The node label whose equal values make one place.", {
  required: true,
  pattern: labelKey,
});

const podTerm = object(
  "Pods that run in the same place.",
  {
    labelSelector: podSelector,
    namespaces: list("Their namespaces; its own when empty.", text("A namespace.", { pattern: dnsLabel }), {
      lengthMax: 64,
    }),
    topologyKey,
  },
  { unsupported: ["namespaceSelector", "matchLabelKeys", "mismatchLabelKeys"] },
);

const podAffinity = (description: string): ObjectSchema =>
  object(description, {
    requiredDuringSchedulingIgnoredDuringExecution: list("Must hold when a pod is placed.", podTerm, {
      lengthMax: 32,
    }),
    preferredDuringSchedulingIgnoredDuringExecution: list(
      "What counts.",
      object("A preference.", { weight, podAffinityTerm: { ...podTerm, required: true } }),
      { lengthMax: 32 },
    ),
  });

export const affinity = object("Where pods may and would rather run.", {
  nodeAffinity,
  podAffinity: podAffinity("Near other pods."),
  podAntiAffinity: podAffinity("Away from other pods."),
});

export const topologySpreadConstraints = listMap(
  "How evenly pods are spread.",
  ["topologyKey", "whenUnsatisfiable"],
  object(
    "A spread.",
    {
      maxSkew: int("How many more than in the emptiest place.", 1, int32Max, { required: true }),
      topologyKey,
      whenUnsatisfiable: text("Whether it must hold.", {
        required: true,
        choices: ["DoNotSchedule", "ScheduleAnyway"],
      }),
      labelSelector: podSelector,
    },
    { unsupported: ["minDomains", "nodeAffinityPolicy", "nodeTaintsPolicy", "matchLabelKeys"] },
  ),
);

export const tolerations: ListSchema = list(
  "Taints to live with.",
  object("A taint that does not keep the pod away.", {
    key: text("The taint's key; all when missing.", { pattern: labelKey }),
    operator: text("Exists or Equal.", { choices: ["Exists", "Equal"] }),
    value: text("The taint's value.", { pattern: labelValue }),
    effect: text("The taint's effect; all when missing.", {
      choices: ["NoSchedule", "PreferNoSchedule", "NoExecute"],
    }),
    tolerationSeconds: int("For how long, of a NoExecute taint.", 0, int32Max),
  }),
  { lengthMax: 256 },
);

/** Names of resources: Kubernetes' own three, and extended ones such as `nvidia.com/gpu`. */
export const resourceName = {
  test: /^(cpu|memory|ephemeral-storage|(?!([-a-z0-9]+\.)*kubernetes\.io\/)[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)$/,
  says: "cpu, memory, ephemeral-storage, or an extended resource such as `nvidia.com/gpu`",
};
