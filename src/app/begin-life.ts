import { closeSync, fsyncSync, openSync } from "node:fs";
import { join } from "node:path";

/**
 * Whether no agent ran under this identity before. The mark stands beside the key, not in the database, so a
 * node whose database was lost knows that it may have promised things that it has forgotten.
 */
export function beginLife(identity: string): boolean {
  try {
    closeSync(openSync(join(identity, "lived"), "wx", 0o600));
    const folder = openSync(identity, "r");
    fsyncSync(folder);
    closeSync(folder);
    return true;
  } catch {
    return false;
  }
}
