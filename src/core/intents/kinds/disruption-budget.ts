import type { JsonObject } from "../../kernel/json.ts";
import type { FieldProblem } from "../contract.ts";
import { int32Max, intOrText, object, text } from "../schema.ts";
import type { Kind } from "./kind.ts";
import { labelSelector, metadata } from "./metadata.ts";
import { childOf } from "./workloads.ts";

const percent = { test: /^(\d{1,2}|100)%$/, says: "a number, or a percentage such as `50%`" };

/** How many copies people may take away at once. */
export const podDisruptionBudget: Kind = {
  group: "policy",
  version: "v1",
  kind: "PodDisruptionBudget",
  plural: "poddisruptionbudgets",
  singular: "poddisruptionbudget",
  shortNames: ["pdb"],
  categories: [],
  namespaced: true,
  schema: object("How many of some pods evictions leave running.", {
    metadata,
    spec: object(
      "Which pods, and how many.",
      {
        minAvailable: intOrText("At least so many stay ready.", 0, int32Max, { pattern: percent }),
        maxUnavailable: intOrText("At most so many are not ready.", 0, int32Max, { pattern: percent }),
        selector: { ...labelSelector, required: true },
        unhealthyPodEvictionPolicy: text("Whether pods that are not ready may always go.", {
          choices: ["IfHealthyBudget", "AlwaysAllow"],
          default: "IfHealthyBudget",
        }),
      },
      { required: true, oneOf: ["minAvailable", "maxUnavailable"], oneRequired: true },
    ),
  }),
  check: checkSelector,
};

function checkSelector(value: JsonObject): readonly FieldProblem[] {
  const labels = childOf(childOf(childOf(value, "spec"), "selector"), "matchLabels");
  if (Object.keys(labels).length > 0) return [];
  const field = "spec.selector.matchLabels";
  return [{ field, value: "", problem: "is empty", fix: "name at least one label of the pods" }];
}
