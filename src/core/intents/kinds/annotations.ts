import { isList, isObject, type JsonObject } from "../../kernel/json.ts";
import type { FieldProblem } from "../contract.ts";
import { maintenanceAnnotation, maintenanceExample, parseMaintenance } from "../maintenance.ts";
import { parseDuration } from "../quantity.ts";
import { isRegion, regionFix } from "../../records/scope.ts";
import { parseSiteSelector, regionsNamed } from "../site-selector.ts";
import { isRestartBudget, restartBudgetAnnotation } from "../restart-budget.ts";
import { parseVariants, variantsAnnotation, variantsExample } from "../variants.ts";

type Rules = {
  readonly [name: string]: { readonly holds: (text: string) => boolean; readonly fix: string };
};

/** The annotations that steer Starlight: what each takes, and the fix when it is something else. */
const rules: Rules = {
  "starlight.dev/placement": {
    holds: (text) => text === "perSite" || text === "mesh",
    fix: 'use "perSite" (copies in every site) or "mesh" (copies in the whole mesh)',
  },
  "starlight.dev/sites": {
    holds: (text) => parseSiteSelector(text).ok,
    fix: 'use for example "region=north" or "name in (oslo,bern)"; the labels are name and region',
  },
  "starlight.dev/on-partition": {
    holds: (text) => text === "duplicate" || text === "freeze" || text === "majority",
    fix: 'use "duplicate" (replace copies that are out of reach), "freeze" (leave them) or "majority" (never two)',
  },
  "starlight.dev/lost-after": {
    holds: (text) => parseDuration(text) !== undefined,
    fix: 'use a duration such as "10s" or "2m"',
  },
  [restartBudgetAnnotation]: {
    holds: isRestartBudget,
    fix: 'use a whole number such as "5", or "0" for any number',
  },
  "starlight.dev/volume-lost": {
    holds: (text) => text === "wait" || text === "fresh",
    fix: 'use "wait" (for the node that has the data) or "fresh" (start elsewhere without it)',
  },
  "starlight.dev/on-heal": {
    holds: (text) => text === "keepOriginal" || text === "keepReplacement",
    fix: 'use "keepOriginal" or "keepReplacement"',
  },
};

const nodeRules: Rules = {
  [maintenanceAnnotation]: {
    holds: (text) => parseMaintenance(text).ok,
    fix: `use for example ${maintenanceExample}`,
  },
};

const templateRules: typeof rules = {
  [variantsAnnotation]: {
    holds: (text) => parseVariants(text).ok,
    fix: `give a JSON list, best first, such as ${variantsExample}`,
  },
};

/** Checks the `starlight.dev/` annotations of a workload; a name we do not know is refused. */
export const checkAnnotations = (value: JsonObject): FieldProblem[] => [
  ...checkAll(value, rules, "metadata.annotations"),
  ...checkSites(value),
];

/** Those of a DaemonSet: what says where copies run would be ignored. */
export function checkDaemonSetAnnotations(value: JsonObject): FieldProblem[] {
  const problem = "is not for a DaemonSet, which runs on every node that may run it";
  const annotations = annotationsOf(value);
  const refused = Object.entries(placesOfNoUse).flatMap(([name, fix]): FieldProblem[] => {
    const text = annotations[name];
    const field = `metadata.annotations[${name}]`;
    return text === undefined ? [] : [{ field, value: JSON.stringify(text), problem, fix }];
  });
  const others = Object.fromEntries(
    Object.entries(annotations).filter(([name]) => !Object.hasOwn(placesOfNoUse, name)),
  );
  return [...refused, ...checkAll({ metadata: { annotations: others } }, rules, "metadata.annotations")];
}

const placesOfNoUse: { readonly [name: string]: string } = {
  "starlight.dev/placement": "leave it out",
  "starlight.dev/sites":
    "leave it out, and select nodes in spec.template.spec by their labels topology.kubernetes.io/zone (the site) and topology.kubernetes.io/region: nodeSelector for one, affinity.nodeAffinity for several",
};

/** A selector of sites that would be ignored, or names regions that can never exist. */
function checkSites(value: JsonObject): FieldProblem[] {
  const annotations = annotationsOf(value);
  const { "starlight.dev/sites": text, "starlight.dev/placement": placement } = annotations;
  if (typeof text !== "string") return [];
  const field = "metadata.annotations[starlight.dev/sites]";
  const problems = regionsNamed(text)
    .filter((region) => !isRegion(region))
    .map((region) => ({ field, value: JSON.stringify(region), problem: "is not a region", fix: regionFix }));
  if (placement === "perSite" || !parseSiteSelector(text).ok) return problems;
  const fix = 'set starlight.dev/placement to "perSite" too, or leave it out';
  return [...problems, { field, value: JSON.stringify(text), problem: "is for perSite workloads only", fix }];
}

/** Those of a Node. */
export const checkNodeAnnotations = (value: JsonObject): FieldProblem[] =>
  checkAll(value, nodeRules, "metadata.annotations");

/** Those of its pod template. */
export function checkTemplateAnnotations(template: JsonObject): FieldProblem[] {
  const problems = checkAll(template, templateRules, "spec.template.metadata.annotations");
  const { spec } = template;
  const annotations = annotationsOf(template);
  const text = annotations[variantsAnnotation];
  const variants = typeof text === "string" ? parseVariants(text) : undefined;
  const field = `spec.template.metadata.annotations[${variantsAnnotation}]`;
  if (variants?.ok === false) {
    return problems.map((problem) =>
      problem.field === field ? { ...problem, problem: variants.error } : problem,
    );
  }
  const containers = isObject(spec) && isList(spec["containers"]) ? spec["containers"] : [];
  for (const { name, container } of variants?.value ?? []) {
    if (container === undefined || containers.some((of) => isObject(of) && of["name"] === container))
      continue;
    const problem = `names a container ${JSON.stringify(container)} that is not there`;
    problems.push({ field, value: JSON.stringify(name), problem, fix: "name one of the pod's containers" });
  }
  return problems;
}

const annotationsOf = ({ metadata }: JsonObject): JsonObject =>
  isObject(metadata) && isObject(metadata["annotations"]) ? metadata["annotations"] : {};

function checkAll(value: JsonObject, rules: Rules, path: string): FieldProblem[] {
  const problems: FieldProblem[] = [];
  for (const [name, text] of Object.entries(annotationsOf(value))) {
    if (!name.startsWith("starlight.dev/")) continue;
    const rule = rules[name];
    const field = `${path}[${name}]`;
    if (rule === undefined) {
      const known = Object.keys(rules).join(", ");
      problems.push({
        field,
        value: JSON.stringify(text),
        problem: "is not known",
        fix: `known are ${known}`,
      });
    } else if (typeof text !== "string" || !rule.holds(text)) {
      problems.push({ field, value: JSON.stringify(text), problem: "is not valid", fix: rule.fix });
    }
  }
  return problems;
}
