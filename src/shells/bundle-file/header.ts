import { hex } from "../../core/kernel/bytes.ts";
import { jsonBytes, parseJson, type Json } from "../../core/kernel/json.ts";
import {
  fields,
  integer,
  list,
  oneOf,
  optional,
  text,
  type Shape,
  type Shaped,
} from "../../core/kernel/shape.ts";
import { isNodeId } from "../../core/records/record.ts";
import { isScope } from "../../core/records/scope.ts";
import type { BundleScope } from "../../core/sync/bundle.ts";

const instant = integer(0, Number.MAX_SAFE_INTEGER);
/** Names as members have them: nothing that a terminal would obey. */
const name: Shape<string> = (value) => {
  const known = text(63)(value);
  return known !== undefined && /^[a-zA-Z0-9.-]*$/.test(known) ? known : undefined;
};
const id: Shape<string> = (value) => {
  const known = text(20)(value);
  return known !== undefined && isNodeId(known) ? known : undefined;
};
const scope: Shape<string> = (value) => {
  const known = text(128)(value);
  return known !== undefined && isScope(known) ? known : undefined;
};
const hash: Shape<string> = (value) => {
  const known = text(32)(value);
  return known !== undefined && /^[0-9a-f]{32}$/.test(known) ? known : undefined;
};
const maker = fields({ id, name, site: name });

/** What a file says of itself. It is read before anything is believed, so it only informs and refuses. */
const headerShape = fields({
  kind: oneOf("bundle", "heads"),
  /** The protocol of the frames inside (core/sync/frames.ts). */
  protocol: integer(0, 1_000_000),
  mesh: fields({ id, name }),
  by: maker,
  /** By the maker's clock. */
  madeAtMs: instant,
  /** Whose scopes are in it; missing: all that the maker holds. */
  to: optional(fields({ site: name, region: name })),
  /** It is a difference: what the maker of these heads lacked when it made them. */
  since: optional(fields({ by: maker, madeAtMs: instant })),
  records: integer(0, Number.MAX_SAFE_INTEGER),
  /** The state that it leads to. */
  scopes: list(fields({ scope, hash, count: instant }), 1_000),
});

export type BundleHeader = Shaped<typeof headerShape>;

export const headerBytesMax = 256 * 1024;

export const writeHeader = (header: BundleHeader): Uint8Array => jsonBytes(header as unknown as Json);

export const readHeader = (bytes: Uint8Array): BundleHeader | undefined => headerShape(parseJson(bytes, 8));

export function scopesOf(scopes: readonly BundleScope[]): BundleHeader["scopes"] {
  return scopes.map(({ scope, hash, count }) => ({ scope, hash: hex(hash), count }));
}

/** Whether a node with this state hash (core/node/view.ts) holds exactly what the header speaks of. */
export function leadsTo({ scopes }: BundleHeader, stateHash: string): boolean {
  const ours = new Set(stateHash.split(" "));
  return scopes.every(({ scope, hash }) => ours.has(`${scope}=${hash}`));
}
