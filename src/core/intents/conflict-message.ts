import type { HeldField } from "./contract.ts";

/**
 * The refusal of an apply in the very words of Kubernetes, which scripts look for.
 * (k8s.io/apimachinery, pkg/util/managedfields/internal/conflict.go, `NewConflictError`)
 */
export function conflictMessage(fields: readonly HeldField[], apiVersion: string): string {
  const [first] = fields;
  if (first !== undefined && fields.length === 1) {
    return `Apply failed with 1 conflict: conflict with ${managerText(first, apiVersion)}: .${first.path}`;
  }
  const byManager = new Map<string, string[]>();
  for (const field of fields) {
    const manager = managerText(field, apiVersion);
    byManager.set(manager, [...(byManager.get(manager) ?? []), `- .${field.path}`]);
  }
  const lines = [...byManager.keys()]
    .sort()
    .flatMap((manager) => [`conflicts with ${manager}:`, ...(byManager.get(manager) ?? [])]);
  return `Apply failed with ${fields.length} conflicts: ${lines.join("\n")}`;
}

/** Of a manager that updated, Kubernetes names the version as well. */
export function managerText({ manager, operation }: HeldField, apiVersion: string): string {
  const name = JSON.stringify(manager);
  return operation === "Update" ? `${name} using ${apiVersion}` : name;
}
