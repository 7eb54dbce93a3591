import { canonical, isList, isObject, type Json, type JsonObject } from "../kernel/json.ts";
import { isAtomic, type ListMapSchema, type Schema } from "./schema.ts";
import { fitsShape } from "./validate.ts";

/**
 * Where a leaf sits in an object, as text: the notation Kubernetes prints in its conflict messages,
 * made unambiguous.
 *
 *     spec.replicas
 *     metadata.labels["app.kubernetes.io/name"]           a map key that is not a plain word
 *     spec.template.spec.containers[name="web"].image     an item of a list-map, by its keys
 *     metadata.finalizers[="x"]                           a member of a set
 *
 * The path of a list-map item or set member is a leaf too: its value is a number that orders the items
 * (any finite number; equal ones are ordered by their text), and it keeps an item alive that has
 * nothing but its keys. An empty object, map or list is a leaf with the value `{}` or `[]`.
 */
export type Step =
  | { readonly type: "field"; readonly name: string }
  | { readonly type: "item"; readonly key: JsonObject }
  | { readonly type: "member"; readonly value: Json };

export type Leaves = ReadonlyMap<string, Json>;

/** What kind of leaf a path names under a schema. */
export type LeafKind =
  | { readonly type: "value"; readonly schema: Schema }
  | { readonly type: "empty"; readonly schema: Schema }
  | { readonly type: "order" };

const plainName = /^[A-Za-z0-9_-]+$/;
const stepsMax = 64;

export function formatPath(steps: readonly Step[]): string {
  let path = "";
  for (const step of steps) path += stepText(step, path === "");
  return path;
}

/** The steps of a path; undefined when it is not the one canonical spelling of a path. */
export function parsePath(path: string): readonly Step[] | undefined {
  const steps: Step[] = [];
  let at = 0;
  while (at < path.length) {
    const read = readStep(path, at);
    if (read === undefined || steps.length >= stepsMax) return undefined;
    steps.push(read.step);
    at = read.end;
  }
  return steps.length > 0 && formatPath(steps) === path ? steps : undefined;
}

/** What the schema has at a path; undefined when it has nothing there. */
export function leafAt(root: Schema, steps: readonly Step[]): LeafKind | undefined {
  let schema = root;
  let keys: readonly string[] = [];
  for (const [at, step] of steps.entries()) {
    const last = at === steps.length - 1;
    if (isAtomic(schema)) return undefined;
    if (step.type === "field") {
      const below = fieldOf(schema, step.name);
      if (below === undefined || keys.includes(step.name)) return undefined;
      schema = below;
      keys = [];
    } else if (step.type === "item") {
      if (schema.type !== "list-map" || !hasKeys(schema, step.key)) return undefined;
      if (last) return { type: "order" };
      keys = schema.keys;
      schema = schema.item;
    } else return schema.type === "set" && last ? { type: "order" } : undefined;
  }
  return { type: isAtomic(schema) ? "value" : "empty", schema };
}

/** The order numbers that items have already, so that they keep them while they keep their sequence. */
export type HeldOrders = {
  readonly of: (item: string) => number | undefined;
  /** The largest in a list, also of items that are not mentioned: a new item goes behind them all. */
  readonly largestIn: (list: string) => number | undefined;
};

const noOrders: HeldOrders = { of: () => undefined, largestIn: () => undefined };

/** Takes a value apart into its leaves. */
export function flatten(schema: Schema, value: Json, held: HeldOrders = noOrders): Map<string, Json> {
  const leaves = new Map<string, Json>();
  flattenInto(leaves, schema, value, "", held);
  return leaves;
}

/** The shape of a field; undefined when the schema has none of that name. */
export function fieldOf(schema: Schema, name: string): Schema | undefined {
  if (schema.type === "map") return schema.values;
  if (schema.type !== "object" || !Object.hasOwn(schema.fields, name)) return undefined;
  return schema.fields[name];
}

/** Puts leaves together again. Leaves that the schema does not have are left out. */
export function unflatten(schema: Schema, leaves: Leaves): Json | undefined {
  const root: Tree = { leaf: undefined, children: new Map() };
  for (const [path, value] of leaves) {
    const steps = parsePath(path);
    if (steps === undefined || leafAt(schema, steps) === undefined) continue;
    let node = root;
    for (const step of steps) node = childOf(node, step);
    node.leaf = value;
  }
  return build(schema, root);
}

/** Kubernetes' `fieldsV1` of a set of leaf paths: `f:` fields, `k:` items, `v:` members, `.` existence. */
export function fieldsV1(paths: Iterable<string>): JsonObject {
  const root: MutableFields = {};
  for (const path of [...paths].sort()) {
    const steps = parsePath(path);
    if (steps === undefined) continue;
    let node = root;
    for (const step of steps) {
      node = descend(node, fieldsKey(step));
      if (step.type !== "item") continue;
      node["."] = {};
      for (const key of Object.keys(step.key).sort()) node[`f:${key}`] = {};
    }
  }
  return root;
}

