import { canonical, equalJson, isList, isObject, type Json, type JsonObject } from "../kernel/json.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { FieldProblem } from "./contract.ts";
import { shortJson } from "./field-problem.ts";
import { fieldOf } from "./path.ts";
import type { ListMapSchema, Schema } from "./schema.ts";

/**
 * Kubernetes' strategic merge patch: a merge patch in which lists with merge keys are merged item by
 * item. The merge key of a list is the first of its list-map keys.
 *
 * Directives: `$patch: merge | replace | delete` in an object or list item, `$retainKeys`,
 * `$setElementOrder/<list>` and `$deleteFromPrimitiveList/<list>` beside a list. (kubernetes community,
 * contributors/devel/sig-api-machinery/strategic-merge-patch.md)
 */
export function strategicMergePatch(
  schema: Schema,
  target: JsonObject,
  patch: JsonObject,
): Result<JsonObject, readonly FieldProblem[]> {
  const problems: FieldProblem[] = [];
  const merged = mergeFields({ schema, field: "", problems }, target, patch);
  return problems.length > 0 ? err(problems) : ok(merged);
}

/** Where in the patch we are; no schema below a field that the kind does not have. */
type Place = {
  readonly schema: Schema | undefined;
  readonly field: string;
  readonly problems: FieldProblem[];
};

const retainKeys = "$retainKeys";
const elementOrder = "$setElementOrder/";
const primitiveDeletes = "$deleteFromPrimitiveList/";

function mergeFields(place: Place, target: JsonObject, patch: JsonObject): JsonObject {
  const directive = patch["$patch"];
  if (directive === "replace") return withoutDirectives(patch);
  if (directive === "delete") return {};
  if (directive !== undefined && directive !== "merge") unknownDirective(place, directive);
  const fields = new Map(Object.entries(target));
  const retained = patch[retainKeys];
  if (isList(retained)) for (const name of fields.keys()) if (!retained.includes(name)) fields.delete(name);
  for (const [name, value] of Object.entries(patch)) {
    if (name.startsWith("$")) continue;
    const now = fields.get(name);
    if (value === null) fields.delete(name);
    else fields.set(name, mergeValue(below(place, name), now, value, patch, name));
  }
  applyListDirectives(place, fields, patch);
  return Object.fromEntries(fields);
}

function mergeValue(place: Place, now: Json | undefined, value: Json, patch: JsonObject, name: string): Json {
  if (isObject(value)) return mergeFields(place, isObject(now) ? now : {}, value);
  if (!isList(value)) return value;
  const held = isList(now) ? now : [];
  if (place.schema?.type === "set") {
    return [...held, ...value.filter((member) => !held.some((other) => equalJson(other, member)))];
  }
  if (place.schema?.type !== "list-map") return value;
  const merged = mergeItems(place, place.schema, held, value);
  const order = patch[elementOrder + name];
  const named = value.filter((item) => isObject(item) && item["$patch"] === undefined);
  return inOrder(place.schema, held, merged, isList(order) ? order : named);
}

function mergeItems(
  place: Place,
  schema: ListMapSchema,
  held: readonly Json[],
  patch: readonly Json[],
): readonly Json[] {
  if (patch.some((item) => isObject(item) && item["$patch"] === "replace")) {
    return patch.filter(isObject).filter((item) => item["$patch"] === undefined);
  }
  let items = [...held];
  for (const [at, item] of patch.entries()) {
    const there: Place = { schema: schema.item, field: `${place.field}[${at}]`, problems: place.problems };
    if (!isObject(item) || item[schema.keys[0]] === undefined) {
      const fix = `give its merge key ${schema.keys[0]}`;
      report(there, item, "does not say which item it is", fix);
    } else if (item["$patch"] === "delete") {
      items = items.filter((other) => !isObject(other) || !isSame(schema, other, item));
    } else {
      const found = matchOf(schema, items, item);
      const now = found < 0 ? {} : items[found];
      const merged = mergeFields(there, isObject(now) ? now : {}, item);
      if (found < 0) items.push(merged);
      else items[found] = merged;
    }
  }
  return items;
}

