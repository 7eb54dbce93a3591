import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { heapMb } from "./here.ts";

/** Every fleet is measured in a process of its own, so that none pays for the memory of the one before. */

const flags = [
  "--disable-warning=ExperimentalWarning",
  `--max-old-space-size=${heapMb}`,
  "--max-semi-space-size=64",
];

/** As text, since a size may name more than a number of nodes (fleet-parts/run.ts). */
export const fleetSizes = (): readonly string[] =>
  (process.env["STARLIGHT_FLEET"] ?? "100,1000,10000").split(",");

/** What the script of this folder wrote as JSON to the file that is its last argument. */
export function measureInChild<Point>(script: string, args: readonly string[]): Point {
  const folder = mkdtempSync(join(tmpdir(), "starlight-fleet-"));
  const file = join(folder, "point.json");
  try {
    execFileSync(process.execPath, [...flags, join(import.meta.dirname, script), ...args, file], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    return JSON.parse(readFileSync(file, "utf8")) as Point;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export function savePicture(name: string, svg: string): void {
  const folder = join(import.meta.dirname, "../../docs/pictures");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), svg);
}
