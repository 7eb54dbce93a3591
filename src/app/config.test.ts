import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { AppError } from "./app-error.ts";
import { configKeys } from "./config-schema.ts";
import { loadConfig, nearest, showConfig, type ConfigSources } from "./config.ts";
import { createTestBed } from "./testbed.ts";

const bed = createTestBed();
after(() => bed.close());

let folders = 0;
function folderWith(file?: string): string {
  const directory = bed.folder(`config-${++folders}`);
  mkdirSync(directory, { recursive: true });
  if (file !== undefined) writeFileSync(join(directory, "config.yaml"), file);
  return directory;
}

async function refusal(sources: Partial<ConfigSources>, file?: string): Promise<string> {
  try {
    await loadConfig({ directory: folderWith(file), ...sources });
  } catch (error) {
    assert(error instanceof AppError, String(error));
    assert.equal(error.exitCode, 2);
    return error.what;
  }
  throw new Error("it was not refused");
}

describe("loadConfig", () => {
  test("flag beats environment beats file beats default, and each value says where it came from", async () => {
    const directory = folderWith("pingEveryMs: 300\ncompareEveryMs: 300\nredialMaxMs: 300\n");
    const env = { STARLIGHT_PING_EVERY_MS: "400", STARLIGHT_COMPARE_EVERY_MS: "400" };
    const { config, origins } = await loadConfig({ directory, env, flags: { pingEveryMs: "500" } });
    assert.equal(config.pingEveryMs, 500);
    assert.deepEqual(origins.pingEveryMs, { type: "flag", name: "--ping-every-ms" });
    assert.equal(config.compareEveryMs, 400);
    assert.deepEqual(origins.compareEveryMs, { type: "environment", name: "STARLIGHT_COMPARE_EVERY_MS" });
    assert.equal(config.redialMaxMs, 300);
    assert.deepEqual(origins.redialMaxMs, { type: "file", path: join(directory, "config.yaml") });
    assert.equal(config.claimDelayMs, 250);
    assert.deepEqual(origins.claimDelayMs, { type: "default" });
  });

  test("every setting is shown with a description", async () => {
    const shown = showConfig(await loadConfig({ directory: folderWith() }));
    assert.deepEqual(
      shown.map(({ key }) => key),
      configKeys,
    );
    for (const { key, description } of shown) assert(description.length > 20, key);
  });

  test("a mirror is an absolute folder or none", async () => {
    assert.match(
      await refusal({}, "mirrorPath: disk2\n"),
      /mirrorPath is "disk2": must be an absolute folder/,
    );
    const { config } = await loadConfig({ directory: folderWith("mirrorPath: /mnt/disk2\n") });
    assert.equal(config.mirrorPath, "/mnt/disk2");
  });

  test("a list in the environment is split at commas", async () => {
    const env = { STARLIGHT_ADVERTISE: "10.0.0.1:7443, [fd00::1]:7443" };
    const { config } = await loadConfig({ directory: folderWith(), env });
    assert.deepEqual(config.advertise, ["10.0.0.1:7443", "[fd00::1]:7443"]);
  });

  test("an unknown key is an error by name, with the key that was meant", async () => {
    assert.match(
      await refusal({}, "pingEveryMs2: 100"),
      /config\.yaml: unknown key pingEveryMs2, did you mean pingEveryMs\?$/,
    );
    assert.match(await refusal({}, "colour: red"), /unknown key colour$/);
    assert.match(
      await refusal({ flags: { logLevl: "info" } }),
      /unknown setting logLevl, did you mean logLevel\?$/,
    );
  });

  test("a value outside its limits names its origin, the value and the limit", async () => {
    assert.match(
      await refusal({}, "pingEveryMs: 10"),
      /config\.yaml: pingEveryMs is 10: must be at least 50 ms$/,
    );
    assert.match(
      await refusal({ flags: { pingEveryMs: "soon" } }),
      /^--ping-every-ms is "soon": must be a whole number/,
    );
    assert.match(
      await refusal({ env: { STARLIGHT_LOG_LEVEL: "loud" } }),
      /^STARLIGHT_LOG_LEVEL is "loud": must be debug, info/,
    );
    assert.match(await refusal({}, "pingEveryMs: '100'"), /pingEveryMs is "100": must be a whole number/);
    assert.match(await refusal({ flags: { listen: "7443" } }), /^--listen is "7443": must be HOST:PORT/);
  });

  test("a file that is not YAML, or not keys and values, is named", async () => {
    assert.match(await refusal({}, "a: [1"), /config\.yaml is not YAML/);
    assert.match(await refusal({}, "- 1\n- 2\n"), /must hold keys and values/);
  });

  test("silence shorter than two pings is refused with both origins", async () => {
    const what = await refusal({ flags: { silentAfterMs: "1500" } }, "pingEveryMs: 800");
    assert.match(
      what,
      /silentAfterMs \(1500, from --silent-after-ms\).*pingEveryMs \(800, from .*config\.yaml\)/,
    );
  });

  test("a stray variable that looks like a typo is a warning, others are left alone", async () => {
    const env = { STARLIGHT_LOG_LEVLE: "debug", STARLIGHT_SOMETHING_ELSE: "1", LOG_LEVLE: "1" };
    const { warnings } = await loadConfig({ directory: folderWith(), env });
    assert.deepEqual(warnings, [
      "the environment variable STARLIGHT_LOG_LEVLE is not known, did you mean STARLIGHT_LOG_LEVEL?",
    ]);
  });
});

test("nearest finds a typo of up to a quarter of the letters and nothing beyond", () => {
  assert.equal(nearest("listn", ["listen", "logLevel"]), "listen");
  assert.equal(nearest("xyz", ["listen", "logLevel"]), undefined);
});
