import { isList, isObject, type JsonObject } from "../../kernel/json.ts";
import type { FieldProblem } from "../contract.ts";
import { quantityIn } from "../quantity.ts";

/** What no schema can say of the rules that decide where pods run. */

/** Requests are at most the limits, and extended resources are whole and the same in both. */
export function checkResources(resources: JsonObject, field: string): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const requests = objectAt(resources, "requests");
  const limits = objectAt(resources, "limits");
  for (const name of new Set([...Object.keys(requests), ...Object.keys(limits)])) {
    const [request, limit] = [quantityIn(requests[name], "milli"), quantityIn(limits[name], "milli")];
    const value = JSON.stringify(requests[name] ?? limits[name]);
    const at = `${field}.${requests[name] === undefined ? "limits" : "requests"}[${name}]`;
    const extended = name.includes("/");
    if ([request, limit].some((amount) => amount !== undefined && amount < 0)) {
      problems.push({ field: at, value, problem: "is less than nothing", fix: "give a positive quantity" });
    } else if (extended && [request, limit].some((amount) => (amount ?? 0) % 1000 !== 0)) {
      problems.push({ field: at, value, problem: "is not whole", fix: "give a whole number" });
    } else if (extended && request !== undefined && limit !== undefined && request !== limit) {
      const fix = "extended resources cannot be overcommitted: give requests and limits the same number";
      problems.push({ field: at, value, problem: "is not its limit", fix });
    } else if (request !== undefined && limit !== undefined && request > limit) {
      const problem = `is more than its limit ${JSON.stringify(limits[name])}`;
      problems.push({ field: at, value, problem, fix: "lower the request or raise the limit" });
    }
  }
  return problems;
}

/** Operators and their values, seconds and their effect. */
export function checkPlacement(podSpec: JsonObject): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const base = "spec.template.spec";
  visit(podSpec["affinity"] ?? null, `${base}.affinity`, problems);
  visit(podSpec["topologySpreadConstraints"] ?? null, `${base}.topologySpreadConstraints`, problems);
  const tolerations = podSpec["tolerations"];
  (isList(tolerations) ? tolerations : []).forEach((toleration, at) => {
    if (!isObject(toleration) || toleration["tolerationSeconds"] === undefined) return;
    if (toleration["effect"] === "NoExecute") return;
    const field = `${base}.tolerations[${at}].tolerationSeconds`;
    const fix = "give the toleration the effect NoExecute, or leave the seconds out";
    const value = JSON.stringify(toleration["tolerationSeconds"]);
    problems.push({ field, value, problem: "counts only for NoExecute", fix });
  });
  return problems;
}

/** Every condition below a value: a list called `matchExpressions`. */
function visit(value: JsonObject[string] | null, path: string, problems: FieldProblem[]): void {
  if (isList(value)) return value.forEach((item, at) => visit(item, `${path}[${at}]`, problems));
  if (!isObject(value)) return;
  for (const [name, child] of Object.entries(value)) {
    const field = `${path}.${name}`;
    if (name === "nodeSelectorTerms" && isList(child) && child.length === 0) {
      problems.push({ field, value: "[]", problem: "is empty", fix: "give at least one term" });
    }
    if (name === "matchExpressions" && isList(child)) {
      child.forEach((rule, at) => isObject(rule) && checkRule(rule, `${field}[${at}]`, problems));
    } else visit(child, field, problems);
  }
}

function checkRule(rule: JsonObject, path: string, problems: FieldProblem[]): void {
  const { operator } = rule;
  const values = isList(rule["values"]) ? rule["values"] : [];
  const field = `${path}.values`;
  const value = JSON.stringify(values);
  const none = operator === "Exists" || operator === "DoesNotExist";
  if (none && values.length > 0) {
    const fix = "leave the values out";
    problems.push({ field, value, problem: `has values that ${operator} does not compare with`, fix });
  } else if ((operator === "In" || operator === "NotIn") && values.length === 0) {
    problems.push({ field, value, problem: "is empty", fix: `give ${operator} at least one value` });
  } else if (operator === "Gt" || operator === "Lt") {
    if (values.length === 1 && /^-?\d{1,15}$/.test(String(values[0]))) return;
    problems.push({ field, value, problem: "is not one whole number", fix: 'give one, for example ["2"]' });
  }
}

function objectAt(json: JsonObject, key: string): JsonObject {
  const value = json[key];
  return isObject(value) ? value : {};
}
