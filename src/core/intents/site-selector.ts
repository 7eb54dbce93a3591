import { err, ok, type Result } from "../kernel/result.ts";
import { isWithin } from "../records/scope.ts";
import { parseSelector } from "./selector.ts";

/**
 * Which sites a workload runs in: conditions on the site's labels `name` and `region`, in the selector
 * grammar of `kubectl -l`, with `=` and `in`. A region stands for those within it, too.
 *
 * @returns label -> allowed values; empty for an empty text, which means every site.
 */
export function parseSiteSelector(
  text: string,
): Result<{ readonly [label: string]: readonly string[] }, string> {
  const parsed = parseSelector(text);
  if (!parsed.ok) return parsed;
  const allowed: { [label: string]: readonly string[] } = {};
  for (const { key, operator, values } of parsed.value) {
    if (key !== "name" && key !== "region") return err(`sites have no label ${key}`);
    if (operator !== "In") return err(`only = and in can be used for sites, not ${operator}`);
    const before = allowed[key];
    allowed[key] = before === undefined ? values : narrowed(key, before, values);
  }
  return ok(allowed);
}

/** The regions that a selector names; of one that cannot be read, none. */
export function regionsNamed(text: string): readonly string[] {
  const parsed = parseSelector(text);
  if (!parsed.ok) return [];
  return parsed.value.flatMap(({ key, values }) => (key === "region" ? values : []));
}

/** What both lists allow: of two regions, one in the other, the inner one. */
function narrowed(
  label: "name" | "region",
  some: readonly string[],
  others: readonly string[],
): readonly string[] {
  const isAllowed = (value: string, by: readonly string[]): boolean =>
    by.some((each) => (label === "region" ? isWithin(value, each) : value === each));
  return [...new Set([...some, ...others])].filter(
    (value) => isAllowed(value, some) && isAllowed(value, others),
  );
}
