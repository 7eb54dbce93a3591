import type { FieldProblem } from "../core/intents/contract.ts";
import { missing, shapeProblems, wrongType } from "../core/intents/field-problem.ts";
import { isObject, type JsonObject } from "../core/kernel/json.ts";

/** Problems with fields in the words of Kubernetes' `field.Error`. */

type Cause = { readonly reason: string; readonly field: string; readonly message: string };

export function causeOf({ field, value, problem, fix }: FieldProblem): Cause {
  if (problem === shapeProblems.missing)
    return { reason: "FieldValueRequired", field, message: `Required value: ${fix}` };
  if (value === "") return { reason: "FieldValueInvalid", field, message: `${problem}: ${fix}` };
  if (problem === shapeProblems.wrongType)
    return { reason: "FieldValueTypeInvalid", field, message: `Invalid value: ${value}: ${fix}` };
  if (problem === shapeProblems.unsupported)
    return { reason: "FieldValueNotSupported", field, message: `Unsupported value: ${value}: ${fix}` };
  return { reason: "FieldValueInvalid", field, message: `Invalid value: ${value}: ${problem}: ${fix}` };
}

/** `spec.replicas: Invalid value: "two": must be an integer` */
export function lineOf(problem: FieldProblem): string {
  const { field, message } = causeOf(problem);
  return `${field}: ${message}`;
}

/** What is wrong with the fields that say which object it is, which are read before its kind is looked at. */
export function nameProblems({ metadata }: JsonObject): readonly FieldProblem[] {
  if (metadata === undefined || metadata === null) return [];
  if (!isObject(metadata)) return [wrongType("metadata", metadata, "an object")];
  return ["name", "namespace", "resourceVersion"].flatMap((field) => {
    const value = metadata[field];
    if (value === undefined || value === null || typeof value === "string") return [];
    return [wrongType(`metadata.${field}`, value, "a string")];
  });
}

export const nameMissing = (kind: string): FieldProblem =>
  missing("metadata.name", `give the ${kind} a name`);