/** The path of the innermost list-map item or set member around (or at) a path. */
export function itemsAround(steps: readonly Step[]): readonly string[] {
  const paths: string[] = [];
  steps.forEach((step, at) => {
    if (step.type !== "field") paths.push(formatPath(steps.slice(0, at + 1)));
  });
  return paths;
}

/** Whether `path` lies below `item`, the path of an item. */
export const isBelow = (path: string, item: string): boolean =>
  path.length > item.length &&
  path.startsWith(item) &&
  (path[item.length] === "." || path[item.length] === "[");

type Tree = { leaf: Json | undefined; readonly children: Map<string, { step: Step; node: Tree }> };
type MutableFields = { [key: string]: MutableFields };

function stepText(step: Step, first: boolean): string {
  switch (step.type) {
    case "field":
      if (!plainName.test(step.name)) return `[${JSON.stringify(step.name)}]`;
      return first ? step.name : `.${step.name}`;
    case "item": {
      const keys = Object.keys(step.key).sort();
      return `[${keys.map((key) => `${key}=${canonical(step.key[key] ?? null)}`).join(",")}]`;
    }
    case "member":
      return `[=${canonical(step.value)}]`;
  }
}

const scalar = /"(?:[^"\\]|\\.)*"|-?\d+|true|false/y;
const word = /[A-Za-z0-9_-]+/y;

function readStep(path: string, at: number): { step: Step; end: number } | undefined {
  if (path[at] !== "[") {
    const name = match(word, path, path[at] === "." ? at + 1 : at);
    return name === undefined ? undefined : fieldStep(name.text, name.end);
  }
  if (path[at + 1] === '"') {
    const name = readScalar(path, at + 1);
    if (name === undefined || typeof name.value !== "string" || path[name.end] !== "]") return undefined;
    return fieldStep(name.value, name.end + 1);
  }
  if (path[at + 1] === "=") {
    const member = readScalar(path, at + 2);
    if (member === undefined || path[member.end] !== "]") return undefined;
    return { step: { type: "member", value: member.value }, end: member.end + 1 };
  }
  return readItem(path, at + 1);
}

function readItem(path: string, start: number): { step: Step; end: number } | undefined {
  const key: { [name: string]: Json } = {};
  let at = start;
  for (;;) {
    const name = match(word, path, at);
    if (name === undefined || name.text === "__proto__" || path[name.end] !== "=") return undefined;
    const value = readScalar(path, name.end + 1);
    if (value === undefined) return undefined;
    key[name.text] = value.value;
    if (path[value.end] === "]") return { step: { type: "item", key }, end: value.end + 1 };
    if (path[value.end] !== ",") return undefined;
    at = value.end + 1;
  }
}

/** `__proto__` is no field of anything here, and as a key it would change an object's prototype. */
function fieldStep(name: string, end: number): { step: Step; end: number } | undefined {
  return name === "__proto__" ? undefined : { step: { type: "field", name }, end };
}

function readScalar(path: string, at: number): { value: Json; end: number } | undefined {
  const found = match(scalar, path, at);
  if (found === undefined) return undefined;
  try {
    return { value: JSON.parse(found.text) as Json, end: found.end };
  } catch {
    return undefined;
  }
}

function match(pattern: RegExp, text: string, at: number): { text: string; end: number } | undefined {
  pattern.lastIndex = at;
  const found = pattern.exec(text);
  return found === null ? undefined : { text: found[0], end: at + found[0].length };
}

function hasKeys(schema: ListMapSchema, key: JsonObject): boolean {
  const names = Object.keys(key);
  if (names.length !== schema.keys.length) return false;
  return schema.keys.every((name) => {
    const shape = schema.item.fields[name];
    const value = Object.hasOwn(key, name) ? key[name] : undefined;
    return shape !== undefined && value !== undefined && fitsShape(shape, value);
  });
}

function flattenInto(
  leaves: Map<string, Json>,
  schema: Schema,
  value: Json,
  path: string,
  held: HeldOrders,
): void {
  if (isAtomic(schema)) {
    leaves.set(path, value);
    return;
  }
  const before = leaves.size;
  if (schema.type === "list-map" || schema.type === "set") {
    const items = isList(value) ? value : [];
    const paths = items.map((item) => path + stepText(itemStep(schema, item), false));
    const orders = alignOrder(paths, held.of, held.largestIn(path) ?? -1);
    items.forEach((item, at) => {
      const itemPath = paths[at] ?? "";
      leaves.set(itemPath, orders[at] ?? at);
      if (schema.type === "list-map" && isObject(item)) {
        flattenFields(leaves, schema.item, item, itemPath, held, schema.keys);
      }
    });
    if (leaves.size === before) leaves.set(path, []);
    return;
  }
  if (isObject(value)) flattenFields(leaves, schema, value, path, held, []);
  if (leaves.size === before && path !== "") leaves.set(path, {});
}

