import { StorageError, type StorageFailure } from "../../ports/storage.ts";
import { holderOf } from "./holder.ts";

/** Primary result codes of SQLite (https://sqlite.org/rescode.html). */
const sqlite = { ok: 0, error: 1, busy: 5, locked: 6, corrupt: 11, full: 13, notADatabase: 26 } as const;

/** Whatever SQLite or the file system threw, as one of the failures of the port. */
export function storageErrorOf(error: unknown, path: string): StorageError {
  return error instanceof StorageError ? error : new StorageError(failureOf(error, path));
}

function failureOf(error: unknown, path: string): StorageFailure {
  const detail = error instanceof Error ? error.message : String(error);
  if (codeOf(error) === "ENOSPC" || codeOf(error) === "EDQUOT") return { type: "full", path };
  switch (resultCodeOf(error)) {
    case sqlite.full:
      return { type: "full", path };
    case sqlite.busy:
    case sqlite.locked:
      return { type: "locked", path, holder: holderOf(path) ?? "another program" };
    // Our statements are right, so it is the schema they meet that is not.
    case sqlite.error:
    case sqlite.corrupt:
    case sqlite.notADatabase:
      return { type: "corrupt", path, detail };
    default:
      return { type: "io", path, detail };
  }
}

/** Another connection holds the store. */
export function isBusy(error: unknown): boolean {
  const code = resultCodeOf(error);
  return code === sqlite.busy || code === sqlite.locked;
}

/** "not an error": somebody reported a failure that was none. */
export function isNoFailure(error: unknown): boolean {
  return resultCodeOf(error) === sqlite.ok;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

/** The low byte of an extended result code is the primary one. */
function resultCodeOf(error: unknown): number | undefined {
  return error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : undefined;
}
