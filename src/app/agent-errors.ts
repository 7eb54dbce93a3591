import { StorageError } from "../ports/storage.ts";
import { IdentityError } from "../shells/identity-file/identity-error.ts";
import { CommandError } from "./exit-codes.ts";

/** What the shells throw, as a sentence for people with its exit code; anything else as it is. */
export function commandErrorOf(error: unknown): unknown {
  if (error instanceof IdentityError) {
    const { type } = error.failure;
    if (type === "missing")
      return new CommandError(
        "notInitialised",
        `${error.message}: run \`starlight init\` or \`starlight join\` first`,
      );
    if (type === "exists") return new CommandError("exists", `${error.message}; use another --data folder`);
    if (type === "invalid") return new CommandError("usage", error.message);
    return new CommandError(
      "identityBroken",
      `${error.message}; restore the identity folder from a backup, or join anew in another folder`,
    );
  }
  if (!(error instanceof StorageError)) return error;
  const { failure } = error;
  switch (failure.type) {
    case "corrupt":
      return new CommandError(
        "corrupt",
        `${failure.path} is damaged (${failure.detail}). It was left as it is. What the mesh knows comes back by itself: move the file away and start the agent again`,
      );
    case "full":
      return new CommandError(
        "diskFull",
        `the disk of ${failure.path} is full; nothing was half-written. Make room and start again`,
      );
    case "locked":
      return new CommandError(
        "locked",
        `${failure.path} is in use by ${failure.holder}; stop that agent first`,
      );
    case "newer":
      return new CommandError(
        "corrupt",
        `${failure.path} was written by a newer version (format ${failure.version}, this one reads ${failure.ours}); upgrade this agent`,
      );
    case "io":
      return new CommandError("failed", `${failure.path}: ${failure.detail}`);
  }
}