function flattenFields(
  leaves: Map<string, Json>,
  schema: Schema,
  value: JsonObject,
  path: string,
  held: HeldOrders,
  without: readonly string[],
): void {
  for (const name of Object.keys(value)) {
    const below = value[name];
    if (below === undefined || below === null || without.includes(name)) continue;
    const field = fieldOf(schema, name);
    if (field === undefined) continue;
    flattenInto(leaves, field, below, path + stepText({ type: "field", name }, path === ""), held);
  }
}

/** The step to an item: missing keys count with their default, as in Kubernetes. */
function itemStep(schema: Schema, item: Json): Step {
  if (schema.type !== "list-map" || !isObject(item)) return { type: "member", value: item };
  const key: { [name: string]: Json } = {};
  for (const name of schema.keys) key[name] = item[name] ?? schema.item.fields[name]?.default ?? null;
  return { type: "item", key };
}

/**
 * Order numbers for a list: an item keeps the number it has while the numbers still rise, and a new
 * one is put between its neighbours, so that an insertion is one write and not one per item.
 */
function alignOrder(
  paths: readonly string[],
  orderOf: (path: string) => number | undefined,
  largest: number,
): readonly number[] {
  const given = paths.map(orderOf);
  const isPlaced = (order: number | undefined): boolean => order !== undefined && order !== orderLast;
  // An item without a place of its own keeps being last only while no placed item follows it.
  const held = given.map((order, at) =>
    order === orderLast && given.slice(at + 1).some(isPlaced) ? undefined : order,
  );
  const orders: number[] = [];
  let last = -1;
  let lastPath = "";
  paths.forEach((path, at) => {
    let order = held[at];
    if (order === undefined || order < last || (order === last && path < lastPath)) {
      const next = held.slice(at + 1).find((other) => other !== undefined && other > last);
      order = next === undefined ? Math.floor(Math.max(last, largest)) + 1 : (last + next) / 2;
    }
    orders.push(order);
    last = order;
    lastPath = path;
  });
  return orders;
}

function childOf(node: Tree, step: Step): Tree {
  const text = stepText(step, false);
  let child = node.children.get(text);
  if (child === undefined) {
    child = { step, node: { leaf: undefined, children: new Map() } };
    node.children.set(text, child);
  }
  return child.node;
}

function build(schema: Schema, tree: Tree): Json | undefined {
  if (isAtomic(schema) || tree.children.size === 0) return tree.leaf;
  if (schema.type === "list-map" || schema.type === "set") return buildItems(schema, tree);
  return buildFields(schema, tree, {});
}

function buildFields(schema: Schema, tree: Tree, into: { [name: string]: Json }): JsonObject {
  const names: string[] = [];
  for (const { step } of tree.children.values()) if (step.type === "field") names.push(step.name);
  const rank = schema.type === "object" ? Object.keys(schema.fields) : names.sort();
  for (const name of rank) {
    const child = tree.children.get(stepText({ type: "field", name }, false));
    const below =
      schema.type === "object" ? schema.fields[name] : schema.type === "map" ? schema.values : undefined;
    const value = child === undefined || below === undefined ? undefined : build(below, child.node);
    if (value !== undefined) into[name] = value;
  }
  return into;
}

function buildItems(schema: Schema, tree: Tree): readonly Json[] {
  const children = [...tree.children].map(([text, child]) => ({ text, ...child }));
  children.sort((left, right) => {
    const difference = orderNumber(left.node.leaf) - orderNumber(right.node.leaf);
    return difference !== 0 ? difference : left.text < right.text ? -1 : 1;
  });
  const items: Json[] = [];
  for (const { step, node } of children) {
    if (step.type === "member") items.push(step.value);
    else if (step.type === "item" && schema.type === "list-map") {
      const keys: { [name: string]: Json } = {};
      for (const name of schema.keys) keys[name] = step.key[name] ?? null;
      items.push(buildFields(schema.item, node, keys));
    }
  }
  return items;
}

/** Items whose order nobody wrote come last. */
export const orderLast = Number.MAX_SAFE_INTEGER;
const orderNumber = (leaf: Json | undefined): number => (typeof leaf === "number" ? leaf : orderLast);

function fieldsKey(step: Step): string {
  if (step.type === "field") return `f:${step.name}`;
  return step.type === "item" ? `k:${canonical(step.key)}` : `v:${canonical(step.value)}`;
}

function descend(node: MutableFields, key: string): MutableFields {
  const below = node[key] ?? {};
  node[key] = below;
  return below;
}
