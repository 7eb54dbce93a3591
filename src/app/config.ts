import { existsSync, readFileSync } from "node:fs";
import * as v from "valibot";
import type { NodeConfig } from "../core/node/contract.ts";
import { layoutOf } from "../shells/identity-file/layout.ts";
import { CommandError } from "./exit-codes.ts";

/** Settings of one node. Precedence: flag, environment (STARLIGHT_LISTEN, ...), config.yaml, default. */

const ms = (description: string, from: number, to: number): v.GenericSchema<number, number> =>
  v.pipe(v.number(), v.minValue(from), v.maxValue(to), v.description(description));

export const configSchema = v.strictObject({
  listen: v.pipe(v.string(), v.description("host:port for links and the API; port 0 takes any free one")),
  advertise: v.pipe(
    v.array(v.string()),
    v.description("host:port that other nodes dial, best first; the machine's own addresses when empty"),
  ),
  dialFrom: v.pipe(
    v.string(),
    v.description("source address of outgoing connections; the kernel's choice when empty"),
  ),
  podAddress: v.pipe(
    v.string(),
    v.description("address that workloads answer on; the first advertised host when empty"),
  ),
  logLevel: v.pipe(
    v.picklist(["debug", "info", "warning", "error"]),
    v.description("least important line to log"),
  ),
  logFormat: v.pipe(v.picklist(["text", "json"]), v.description("how log lines are written")),
  cgroups: v.pipe(
    v.picklist(["auto", "off"]),
    v.description("control groups for workloads where they can be made"),
  ),
  pingEveryMs: ms("time between two signs of life on a link", 50, 60_000),
  silentAfterMs: ms("silence after which a link is given up", 200, 600_000),
  redialMaxMs: ms("longest wait between two dials of a member", 100, 600_000),
  compareEveryMs: ms("time between two comparisons with a peer", 200, 3_600_000),
  bootSettleMs: ms("how long a booting node waits for its site before it decides alone", 0, 60_000),
  claimDelayMs: ms("how long the next-ranked node waits for a claim", 20, 60_000),
  quietPeriodMs: ms("how long nothing surplus is stopped after nodes came back", 0, 3_600_000),
  lostAfterMs: ms("how long a node may be unreachable before its copies count as lost", 0, 86_400_000),
  driftMaxMs: ms("stamps further ahead of our clock are kept aside", 1_000, 86_400_000),
});
export type Config = v.InferOutput<typeof configSchema>;
export type ConfigName = keyof Config;
export type Origin = "flag" | "environment" | "file" | "default";

const defaults: Config = {
  listen: "0.0.0.0:7443",
  advertise: [],
  dialFrom: "",
  podAddress: "",
  logLevel: "info",
  logFormat: "text",
  cgroups: "auto",
  pingEveryMs: 1_000,
  silentAfterMs: 3_500,
  redialMaxMs: 5_000,
  compareEveryMs: 5_000,
  bootSettleMs: 400,
  claimDelayMs: 150,
  quietPeriodMs: 5_000,
  lostAfterMs: 10_000,
  driftMaxMs: 600_000,
};

export type LoadedConfig = {
  readonly config: Config;
  readonly origins: { readonly [name in ConfigName]: Origin };
};

/** Puts the settings together; a name or a value that is wrong is named with its place and its fix. */
export async function loadConfig(
  data: string,
  flags: { readonly [name: string]: unknown },
  environment: NodeJS.ProcessEnv,
): Promise<LoadedConfig> {
  const path = layoutOf(data).config;
  const file = existsSync(path) ? await readYaml(path) : {};
  const layers: readonly (readonly [Origin, string, { readonly [name: string]: unknown }])[] = [
    ["default", "the defaults", defaults],
    ["file", path, file],
    ["environment", "the environment", fromEnvironment(environment)],
    ["flag", "the command line", flags],
  ];
  const values: { [name: string]: unknown } = {};
  const origins: { [name: string]: Origin } = {};
  for (const [origin, place, layer] of layers) {
    for (const [name, value] of Object.entries(layer)) {
      if (value === undefined) continue;
      check(name, value, place);
      values[name] = value;
      origins[name] = origin;
    }
  }
  return { config: v.parse(configSchema, values), origins: origins as LoadedConfig["origins"] };
}

export function nodeConfigOf(config: Config): NodeConfig {
  return {
    pingEvery: config.pingEveryMs,
    silentAfter: config.silentAfterMs,
    redialMax: config.redialMaxMs,
    compareEvery: config.compareEveryMs,
    bootSettle: config.bootSettleMs,
    claimDelay: config.claimDelayMs,
    quietPeriod: config.quietPeriodMs,
    lostAfter: config.lostAfterMs,
    driftMax: config.driftMaxMs,
  };
}

/** What a setting is for, from its schema. */
export function describe(name: ConfigName): string {
  return v.getDescription(configSchema.entries[name] as v.GenericSchema) ?? "";
}

function check(name: string, value: unknown, place: string): void {
  if (!Object.hasOwn(configSchema.entries, name)) {
    const near = Object.keys(configSchema.entries).find((known) =>
      known.toLowerCase().startsWith(name.slice(0, 5).toLowerCase()),
    );
    const hint =
      near === undefined
        ? `known are ${Object.keys(configSchema.entries).join(", ")}`
        : `did you mean ${near}?`;
    throw new CommandError("usage", `${place}: ${name} is not a setting; ${hint}`);
  }
  const parsed = v.safeParse(configSchema.entries[name as ConfigName] as v.GenericSchema, value);
  if (parsed.success) return;
  const [issue] = parsed.issues;
  throw new CommandError(
    "usage",
    `${place}: ${name} is ${JSON.stringify(value)}: ${issue?.message ?? "not valid"}`,
  );
}

function fromEnvironment(environment: NodeJS.ProcessEnv): { readonly [name: string]: unknown } {
  const found: { [name: string]: unknown } = {};
  for (const name of Object.keys(configSchema.entries)) {
    const text = environment[`STARLIGHT_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`];
    if (text === undefined || text === "") continue;
    found[name] = name === "advertise" ? text.split(",") : name.endsWith("Ms") ? Number(text) : text;
  }
  return found;
}

async function readYaml(path: string): Promise<{ readonly [name: string]: unknown }> {
  const { parseDocument } = await import("yaml");
  const document = parseDocument(readFileSync(path, "utf8"));
  const [error] = document.errors;
  if (error !== undefined) throw new CommandError("usage", `${path}: ${error.message}`);
  const json: unknown = document.toJS() ?? {};
  if (typeof json !== "object" || Array.isArray(json))
    throw new CommandError("usage", `${path}: not a map of settings`);
  return json as { readonly [name: string]: unknown };
}
