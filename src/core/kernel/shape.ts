import { isList, isObject, type Json, type JsonObject } from "./json.ts";

/**
 * Shapes: bounded checks of JSON that came from elsewhere. A shape gives the value typed, or undefined;
 * unknown fields are dropped from the typed value (the exact bytes of a record keep them).
 */
export type Shape<T> = (value: Json | undefined) => T | undefined;
export type Shaped<S> = S extends Shape<infer T> ? T : never;

export const text =
  (lengthMax: number): Shape<string> =>
  (value) =>
    typeof value === "string" && value.length <= lengthMax ? value : undefined;

export const integer =
  (min: number, max: number): Shape<number> =>
  (value) =>
    typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max
      ? value
      : undefined;

export const flag: Shape<boolean> = (value) => (typeof value === "boolean" ? value : undefined);

export const anything: Shape<Json> = (value) => value;

export const oneOf =
  <const T extends string>(...choices: readonly T[]): Shape<T> =>
  (value) =>
    choices.find((choice) => choice === value);

export const list =
  <T>(item: Shape<T>, countMax: number): Shape<readonly T[]> =>
  (value) => {
    if (!isList(value) || value.length > countMax) return undefined;
    const items: T[] = [];
    for (const entry of value) {
      const shaped = item(entry);
      if (shaped === undefined) return undefined;
      items.push(shaped);
    }
    return items;
  };

export const dictionary =
  <T>(item: Shape<T>, countMax: number, keyMax = 512): Shape<{ readonly [key: string]: T }> =>
  (value) => {
    if (!isObject(value)) return undefined;
    const keys = Object.keys(value);
    if (keys.length > countMax) return undefined;
    const entries: { [key: string]: T } = Object.create(null) as { [key: string]: T };
    for (const key of keys) {
      const shaped = item(value[key]);
      if (shaped === undefined || key.length > keyMax) return undefined;
      entries[key] = shaped;
    }
    return { ...entries };
  };

/** A field that may be missing. */
export type Optional<T> = { readonly optional: Shape<T> };
export const optional = <T>(shape: Shape<T>): Optional<T> => ({ optional: shape });

export type Fields = { readonly [key: string]: Shape<unknown> | Optional<unknown> };
type FromFields<F extends Fields> = {
  readonly [K in keyof F as F[K] extends Optional<unknown> ? never : K]: F[K] extends Shape<infer T>
    ? T
    : never;
} & {
  readonly [K in keyof F as F[K] extends Optional<unknown> ? K : never]?: F[K] extends Optional<infer T>
    ? T
    : never;
};

export const fields =
  <F extends Fields>(shapes: F): Shape<FromFields<F>> =>
  (value) => {
    if (!isObject(value)) return undefined;
    const shaped: { [key: string]: unknown } = {};
    for (const key of Object.keys(shapes)) {
      const shape = shapes[key] as Shape<unknown> | Optional<unknown>;
      if (typeof shape === "function") {
        const field = shape(value[key]);
        if (field === undefined) return undefined;
        shaped[key] = field;
      } else if (value[key] !== undefined) {
        const field = shape.optional(value[key]);
        if (field === undefined) return undefined;
        shaped[key] = field;
      }
    }
    return shaped as FromFields<F>;
  };

/** The first field that keeps an object from having the shape of these fields. */
export const wrongField = (shapes: Fields, value: JsonObject): string | undefined =>
  Object.keys(shapes).find((key) => fields({ [key]: shapes[key] as Shape<unknown> })(value) === undefined);
