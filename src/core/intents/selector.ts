import { isList, isObject, type Json } from "../kernel/json.ts";
import { labelIn, satisfies, type Labels, type Requirement } from "../kernel/labels.ts";
import { err, ok, type Result } from "../kernel/result.ts";

const labelKey = "[A-Za-z0-9](?:[-A-Za-z0-9_./]{0,315}[A-Za-z0-9])?";
const labelValue = "(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?";
const equality = new RegExp(`^(${labelKey})\\s*(==?|!=)\\s*(${labelValue})$`);
const membership = new RegExp(`^(${labelKey})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);
const existence = new RegExp(`^(!?)\\s*(${labelKey})$`);
const oneValue = new RegExp(`^${labelValue}$`);

/**
 * The text form that `kubectl -l` takes: `a=b`, `a==b`, `a!=b`, `a in (x,y)`, `a notin (x,y)`, `a`, `!a`,
 * joined by commas. The error says what is wrong, for people.
 * (kubernetes.io/docs/concepts/overview/working-with-objects/labels)
 */
export function parseSelector(text: string): Result<readonly Requirement[], string> {
  if (text.length > 4096) return err("a selector has at most 4096 characters");
  const requirements: Requirement[] = [];
  if (text.trim() === "") return ok(requirements);
  for (const raw of splitOutsideParentheses(text)) {
    const part = raw.trim();
    const requirement = parseRequirement(part);
    if (requirement === undefined) return err(`cannot read ${JSON.stringify(part)} in the selector`);
    requirements.push(requirement);
  }
  return ok(requirements);
}

/** The form in manifests: `matchLabels` and `matchExpressions`; undefined when it is neither. */
export function selectorOf(selector: Json | undefined): readonly Requirement[] | undefined {
  if (!isObject(selector)) return undefined;
  const requirements: Requirement[] = [];
  const { matchLabels, matchExpressions } = selector;
  if (isObject(matchLabels)) {
    for (const key of Object.keys(matchLabels).sort()) {
      requirements.push({ key, operator: "In", values: [String(matchLabels[key])] });
    }
  }
  for (const expression of isList(matchExpressions) ? matchExpressions : []) {
    const requirement = expressionOf(expression);
    if (requirement === undefined) return undefined;
    requirements.push(requirement);
  }
  return requirements;
}

/** A plain map of labels, as in a Service's selector. */
export const selectorOfLabels = (labels: Labels): readonly Requirement[] =>
  Object.keys(labels)
    .sort()
    .map((key) => ({ key, operator: "In", values: [labels[key] ?? ""] }));

export function matches(selector: readonly Requirement[], labels: Labels): boolean {
  return selector.every(({ key, operator, values }) => satisfies(labelIn(labels, key), operator, values));
}

function parseRequirement(part: string): Requirement | undefined {
  const equal = equality.exec(part);
  if (equal !== null) {
    const [, key = "", sign, value = ""] = equal;
    return { key, operator: sign === "!=" ? "NotIn" : "In", values: [value] };
  }
  const member = membership.exec(part);
  if (member !== null) {
    const [, key = "", word, listed = ""] = member;
    const values = listed.split(",").map((value) => value.trim());
    if (!values.every((value) => oneValue.test(value))) return undefined;
    return { key, operator: word === "in" ? "In" : "NotIn", values };
  }
  const exists = existence.exec(part);
  if (exists === null) return undefined;
  const [, not, key = ""] = exists;
  return { key, operator: not === "!" ? "DoesNotExist" : "Exists", values: [] };
}

function expressionOf(expression: Json): Requirement | undefined {
  if (!isObject(expression) || typeof expression["key"] !== "string") return undefined;
  const operator = expression["operator"];
  const values = isList(expression["values"]) ? expression["values"].map(String) : [];
  if (operator === "In" || operator === "NotIn") return { key: expression["key"], operator, values };
  if (operator === "Exists" || operator === "DoesNotExist")
    return { key: expression["key"], operator, values: [] };
  return undefined;
}

function splitOutsideParentheses(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text[at];
    if (unit === "(") depth++;
    else if (unit === ")") depth--;
    else if (unit === "," && depth === 0) {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}
