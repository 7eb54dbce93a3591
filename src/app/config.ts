import { existsSync } from "node:fs";
import { getDescription, safeParse } from "valibot";
import { readText } from "../shells/identity-file/durable-files.ts";
import { layoutOf } from "../shells/identity-file/layout.ts";
import { AppError } from "./app-error.ts";
import { configDefaults, configKeys, configSchema, type Config, type ConfigKey } from "./config-schema.ts";
import { exitCodes } from "./exit-codes.ts";

/** Where a value came from, the strongest first. */
export type ConfigOrigin =
  | { readonly type: "flag"; readonly name: string }
  | { readonly type: "environment"; readonly name: string }
  | { readonly type: "file"; readonly path: string }
  | { readonly type: "default" };

export type LoadedConfig = {
  readonly config: Config;
  readonly origins: { readonly [key in ConfigKey]: ConfigOrigin };
  /** What was not understood and does no harm. */
  readonly warnings: readonly string[];
};

export type ConfigSources = {
  readonly directory: string;
  /** Values from the command line by key, as typed; undefined ones count as not given. */
  readonly flags?: { readonly [key: string]: unknown };
  readonly env?: { readonly [name: string]: string | undefined };
};

type Source = { readonly origin: ConfigOrigin; readonly value: unknown };

/** The settings: flag over environment over `config.yaml` over default. Throws an `AppError`. */
export async function loadConfig({ directory, flags = {}, env = {} }: ConfigSources): Promise<LoadedConfig> {
  const path = layoutOf(directory).config;
  const file = existsSync(path) ? await readConfigFile(path) : {};
  refuseUnknown(Object.keys(file), (key) => `${path}: unknown key ${key}`);
  refuseUnknown(Object.keys(flags), (key) => `unknown setting ${key}`);
  const config: { [key: string]: unknown } = {};
  const origins: { [key: string]: ConfigOrigin } = {};
  for (const key of configKeys) {
    const name = variableOf(key);
    const sources: readonly Source[] = [
      { origin: { type: "flag", name: flagOf(key) }, value: flags[key] },
      { origin: { type: "environment", name }, value: env[name] },
      { origin: { type: "file", path }, value: file[key] },
    ];
    const given = sources.find(({ value }) => value !== undefined);
    origins[key] = given?.origin ?? { type: "default" };
    config[key] = given === undefined ? configDefaults[key] : valueOf(key, given);
  }
  const loaded = {
    config: config as Config,
    origins: origins as LoadedConfig["origins"],
    warnings: strayVariables(env),
  };
  refuseContradiction(loaded);
  return loaded;
}

/** Each setting with its value, where it came from and what it is for. */
export function showConfig({ config, origins }: LoadedConfig): readonly {
  readonly key: ConfigKey;
  readonly value: Config[ConfigKey];
  readonly origin: string;
  readonly description: string;
}[] {
  return configKeys.map((key) => ({
    key,
    value: config[key],
    origin: originText(origins[key]),
    description: getDescription(configSchema.entries[key]) ?? "",
  }));
}

/** `pingEveryMs` is set by `STARLIGHT_PING_EVERY_MS` and `--ping-every-ms`. */
export const variableOf = (key: ConfigKey): string => `STARLIGHT_${words(key, "_").toUpperCase()}`;
export const flagOf = (key: ConfigKey): string => `--${words(key, "-")}`;

export function originText(origin: ConfigOrigin): string {
  switch (origin.type) {
    case "flag":
    case "environment":
      return origin.name;
    case "file":
      return origin.path;
    case "default":
      return "default";
  }
}

async function readConfigFile(path: string): Promise<{ readonly [key: string]: unknown }> {
  const { parseDocument } = await import("yaml");
  const document = parseDocument(readText(path));
  const [error] = document.errors;
  if (error !== undefined) throw invalid(`${path} is not YAML: ${error.message.split("\n")[0] ?? ""}`);
  const content: unknown = document.toJS({ maxAliasCount: 100 });
  if (content === null || content === undefined) return {};
  if (typeof content !== "object" || Array.isArray(content)) {
    throw invalid(`${path} must hold keys and values, like "logLevel: debug"`);
  }
  return content as { readonly [key: string]: unknown };
}

function valueOf(key: ConfigKey, { origin, value }: Source): unknown {
  const typed = typeof value === "string" && origin.type !== "file" ? fromText(key, value) : value;
  const parsed = safeParse(configSchema.entries[key], typed);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const where = origin.type === "file" ? `${origin.path}: ${key}` : originText(origin);
  throw invalid(`${where} is ${JSON.stringify(value)}: ${issue.message}`);
}

/** Texts from the command line and the environment, as the key's type wants them. */
function fromText(key: ConfigKey, text: string): unknown {
  const example = configDefaults[key];
  if (typeof example === "number") return /^\d{1,15}$/.test(text) ? Number(text) : text;
  if (Array.isArray(example)) return text.split(",").flatMap((part) => part.trim() || []);
  return text;
}

function refuseUnknown(keys: readonly string[], what: (key: string) => string): void {
  const stray = keys.find((key) => !configKeys.includes(key as ConfigKey));
  if (stray === undefined) return;
  const near = nearest(stray, configKeys);
  throw invalid(what(stray) + (near === undefined ? "" : `, did you mean ${near}?`));
}

function refuseContradiction({ config, origins }: LoadedConfig): void {
  if (config.silentAfterMs >= 2 * config.pingEveryMs) return;
  const [silent, ping] = [originText(origins.silentAfterMs), originText(origins.pingEveryMs)];
  throw invalid(
    `silentAfterMs (${config.silentAfterMs}, from ${silent}) must be at least twice pingEveryMs (${config.pingEveryMs}, from ${ping}), or every link would be given up at the first late packet`,
  );
}

/** Other programs of ours read other variables, so a stray one is only worth a word when it looks like a typo. */
function strayVariables(env: { readonly [name: string]: string | undefined }): readonly string[] {
  const known = configKeys.map(variableOf);
  return Object.keys(env)
    .filter((name) => name.startsWith("STARLIGHT_") && !known.includes(name))
    .flatMap((name) => {
      const near = nearest(name, known);
      return near === undefined
        ? []
        : [`the environment variable ${name} is not known, did you mean ${near}?`];
    });
}

/** The choice that differs in the fewest letters, when that is few enough to be a typo. */
export function nearest(text: string, choices: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(text.length / 4)) + 1;
  for (const choice of choices) {
    const distance = editDistance(text.toLowerCase(), choice.toLowerCase(), bestDistance);
    if (distance < bestDistance) [best, bestDistance] = [choice, distance];
  }
  return best;
}

/** Levenshtein's distance, row by row; `limit` when it is at least that. */
function editDistance(left: string, right: string, limit: number): number {
  if (Math.abs(left.length - right.length) >= limit) return limit;
  let row = Array.from({ length: right.length + 1 }, (_, at) => at);
  for (let at = 1; at <= left.length; at++) {
    const next = [at];
    for (let to = 1; to <= right.length; to++) {
      const changed = (row[to - 1] ?? 0) + (left[at - 1] === right[to - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[to] ?? 0) + 1, (next[to - 1] ?? 0) + 1));
    }
    row = next;
  }
  return Math.min(limit, row[right.length] ?? limit);
}

function words(key: string, separator: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => separator + letter.toLowerCase());
}

function invalid(what: string): AppError {
  const fix = "`starlight config show` lists every setting, its value and its limits.";
  return new AppError({ exitCode: exitCodes.usage, what, kept: "", fix });
}
