import { askAbout } from "../ask-about.ts";
import { formatOf, print, printValue } from "../output.ts";
import { by, objectName, said, type Authorship, type Base, type Said } from "../said.ts";
import type { GlobalOptions } from "./index.ts";

type Field = Said & {
  readonly field: string;
  readonly op: "set" | "release" | "remove";
  /** The place of an item in its list, not a value. */
  readonly place?: true;
  readonly stands: boolean;
  readonly before: Base;
};

type Answer = {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly exists: boolean;
  readonly writes: readonly (Authorship & {
    readonly deletes: boolean;
    readonly made: boolean;
    readonly fields: readonly Field[];
  })[];
};

export async function action(
  options: { readonly namespace: string; readonly output?: string },
  args: string[],
  globals: GlobalOptions,
): Promise<void> {
  const answer = (await askAbout("history", args, options.namespace, globals)) as Answer;
  if (await printValue(answer, formatOf(options.output))) return;
  const now = answer.exists ? "" : ", deleted";
  print(`${objectName(answer.kind, answer.name, answer.namespace)}${now}; what the records still tell:`);
  for (const write of answer.writes) {
    const mark = write.deletes ? "deleted it " : write.made ? "made it " : "";
    print(`\n${write.version}  ${mark}${by(write)}`);
    const shown = write.fields.filter(({ place, op }) => place !== true || op !== "set");
    for (const field of shown) print(`  ${fieldText(field)}`);
    if (shown.length === 0 && !write.deletes) print("  (nothing of it stands)");
  }
}

function fieldText(field: Field): string {
  const { field: path, op, stands, before } = field;
  const was = before.known && before.gone !== true ? `, before ${short(before.value)}` : "";
  const lost = before.known ? "" : ", before unknown";
  const mark = stands || op !== "set" ? "" : " (overwritten)";
  const what = op === "set" ? `= ${short(field.value)}` : op === "remove" ? "removed" : "no longer applied";
  return `${path} ${what}${mark}${was}${lost}`;
}

function short(value: unknown): string {
  const json = said({ value });
  return json.length > 100 ? `${json.slice(0, 97)}...` : json;
}
