import type { Json } from "../kernel/json.ts";
import type { FieldProblem } from "./contract.ts";

/** What is wrong with a field by its shape alone, which Kubernetes has words of its own for. */
export const shapeProblems = {
  missing: "is missing",
  wrongType: "has the wrong type",
  unsupported: "is not supported",
} as const;

const valueLengthMax = 80;

/** JSON, shortened; empty where there is no value. */
export function shortJson(value: Json | undefined): string {
  const text = value === undefined ? "" : JSON.stringify(value);
  return text.length > valueLengthMax ? `${text.slice(0, valueLengthMax - 3)}...` : text;
}

/** @param must Completes "must be ...". */
export const wrongType = (field: string, value: Json, must: string): FieldProblem => ({
  field,
  value: shortJson(value),
  problem: shapeProblems.wrongType,
  fix: `must be ${must}`,
});

export const missing = (field: string, fix: string): FieldProblem => ({
  field,
  value: "",
  problem: shapeProblems.missing,
  fix,
});
