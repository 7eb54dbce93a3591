/** How values and authors are printed by the commands about conflicts, writes and overrides. */

/** A value that may be missing, as the API says it. */
export type Said = { readonly value: unknown; readonly gone?: boolean };

export type Authorship = {
  readonly node: string;
  readonly user: string;
  readonly manager: string;
  readonly operation: string;
  readonly class: string;
  readonly at: string;
  readonly version: number;
};

export type Base = { readonly known: boolean } & Partial<Said>;

export const said = ({ value, gone }: Said, none = "gone"): string =>
  gone === true ? none : JSON.stringify(value);

export const by = ({ user, node, manager, operation, class: rank, at }: Authorship): string =>
  `by ${user} at ${node}, ${at} (manager ${manager}, ${operation.toLowerCase()}, class ${rank})`;

export function baseText(base: Base): string {
  if (!base.known) return "unknown";
  return base.gone === true ? "not there" : JSON.stringify(base.value);
}

/** A field that a command gave another value. */
export type ChangedField = { readonly field: string; readonly from: Said; readonly to: Said };

export const changeText = ({ field, from, to }: ChangedField): string =>
  `${field}: ${said(from, "not there")} -> ${said(to, "not there")}`;

export const objectName = (kind: string, name: string, namespace: string): string =>
  `${kind.toLowerCase()}/${name}${namespace === "" ? "" : ` (${namespace})`}`;
