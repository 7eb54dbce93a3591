/** Labels and conditions on them, with Kubernetes' operators. */

export type Labels = { readonly [label: string]: string };

export type LabelOperator = "In" | "NotIn" | "Exists" | "DoesNotExist";

/** One condition on a set of labels; a selector is a list of them that must all hold. */
export type Requirement = {
  readonly key: string;
  readonly operator: LabelOperator;
  readonly values: readonly string[];
};

/** A label's value; undefined when it is missing. */
export const labelIn = (labels: Labels, key: string): string | undefined =>
  Object.hasOwn(labels, key) ? labels[key] : undefined;

/** Whether a label's value, undefined when it is missing, satisfies the operator; a missing one does `NotIn`. */
export function satisfies(
  value: string | undefined,
  operator: LabelOperator,
  values: readonly string[],
): boolean {
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
  }
}
