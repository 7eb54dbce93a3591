import { labelIn, satisfies, type Labels } from "../kernel/labels.ts";
import type { LabelRule } from "./contract.ts";

/** Whether all rules hold. */
export function rulesHold(rules: readonly LabelRule[], labels: Labels): boolean {
  for (const rule of rules) if (!ruleHolds(rule, labels)) return false;
  return true;
}

export function ruleHolds({ key, operator, values }: LabelRule, labels: Labels): boolean {
  const value = labelIn(labels, key);
  if (operator !== "Gt" && operator !== "Lt") return satisfies(value, operator, values);
  const [left, right] = [wholeNumber(value), wholeNumber(values[0])];
  if (left === undefined || right === undefined) return false;
  return operator === "Gt" ? left > right : left < right;
}

/** `tier Lt 3`, `disk In (ssd, nvme)`: as people are told. */
export function ruleText({ key, operator, values }: LabelRule): string {
  if (operator === "Exists" || operator === "DoesNotExist") return `${key} ${operator}`;
  return `${key} ${operator} ${values.length === 1 ? (values[0] ?? "") : `(${values.join(", ")})`}`;
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d{1,15}$/.test(text) ? Number(text) : undefined;
}
