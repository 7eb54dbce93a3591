import { isList, isObject, parseJson, type Json, type JsonObject } from "../kernel/json.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { utf8 } from "../kernel/bytes.ts";
import { quantityIn } from "./quantity.ts";

/**
 * The degrade ladder of a workload: the same program in several sizes, best first. It stands as JSON in
 * the annotation `starlight.dev/variants` of the pod template. What a variant does not name is as in the
 * template.
 */
export type VariantSpec = {
  readonly name: string;
  /** The weakest tier that may run it: 1, 2 or 3 (any). */
  readonly minTier: number;
  /** The container that it changes; the first when missing. */
  readonly container: string | undefined;
  readonly image: string | undefined;
  /** Variables set or replaced. */
  readonly env: { readonly [name: string]: string };
  /** Replaces the container's own. */
  readonly requests: { readonly [resource: string]: string } | undefined;
  readonly limits: { readonly [resource: string]: string } | undefined;
};

export const variantsAnnotation = "starlight.dev/variants";
export const variantsExample =
  '[{"name":"full","minTier":1,"requests":{"memory":"16Gi"}},{"name":"small","image":"model:int4"}]';

const variantsMax = 8;
const envMax = 64;
const known = ["name", "minTier", "container", "image", "env", "requests", "limits"];

/** The error completes the sentence "the annotation ...". */
export function parseVariants(text: string): Result<readonly VariantSpec[], string> {
  const json = parseJson(utf8(text), 8);
  if (!isList(json)) return err("is not a JSON list");
  if (json.length === 0 || json.length > variantsMax)
    return err(`does not have 1 to ${variantsMax} variants`);
  const variants: VariantSpec[] = [];
  for (const [at, entry] of json.entries()) {
    const variant = variantOf(entry, `[${at}]`);
    if (!variant.ok) return variant;
    if (variants.some(({ name }) => name === variant.value.name))
      return err(`has two variants called ${JSON.stringify(variant.value.name)}`);
    variants.push(variant.value);
  }
  return ok(variants);
}

/** The template as a variant runs it. */
export function withVariant(template: JsonObject, variant: VariantSpec): JsonObject {
  const spec = template["spec"];
  const containers = isObject(spec) ? spec["containers"] : undefined;
  if (!isObject(spec) || !isList(containers)) return template;
  const changed = containers.map((container, at) => {
    const named = isObject(container) && container["name"] === variant.container;
    if (!isObject(container) || !(variant.container === undefined ? at === 0 : named)) return container;
    return patched(container, variant);
  });
  return { ...template, spec: { ...spec, containers: changed } };
}

function patched(container: JsonObject, { image, env, requests, limits }: VariantSpec): JsonObject {
  const variables = isList(container["env"]) ? container["env"] : [];
  const kept = variables.filter(
    (entry) => !isObject(entry) || typeof entry["name"] !== "string" || !Object.hasOwn(env, entry["name"]),
  );
  const added = Object.keys(env).map((name) => ({ name, value: env[name] ?? "" }));
  const resources = isObject(container["resources"]) ? container["resources"] : {};
  return {
    ...container,
    ...(image === undefined ? {} : { image }),
    ...(added.length === 0 ? {} : { env: [...kept, ...added] }),
    ...(requests === undefined && limits === undefined
      ? {}
      : {
          resources: {
            ...resources,
            // Limits of the template may be less than what the variant asks for.
            ...(requests === undefined ? {} : { requests, limits: limits ?? {} }),
            ...(limits === undefined ? {} : { limits }),
          },
        }),
  };
}

function variantOf(entry: Json, at: string): Result<VariantSpec, string> {
  if (!isObject(entry)) return err(`${at} is not an object`);
  const strange = Object.keys(entry).find((key) => !known.includes(key));
  if (strange !== undefined) return err(`${at}.${strange} is not known; known are ${known.join(", ")}`);
  const { name, minTier = 3, container, image, env = {} } = entry;
  if (typeof name !== "string" || !/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name))
    return err(`${at}.name is not a short name of lower-case letters, digits and \`-\``);
  if (minTier !== 1 && minTier !== 2 && minTier !== 3) return err(`${at}.minTier is not 1, 2 or 3`);
  if (container !== undefined && typeof container !== "string") return err(`${at}.container is not a text`);
  if (image !== undefined && (typeof image !== "string" || image === "" || image.length > 1024))
    return err(`${at}.image is not a text of 1 to 1024 characters`);
  const variables = stringsOf(env);
  if (variables === undefined || Object.keys(variables).length > envMax)
    return err(`${at}.env is not a map of at most ${envMax} texts`);
  const amounts = { requests: amountsOf(entry["requests"]), limits: amountsOf(entry["limits"]) };
  for (const field of ["requests", "limits"] as const) {
    if (entry[field] !== undefined && amounts[field] === undefined)
      return err(`${at}.${field} is not a map of quantities`);
  }
  return ok({ name, minTier, container, image, env: variables, ...amounts });
}

function amountsOf(value: Json | undefined): { readonly [resource: string]: string } | undefined {
  const amounts = value === undefined ? undefined : stringsOf(value);
  if (amounts === undefined || Object.keys(amounts).length > 32) return undefined;
  const good = Object.values(amounts).every((amount) => (quantityIn(amount, "milli") ?? -1) >= 0);
  return good ? amounts : undefined;
}

function stringsOf(value: Json): { readonly [name: string]: string } | undefined {
  if (!isObject(value)) return undefined;
  const strings: { [name: string]: string } = {};
  for (const [name, text] of Object.entries(value)) {
    if (typeof text !== "string" && typeof text !== "number") return undefined;
    strings[name] = String(text);
  }
  return strings;
}
