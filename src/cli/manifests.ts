import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { JsonObject } from "../core/kernel/json.ts";
import type { FieldProblem } from "../core/intents/contract.ts";
import { allKinds, kindOf } from "../core/intents/kinds/index.ts";
import { shapeProblems } from "../core/intents/field-problem.ts";
import { validateObject } from "../core/intents/validate.ts";
import { lineOf } from "../api/field-causes.ts";
import { CommandError } from "./command-error.ts";

/** Manifests from files: every document parsed and checked before anything is sent. */
export type Manifest = { readonly source: string; readonly object: JsonObject };

export async function readManifests(paths: readonly string[], recursive: boolean): Promise<Manifest[]> {
  const { isScalar, LineCounter, parseAllDocuments } = await import("yaml");
  const manifests: Manifest[] = [];
  const problems: string[] = [];
  for (const file of paths.flatMap((path) => filesOf(path, recursive))) {
    const text = file === "-" ? readFileSync(0, "utf8") : readText(file);
    const lines = new LineCounter();
    const documents = parseAllDocuments(text, { lineCounter: lines });
    if (!Array.isArray(documents)) continue;
    documents.forEach((document, at) => {
      const where = (offset: number): string => {
        const { line, col } = lines.linePos(offset);
        return `${file}:${line}:${col}`;
      };
      const [error] = document.errors;
      if (error !== undefined) {
        problems.push(`${where(error.pos[0])}: document ${at + 1}: ${error.message.split("\n")[0]}`);
        return;
      }
      const object = document.toJS({ maxAliasCount: 100 }) as JsonObject | null;
      if (object === null) return;
      const label = `document ${at + 1}, ${String(object["kind"] ?? "no kind")}/${nameOf(object)}`;
      for (const problem of check(object)) {
        const node = document.getIn(pathOf(problem.field), true) as
          | { range?: readonly [number, number, number] }
          | undefined;
        const offset =
          (isScalar(node) || node?.range !== undefined ? node?.range?.[0] : undefined) ?? document.range[0];
        problems.push(`${where(offset)}: ${label}: ${lineOf(problem)}`);
      }
      manifests.push({ source: `${file} ${label}`, object });
    });
  }
  if (problems.length > 0) {
    throw new CommandError("usage", `${problems.join("\n")}\nnothing was applied`);
  }
  if (manifests.length === 0) throw new CommandError("usage", `no documents in ${paths.join(", ")}`);
  return manifests;
}

function check(object: JsonObject): readonly FieldProblem[] {
  const apiVersion = String(object["apiVersion"] ?? "");
  const group = apiVersion.includes("/") ? (apiVersion.split("/")[0] ?? "") : "";
  const kind = kindOf(group, String(object["kind"] ?? ""));
  if (kind === undefined) {
    const known = allKinds()
      .map(({ kind: name }) => name)
      .join(", ");
    const value = JSON.stringify(`${apiVersion} ${String(object["kind"] ?? "")}`);
    return [{ field: "kind", value, problem: shapeProblems.unsupported, fix: `supported are ${known}` }];
  }
  const valid = validateObject(kind, object);
  return valid.ok ? [] : valid.error;
}

/** `spec.containers[0].image` and `labels[a/b]` as the steps of a YAML path. */
function pathOf(field: string): (string | number)[] {
  return [...field.matchAll(/\[([^\]]*)\]|([^.[\]]+)/g)].map(([, inside, plain]) => {
    const step = inside ?? plain ?? "";
    return /^\d+$/.test(step) ? Number(step) : step;
  });
}

function filesOf(path: string, recursive: boolean): string[] {
  if (path === "-") return ["-"];
  if (!isFolder(path)) return [path];
  return readdirSync(path, { withFileTypes: true })
    .sort((left, right) => (left.name < right.name ? -1 : 1))
    .flatMap((entry) => {
      const below = join(path, entry.name);
      if (entry.isDirectory()) return recursive ? filesOf(below, true) : [];
      return /\.(ya?ml|json)$/.test(entry.name) ? [below] : [];
    });
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    throw new CommandError("usage", `${path}: no such file or folder`);
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new CommandError("usage", `${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function nameOf(object: JsonObject): string {
  const metadata = object["metadata"] as { name?: string } | undefined;
  return metadata?.name ?? "(no name)";
}
