import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve, dirname } from "node:path";
import { test } from "node:test";
import { resources } from "../src/api/resources.ts";
import { fileURLToPath } from "node:url";

/** The rules of the house, in words. A broken one names the line. */

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const source = join(root, "src");

const importPattern =
  /^(?:import|export|\})[^"'\n]*\bfrom ["']([^"'\n]+)["'];|^import ["']([^"'\n]+)["'];|\bimport\(["']([^"'\n]+)["']\)/gm;

type Import = { readonly file: string; readonly line: number; readonly target: string };

const files = readdirSync(source, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => name.replaceAll("\\", "/"))
  .sort();
const imports = files.flatMap((file) => importsOf(file));
const isTest = (file: string): boolean => file.endsWith(".test.ts") || file.endsWith("testbed.ts");

/** Layers from the ground up: a folder may import itself and what is listed. */
const mayImport: { readonly [layer: string]: readonly string[] } = {
  core: [],
  ports: ["core"],
  shells: ["core", "ports"],
  sim: ["core", "ports"],
  net: ["core", "ports"],
  api: ["core", "ports", "net"],
  app: ["core", "ports", "shells", "api", "net"],
  cli: ["core", "ports", "shells", "api", "net", "app", "sim"],
};

/** The core's ground floor; the other core folders import it and never each other. */
const groundFloor = ["kernel", "records"];

test("layers import downwards only", () => {
  const wrong = imports.flatMap(({ file, line, target }) => {
    const [from = "", to = ""] = [layerOf(file), layerOf(target)];
    if (isTest(file)) return [];
    if (!target.startsWith("src/") || from === to || mayImport[from]?.includes(to) === true) return [];
    return [
      `${file}:${line} imports ${target}: ${from} may import ${mayImport[from]?.join(", ") || "nothing"}`,
    ];
  });
  assert.deepEqual(wrong, []);
});

test("the core imports no package and no node module, outside of its tests", () => {
  const wrong = imports
    .filter(
      ({ file, target }) => layerOf(file) === "core" && !isTest(file) && !target.startsWith("src/core/"),
    )
    .map(({ file, line, target }) => `${file}:${line} imports ${target}`);
  assert.deepEqual(wrong, []);
});

test("core folders import the ground floor and never each other; only core/node composes them", () => {
  const wrong = imports.flatMap(({ file, line, target }) => {
    if (!file.startsWith("src/core/") || !target.startsWith("src/core/") || isTest(file)) return [];
    const [from = "", to = ""] = [folderOf(file), folderOf(target)];
    if (from === to || from === "node" || groundFloor.includes(to) || onlyTypes(file, line)) return [];
    return [`${file}:${line} imports ${target}: ${from} may import ${groundFloor.join(" and ")}`];
  });
  assert.deepEqual(wrong, []);
});

test("the core has no clock and no chance of its own", () => {
  const forbidden =
    /\b(Date\.now|new Date\(\)|Math\.random|performance\.now|setTimeout|setInterval|localeCompare)\b/;
  const wrong = files
    .filter((file) => file.startsWith("core/") && !isTest(file))
    .flatMap((file) => grep(file, forbidden));
  assert.deepEqual(wrong, []);
});

test("no file is longer than 400 lines", () => {
  const long = files
    .map((file) => ({ file, lines: readFileSync(join(source, file), "utf8").split("\n").length - 1 }))
    .filter(({ lines }) => lines > 400)
    .map(({ file, lines }) => `src/${file} has ${lines} lines`);
  assert.deepEqual(long, []);
});

test("no test is left alone or switched off without a reason", () => {
  const wrong = files
    .filter(isTest)
    .flatMap((file) => grep(file, /\btest\.only\b|\bonly: true\b|\bskip: true\b/));
  assert.deepEqual(wrong, []);
});

test("files and folders are named in kebab-case", () => {
  const wrong = files.filter(
    (file) => !/^([a-z0-9]+(-[a-z0-9]+)*\/)*[a-z0-9]+(-[a-z0-9]+)*(\.[a-z]+)*\.ts$/.test(file),
  );
  assert.deepEqual(wrong, []);
});

function importsOf(file: string): Import[] {
  const text = readFileSync(join(source, file), "utf8");
  const found: Import[] = [];
  for (const match of text.matchAll(importPattern)) {
    const name = match[1] ?? match[2] ?? match[3] ?? "";
    const line = text.slice(0, match.index).split("\n").length;
    const target = name.startsWith(".")
      ? relative(root, resolve(dirname(join(source, file)), name)).replaceAll("\\", "/")
      : name;
    found.push({ file: `src/${file}`, line, target });
  }
  return found;
}

/** Names of types cost nothing at run time; they are how a machine's neighbours name its words. */
function onlyTypes(file: string, line: number): boolean {
  const text = readFileSync(join(root, file), "utf8").split("\n");
  for (let at = line - 1; at >= 0; at--) {
    if (/^import\b/.test(text[at] ?? "")) return /^import type\b/.test(text[at] ?? "");
  }
  return false;
}

function grep(file: string, pattern: RegExp): string[] {
  return readFileSync(join(source, file), "utf8")
    .split("\n")
    .flatMap((text, at) => (pattern.test(text) ? [`src/${file}:${at + 1} ${text.trim()}`] : []));
}

const layerOf = (file: string): string => file.split("/")[1] ?? "";
const folderOf = (file: string): string => file.split("/")[2] ?? "";

test("the README and docs/manifest.md name every kind that the API has", () => {
  for (const [file, row] of [
    ["README.md", /^\| Kinds \|.*$/m],
    ["docs/manifest.md", /^\| kind \|[^]*?\n\n/m],
  ] as const) {
    const text = row.exec(readFileSync(new URL(`../${file}`, import.meta.url), "utf8"))?.[0] ?? "";
    const missing = resources.filter(({ kind }) => !new RegExp(`\\b${kind}\\b`).test(text));
    assert.deepEqual(
      missing.map(({ kind }) => kind),
      [],
      file,
    );
  }
});