/** By merge key; where that is not unique (a port in TCP and UDP), by all keys of the list. */
function matchOf(schema: ListMapSchema, items: readonly Json[], wanted: JsonObject): number {
  const exact = items.findIndex(
    (item) =>
      isObject(item) &&
      schema.keys.every((key) => equalJson(keyOf(schema, item, key), keyOf(schema, wanted, key))),
  );
  return exact >= 0 ? exact : items.findIndex((item) => isObject(item) && isSame(schema, item, wanted));
}

const keyOf = (schema: ListMapSchema, item: JsonObject, key: string): Json | undefined =>
  item[key] ?? schema.item.fields[key]?.default;

const isSame = (schema: ListMapSchema, left: JsonObject, right: JsonObject): boolean =>
  equalJson(left[schema.keys[0]], right[schema.keys[0]]);

/** Lists that the patch only orders, or takes scalars from. */
function applyListDirectives(place: Place, fields: Map<string, Json>, patch: JsonObject): void {
  for (const [directive, value] of Object.entries(patch)) {
    if (!directive.startsWith("$") || directive === "$patch" || directive === retainKeys) continue;
    const name = directive.slice(directive.indexOf("/") + 1);
    const held = fields.get(name);
    const schema = below(place, name).schema;
    if (directive.startsWith(primitiveDeletes) && isList(value)) {
      if (isList(held))
        fields.set(
          name,
          held.filter((member) => !value.some((gone) => equalJson(gone, member))),
        );
    } else if (directive.startsWith(elementOrder) && isList(value)) {
      if (patch[name] !== undefined && schema?.type === "list-map") continue;
      if (isList(held)) fields.set(name, inOrder(schema, held, held, value));
    } else unknownDirective(place, directive);
  }
}

/**
 * The named items in the wanted order, or in that of the patch. The others stay where they were: before
 * the first named item that they stood before; so what is new comes before all of them.
 */
function inOrder(
  schema: Schema | undefined,
  before: readonly Json[],
  items: readonly Json[],
  order: readonly Json[],
): readonly Json[] {
  const keyed = schema?.type === "list-map" ? schema.keys[0] : undefined;
  const identity = (item: Json): string =>
    canonical(keyed !== undefined && isObject(item) ? (item[keyed] ?? null) : item);
  const rank = new Map(order.map((item, at) => [identity(item), at] as const));
  const rankOf = (item: Json): number => rank.get(identity(item)) ?? -1;
  const named = items.filter((item) => rankOf(item) >= 0).sort((left, right) => rankOf(left) - rankOf(right));
  const others = items.filter((item) => rankOf(item) < 0);
  const placeOf = (item: Json): number => before.findIndex((other) => identity(other) === identity(item));
  const result: Json[] = [];
  for (const item of named) {
    const place = placeOf(item);
    const later = others.findIndex((other) => placeOf(other) >= place);
    result.push(...others.splice(0, place < 0 ? 0 : later < 0 ? others.length : later), item);
  }
  return [...result, ...others];
}

function withoutDirectives(patch: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(patch).filter(([name]) => !name.startsWith("$")));
}

function below(place: Place, name: string): Place {
  const schema = place.schema === undefined ? undefined : fieldOf(place.schema, name);
  return { schema, field: place.field === "" ? name : `${place.field}.${name}`, problems: place.problems };
}

function unknownDirective(place: Place, directive: Json): void {
  const fix =
    "use $patch: merge, replace or delete, $retainKeys, $setElementOrder or $deleteFromPrimitiveList";
  report(place, directive, "is not a directive of a strategic merge patch", fix);
}

function report({ field, problems }: Place, value: Json, problem: string, fix: string): void {
  problems.push({ field, value: shortJson(value), problem, fix });
}
