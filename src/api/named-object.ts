import { wallOf } from "../core/kernel/hybrid-clock.ts";
import type { Json, JsonObject } from "../core/kernel/json.ts";
import type { ConflictSide, IntentEntry } from "../core/intents/contract.ts";
import { allKinds, kindOf } from "../core/intents/kinds/index.ts";
import type { Kind } from "../core/intents/kinds/kind.ts";
import { formatPath, parsePath } from "../core/intents/path.ts";
import type { ObjectRef } from "../core/records/keys.ts";
import type { ApiDeps } from "./contract.ts";
import { textIn } from "./field-errors.ts";
import { ApiError, badRequest } from "./status.ts";
import { timeOf } from "./values.ts";

/** What the routes about conflicts and history share: naming an object, a field and an author. */

export type NamedObject = {
  readonly kind: Kind;
  readonly ref: ObjectRef;
  readonly entries: readonly IntentEntry[];
};

/** The object that a request names; also a deleted one, as long as the records tell of it. */
export function namedObject({ view }: ApiDeps, from: JsonObject): NamedObject {
  const [group = "", kindName = "", name = "", space = ""] = ["group", "kind", "name", "namespace"].map(
    (field) => textIn(from, field),
  );
  const kind = kindOf(group, kindName);
  if (kind === undefined) {
    const known = allKinds().map(
      (other) => `${other.kind}${other.group === "" ? "" : ` (group ${other.group})`}`,
    );
    const what = `${JSON.stringify(kindName)} of group ${JSON.stringify(group)}`;
    throw badRequest(`kind: Unsupported value: ${what}: people write ${known.join(", ")}`);
  }
  if (name === "") throw badRequest(`name: Required value: which ${kindName}?`);
  const namespace = kind.namespaced ? space || "default" : "";
  const ref: ObjectRef = { group, kind: kindName, namespace, name };
  const entries = view.entries(ref);
  if (entries.length > 0) return { kind, ref, entries };
  const there = view.objects(group, kindName).map((object) => shortName(object.ref));
  const hint = there.length === 0 ? `there is no ${kindName}` : `there are ${listed(there)}`;
  throw new ApiError(404, "NotFound", `nothing is known of ${shortName(ref)}; ${hint}`, { name });
}

/** `deployment/shop`, with the namespace where it is not `default`. */
export function shortName({ kind, namespace, name }: ObjectRef): string {
  const suffix = namespace === "" || namespace === "default" ? "" : ` in ${namespace}`;
  return `${kind.toLowerCase()}/${name}${suffix}`;
}

/** The canonical path that people mean: without the leading dot or the quotation marks it is the same. */
export function pathNamed(field: string, known: Iterable<string>): string | undefined {
  const wanted = plain(field);
  for (const path of known) {
    if (plain(path) === wanted) return path;
    const steps = parsePath(path) ?? [];
    for (let depth = 1; depth < steps.length; depth++) {
      const above = formatPath(steps.slice(0, depth));
      if (plain(above) === wanted) return above;
    }
  }
  return undefined;
}

const plain = (path: string): string => path.replace(/^\./, "").replaceAll(/["'()]/g, "");

export function listed(names: readonly string[], max = 12): string {
  const shown = names.slice(0, max).join(", ");
  return names.length > max ? `${shown} and ${names.length - max} more` : shown;
}

/** Who wrote something, and when, for people. */
export function authorship(
  { view }: ApiDeps,
  write: Pick<ConflictSide, "author" | "manager" | "operation" | "class" | "actor" | "version">,
): JsonObject {
  return {
    node: view.member(write.author)?.member.name ?? write.author,
    user: write.actor,
    manager: write.manager,
    operation: write.operation,
    class: write.class,
    at: timeOf(wallOf(write.version)),
    version: write.version,
  };
}

/** A value that may be missing: `gone` tells it from null. */
export const valueOrGone = (value: Json | undefined): JsonObject =>
  value === undefined ? { value: null, gone: true } : { value };

/** As a word of a POSIX shell. */
export const shellWord = (word: string): string =>
  /^[A-Za-z0-9_./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

export const namespaceFlag = ({ namespace }: ObjectRef): string =>
  namespace === "" || namespace === "default" ? "" : ` -n ${shellWord(namespace)}`;
