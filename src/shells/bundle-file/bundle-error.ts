/** Why a file is not taken. Nothing of it was used. */
export type BundleFailure =
  | { readonly type: "not-a-bundle" }
  /** It ends too early: the stick was pulled out, or the copy broke off. */
  | { readonly type: "truncated" }
  /** It is not what was written. */
  | { readonly type: "altered"; readonly detail: string }
  | { readonly type: "newer"; readonly format: number; readonly ours: number }
  /** Its frames are of a protocol that this version does not speak. */
  | { readonly type: "protocol"; readonly theirs: number; readonly ours: string }
  /** A bundle where heads are wanted, or the other way round. */
  | { readonly type: "kind"; readonly is: string; readonly wanted: string }
  | { readonly type: "wrong-mesh"; readonly theirs: string; readonly ours: string };

export class BundleError extends Error {
  override readonly name = "BundleError";
  readonly failure: BundleFailure;

  constructor(failure: BundleFailure) {
    super(messageOf(failure));
    this.failure = failure;
  }
}

function messageOf(failure: BundleFailure): string {
  switch (failure.type) {
    case "not-a-bundle":
      return "this is not a file that `starlight bundle` wrote";
    case "truncated":
      return "the file is cut off: its end is missing";
    case "altered":
      return `the file is not as it was written: ${failure.detail}`;
    case "newer":
      return `the file has format ${failure.format}; this version reads ${failure.ours}`;
    case "protocol":
      return `the file is of protocol ${failure.theirs}; this version speaks ${failure.ours}: upgrade the older side`;
    case "kind":
      return failure.wanted === "heads"
        ? "this is a bundle; heads are wanted, the small file of `starlight bundle heads`"
        : "these are heads; a bundle is wanted, the file of `starlight bundle export`";
    case "wrong-mesh":
      return `the file belongs to the mesh ${failure.theirs}; this node belongs to ${failure.ours}`;
  }
}
