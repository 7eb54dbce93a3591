import { isObject, type JsonObject } from "../../kernel/json.ts";
import type { FieldProblem } from "../contract.ts";
import { parseDuration } from "../quantity.ts";
import { parseSiteSelector } from "../site-selector.ts";

/** The annotations that steer Starlight: what each takes, and the fix when it is something else. */
const rules: {
  readonly [name: string]: { readonly holds: (text: string) => boolean; readonly fix: string };
} = {
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
  "starlight.dev/volume-lost": {
    holds: (text) => text === "wait" || text === "fresh",
    fix: 'use "wait" (for the node that has the data) or "fresh" (start elsewhere without it)',
  },
  "starlight.dev/on-heal": {
    holds: (text) => text === "keepOriginal" || text === "keepReplacement",
    fix: 'use "keepOriginal" or "keepReplacement"',
  },
};

/** Checks the `starlight.dev/` annotations of a workload; a name we do not know is refused. */
export function checkAnnotations(value: JsonObject): FieldProblem[] {
  const { metadata } = value;
  const annotations = isObject(metadata) ? metadata["annotations"] : undefined;
  const problems: FieldProblem[] = [];
  for (const [name, text] of Object.entries(isObject(annotations) ? annotations : {})) {
    if (!name.startsWith("starlight.dev/")) continue;
    const rule = rules[name];
    const field = `metadata.annotations[${name}]`;
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
