import type { Json } from "../kernel/json.ts";
import type { Change, FieldProblem } from "./contract.ts";
import { shortJson } from "./field-problem.ts";
import type { Kind } from "./kinds/kind.ts";
import { leafAt, parsePath } from "./path.ts";
import { fitsLeaf, isIdentity, valuesOf, type ObjectState } from "./state.ts";
import { settleItems, type Wish, type WishedChange } from "./wishes.ts";

type SetChange = Extract<Change, { type: "set" }>;

/** What is wrong with a change that names leaves: a path that the kind does not have, a value that cannot stand there. */
export function setProblems(kind: Kind, { fields }: SetChange): readonly FieldProblem[] {
  return fields.flatMap(({ path, value }): FieldProblem[] => {
    const steps = parsePath(path);
    const leaf = steps === undefined || isIdentity(steps) ? undefined : leafAt(kind.schema, steps);
    const text = shortJson(value);
    if (leaf === undefined) {
      const fix = "use a path as `starlight conflicts` and `starlight history` print it";
      return [{ field: path, value: text, problem: `is no field of ${kind.kind}`, fix }];
    }
    if (value === undefined || fitsLeaf(leaf, value)) return [];
    const fix = `give JSON of the field's type; \`kubectl explain ${kind.singular}\` shows it`;
    return [{ field: path, value: text, problem: "cannot stand there", fix }];
  });
}

/** Every named leaf is written, whatever it holds. */
export function setWishes(state: ObjectState, { fields }: SetChange): WishedChange {
  const wishes = new Map<string, Wish>();
  const desired = new Map<string, Json>(valuesOf(state));
  for (const { path, value } of fields) {
    wishes.set(path, value === undefined ? { op: "remove" } : { op: "set", value });
    if (value === undefined) desired.delete(path);
    else desired.set(path, value);
  }
  settleItems(wishes, state, desired);
  return { wishes, conflicts: [] };
}
