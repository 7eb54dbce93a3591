import { StorageError, type StorageFailure } from "../ports/storage.ts";
import { BundleError, type BundleFailure } from "../shells/bundle-file/bundle-error.ts";
import { IdentityError, type IdentityFailure } from "../shells/identity-file/identity-error.ts";
import { ListenError } from "../shells/transport-http2/create-transport.ts";
import { exitCodes, type ExitCode } from "./exit-codes.ts";

export type Explanation = {
  readonly exitCode: ExitCode;
  /** What happened, in one sentence that names the thing. */
  readonly what: string;
  /** What became of the data. */
  readonly kept: string;
  /** What to do now. */
  readonly fix: string;
};

/** A failure as it is told to a person: what happened, what is kept, what to do. */
export class AppError extends Error {
  override readonly name = "AppError";
  readonly exitCode: ExitCode;
  readonly what: string;
  readonly kept: string;
  readonly fix: string;

  constructor({ exitCode, what, kept, fix }: Explanation) {
    super([what, kept, fix].filter((part) => part !== "").join("\n"));
    this.exitCode = exitCode;
    this.what = what;
    this.kept = kept;
    this.fix = fix;
  }
}

/** Any error of ours, explained; undefined for what is a bug and deserves its stack trace. */
export function explained(error: unknown): AppError | undefined {
  if (error instanceof AppError) return error;
  if (error instanceof IdentityError) return new AppError(identityExplained(error.failure, error.message));
  if (error instanceof StorageError) return new AppError(storageExplained(error.failure));
  if (error instanceof BundleError) return new AppError(bundleExplained(error.failure, error.message));
  if (error instanceof ListenError) {
    return new AppError({
      exitCode: exitCodes.portTaken,
      what: error.message,
      kept: "Nothing was started; workloads that ran go on running.",
      fix: "Stop that program, or choose another port with --listen HOST:PORT or `listen` in config.yaml.",
    });
  }
  return undefined;
}

const untouched = "Nothing was changed.";

function identityExplained(failure: IdentityFailure, what: string): Explanation {
  switch (failure.type) {
    case "missing":
      return {
        exitCode: exitCodes.notInitialised,
        what,
        kept: "",
        fix: "Make a mesh with `starlight init`, or join one with `starlight join INVITE`; or name the right folder with --data.",
      };
    case "exists":
      return {
        exitCode: exitCodes.alreadyInitialised,
        what,
        kept: untouched,
        fix: "Choose another folder with --data. To give this node up, run `starlight leave` and remove the folder yourself.",
      };
    case "broken":
      return {
        exitCode: exitCodes.identityBroken,
        what,
        kept: untouched,
        fix: "Restore the identity folder from a backup; or remove the node from the mesh with `starlight revoke` and join again with an empty folder.",
      };
    case "invalid":
      return { exitCode: exitCodes.usage, what, kept: untouched, fix: "" };
    case "not-an-enroller":
      return {
        exitCode: exitCodes.notAllowed,
        what,
        kept: untouched,
        fix: "Run this on the node that made the mesh: it holds enroller/ca.key.",
      };
    case "io":
      return ioExplained(failure.path, failure.code);
  }
}

function storageExplained(failure: StorageFailure): Explanation {
  const { path } = failure;
  switch (failure.type) {
    case "corrupt":
      return {
        exitCode: exitCodes.storageCorrupt,
        what: `the database ${path} is damaged: ${failure.detail}`,
        kept: "It is left as it is, and workloads that ran go on running. The identity of this node is not in it and is fine.",
        fix: "Run `starlight store repair` and start again: it keeps what is whole and the damaged file; the rest comes back from the peers at the next sync.",
      };
    case "full":
      return ioExplained(path, "ENOSPC");
    case "locked":
      return {
        exitCode: exitCodes.dataLocked,
        what: `${path} is in use by ${failure.holder}`,
        kept: untouched,
        fix: "Another agent runs on this data folder. Stop it, or choose another folder with --data.",
      };
    case "newer":
      return {
        exitCode: exitCodes.storageNewer,
        what: `${path} has format ${failure.version}; this version reads up to ${failure.ours}`,
        kept: untouched,
        fix: "Install the newer version of Starlight again.",
      };
    case "io":
      return ioExplained(path, failure.detail);
  }
}

function bundleExplained({ type }: BundleFailure, what: string): Explanation {
  const kept = "Nothing of it was used.";
  switch (type) {
    case "wrong-mesh":
      return { exitCode: exitCodes.wrongMesh, what, kept, fix: "Use the file that was made for this mesh." };
    case "kind":
      return { exitCode: exitCodes.usage, what, kept, fix: "" };
    case "newer":
    case "protocol":
      return {
        exitCode: exitCodes.bundleDamaged,
        what,
        kept,
        fix: "Use the same version of Starlight on both sides.",
      };
    case "not-a-bundle":
    case "truncated":
    case "altered":
      return {
        exitCode: exitCodes.bundleDamaged,
        what,
        kept,
        fix: "Copy the file again, or export it again.",
      };
  }
}

function ioExplained(path: string, code: string): Explanation {
  if (code === "ENOSPC" || code === "EDQUOT") {
    return {
      exitCode: exitCodes.diskFull,
      what: `no space is left for ${path}`,
      kept: "What was stored before is whole, and workloads that ran go on running.",
      fix: "Free some space on that file system and start again.",
    };
  }
  return {
    exitCode: exitCodes.dataUnusable,
    what: `${path} cannot be used: ${code}`,
    kept: untouched,
    fix: code === "EACCES" || code === "EPERM" ? "Run as the user who owns the data folder." : "",
  };
}
