import { bool, int, object, text } from "../schema.ts";
import type { Kind } from "./kind.ts";
import { metadata } from "./metadata.ts";

/** How important workloads are: who is placed first, and who may end others for want of room. */
export const priorityClass: Kind = {
  group: "scheduling.k8s.io",
  version: "v1",
  kind: "PriorityClass",
  plural: "priorityclasses",
  singular: "priorityclass",
  shortNames: ["pc"],
  categories: [],
  namespaced: false,
  schema: object("How important the workloads are that name it.", {
    metadata,
    value: int("Higher is more important.", -2_147_483_648, 1_000_000_000, { required: true }),
    globalDefault: bool("For workloads that name none; of several the lowest counts."),
    description: text("For people.", { lengthMax: 4096 }),
    preemptionPolicy: text("Whether it may end others for want of room.", {
      choices: ["PreemptLowerPriority", "Never"],
      default: "PreemptLowerPriority",
    }),
  }),
  immutable: ["value", "preemptionPolicy"],
  check: () => [],
};
