/** Why an identity could not be made, saved or read. Nothing that existed before was changed. */
export type IdentityFailure =
  /** The folder holds no identity: neither `init` nor `join` has finished here. */
  | { readonly type: "missing"; readonly directory: string }
  /** The folder already holds an identity; it is never overwritten. */
  | { readonly type: "exists"; readonly directory: string; readonly node: string; readonly mesh: string }
  /** A file cannot be read or written; `code` is the system's error code. */
  | { readonly type: "io"; readonly path: string; readonly code: string }
  /** A file is there and is not what it should be. */
  | { readonly type: "broken"; readonly path: string; readonly detail: string }
  /** A name or an address that cannot be used. */
  | { readonly type: "invalid"; readonly detail: string }
  /** The folder holds no CA key: this node cannot admit others. */
  | { readonly type: "not-an-enroller"; readonly directory: string };

export class IdentityError extends Error {
  override readonly name = "IdentityError";
  readonly failure: IdentityFailure;

  constructor(failure: IdentityFailure) {
    super(sentenceOf(failure));
    this.failure = failure;
  }
}

function sentenceOf(failure: IdentityFailure): string {
  switch (failure.type) {
    case "missing":
      return `${failure.directory} holds no identity`;
    case "exists":
      return `${failure.directory} already holds the identity of ${failure.node} in mesh ${failure.mesh}`;
    case "io":
      return `${failure.path}: ${failure.code}`;
    case "broken":
      return `${failure.path}: ${failure.detail}`;
    case "invalid":
      return failure.detail;
    case "not-an-enroller":
      return `${failure.directory} holds no CA key, so this node cannot admit others`;
  }
}

/** Runs a file operation and turns the system's error into ours. */
export function guarded<T>(path: string, operation: () => T): T {
  try {
    return operation();
  } catch (error) {
    if (error instanceof IdentityError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new IdentityError({ type: "io", path, code: code ?? String(error) });
  }
}
