import type { JsonObject } from "../../kernel/json.ts";
import type { FieldProblem } from "../contract.ts";
import { list, object, text, type ObjectSchema } from "../schema.ts";
import type { Kind } from "./kind.ts";
import { labels, metadata } from "./metadata.ts";
import { childOf, itemsOf } from "./workloads.ts";

const nodeSelector = (description: string): ObjectSchema =>
  object(
    description,
    { matchLabels: labels("Labels a node must have.") },
    { unsupported: ["matchExpressions"] },
  );

/**
 * Which nodes may have a connection at all. Nodes that no policy selects may link with anybody who may link
 * with them; a selected node only with those whom a policy that selects it allows.
 */
export const linkPolicy: Kind = {
  group: "starlight.dev",
  version: "v1",
  kind: "LinkPolicy",
  plural: "linkpolicies",
  singular: "linkpolicy",
  shortNames: ["lp"],
  categories: [],
  namespaced: false,
  schema: object("Who may connect to whom in the mesh.", {
    metadata,
    spec: object(
      "Whom it binds, and with whom these may link.",
      {
        nodes: nodeSelector("The nodes it binds; every node when missing."),
        allow: list(
          "With whom they may link: whoever one of these rules names.",
          object("Nodes within a distance that have these labels.", {
            within: text(
              "How far away they may be: in the same site, in the same innermost region, or anywhere.",
              {
                choices: ["site", "region", "mesh"],
                default: "mesh",
              },
            ),
            nodes: nodeSelector("Labels they must have; any when missing."),
          }),
          { lengthMax: 64, required: true },
        ),
      },
      { required: true },
    ),
  }),
  check: checkLinkPolicy,
};

function checkLinkPolicy(value: JsonObject): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const rules = itemsOf(childOf(value, "spec"), "allow");
  if (rules.length === 0) {
    const fix =
      "give at least one rule, for example `- {within: site}`; delete the policy to allow everything";
    problems.push({ field: "spec.allow", value: "[]", problem: "is empty: it would cut nodes off", fix });
  }
  const seen = new Set<string>();
  rules.forEach((rule, at) => {
    const text = JSON.stringify([rule["within"] ?? "mesh", childOf(childOf(rule, "nodes"), "matchLabels")]);
    if (seen.has(text)) {
      const problem = "says the same as an earlier rule";
      problems.push({ field: `spec.allow[${at}]`, value: text, problem, fix: "remove one of them" });
    }
    seen.add(text);
  });
  return problems;
}
