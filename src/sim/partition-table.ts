import type { PartitionPolicy } from "../core/placement/contract.ts";

/**
 * What becomes of the one copy that a site wants, by situation and policy: the table of docs/placement.md,
 * and what partition-table.test.ts makes the real core do.
 */
export type Policy = PartitionPolicy["onPartition"];

export const policies: readonly Policy[] = ["duplicate", "freeze", "majority"];

/** Once every deadline has passed, before anything heals. */
export type During = "stays" | "moves" | "two" | "none";

/** Once everything is healed and quiet. */
export type After =
  /** The copy that ran all the time. */
  | "same"
  /** Of two the one that ran before. */
  | "original"
  /** The one that started meanwhile. */
  | "replacement"
  /** One that started when the fault was over. */
  | "again"
  /** One that runs the newer of two versions. */
  | "newest";

export type Cell = { readonly during: During; readonly after: After };

const cell = (during: During, after: After): Cell => ({ during, after });

export type SituationName =
  | "dead"
  | "agent-dead"
  | "silent"
  | "unreachable"
  | "unreachable-keep-replacement"
  | "smaller-half"
  | "larger-half"
  | "equal-halves"
  | "cut-off"
  | "cut-off-mesh"
  | "two-dead"
  | "two-cut"
  | "two-witness"
  | "lone"
  | "two-versions";

export type Situation = {
  readonly name: SituationName;
  readonly text: string;
  readonly cells: { readonly [P in Policy]: Cell };
};

const unlessMajority = (other: Cell, majority: Cell): Situation["cells"] => ({
  duplicate: other,
  freeze: other,
  majority,
});

export const situations: readonly Situation[] = [
  {
    name: "dead",
    text: "node dead: agent and copy gone, and its kernel refuses links",
    cells: unlessMajority(cell("moves", "replacement"), cell("moves", "replacement")),
  },
  {
    name: "agent-dead",
    text: "agent dead for good, and the copy runs on",
    cells: unlessMajority(cell("two", "original"), cell("moves", "replacement")),
  },
  {
    name: "silent",
    text: "node without power: it is silent, and nobody can tell it from a cut",
    cells: {
      duplicate: cell("moves", "replacement"),
      freeze: cell("none", "again"),
      majority: cell("moves", "replacement"),
    },
  },
  {
    name: "unreachable",
    text: "node unreachable, and it runs on; heal with duplicates",
    cells: {
      duplicate: cell("two", "original"),
      freeze: cell("stays", "same"),
      majority: cell("moves", "replacement"),
    },
  },
  {
    name: "unreachable-keep-replacement",
    text: "the same with `on-heal: keepReplacement`",
    cells: {
      duplicate: cell("two", "replacement"),
      freeze: cell("stays", "same"),
      majority: cell("moves", "replacement"),
    },
  },
  {
    name: "smaller-half",
    text: "site cut in half, the copy in the smaller part",
    cells: {
      duplicate: cell("two", "original"),
      freeze: cell("stays", "same"),
      majority: cell("moves", "replacement"),
    },
  },
  {
    name: "larger-half",
    text: "site cut in half, the copy in the larger part",
    cells: {
      duplicate: cell("two", "original"),
      freeze: cell("stays", "same"),
      majority: cell("stays", "same"),
    },
  },
  {
    name: "equal-halves",
    text: "site cut into two equal parts",
    cells: {
      duplicate: cell("two", "original"),
      freeze: cell("stays", "same"),
      majority: cell("none", "again"),
    },
  },
  {
    name: "cut-off",
    text: "site cut off from the mesh, workload `perSite`",
    cells: unlessMajority(cell("stays", "same"), cell("stays", "same")),
  },
  {
    name: "cut-off-mesh",
    text: "site cut off, one copy in the whole mesh, most members elsewhere",
    cells: {
      duplicate: cell("two", "original"),
      freeze: cell("stays", "same"),
      majority: cell("moves", "replacement"),
    },
  },
  {
    name: "two-dead",
    text: "two-node site, the copy's node dead",
    cells: unlessMajority(cell("moves", "replacement"), cell("none", "again")),
  },
  {
    name: "two-cut",
    text: "two-node site, cut between the two",
    cells: {
      duplicate: cell("two", "original"),
      freeze: cell("stays", "same"),
      majority: cell("none", "again"),
    },
  },
  {
    name: "two-witness",
    text: "two-node site with a witness elsewhere, the copy's node cut off",
    cells: {
      duplicate: cell("two", "original"),
      freeze: cell("stays", "same"),
      majority: cell("moves", "replacement"),
    },
  },
  {
    name: "lone",
    text: "lone node, its power gone and back, no contact ever",
    cells: unlessMajority(cell("none", "again"), cell("none", "again")),
  },
  {
    name: "two-versions",
    text: "site cut in half, each part rolls out another version, then they heal",
    cells: {
      duplicate: cell("two", "newest"),
      freeze: cell("stays", "newest"),
      majority: cell("moves", "newest"),
    },
  },
];

const duringText: { readonly [D in During]: string } = {
  stays: "the copy stays",
  moves: "moves: one copy, elsewhere",
  two: "two copies",
  none: "no copy",
};
const afterText: { readonly [A in After]: string } = {
  same: "nothing changes",
  original: "the original stays",
  replacement: "the replacement stays",
  again: "starts again",
  newest: "the newer version stays",
};

export const textOf = ({ during, after }: Cell): string => `${duringText[during]}; ${afterText[after]}`;

/** The table as it stands in the documentation. */
export function asMarkdown(): string {
  const rows = situations.map(({ text, cells }) => [
    text,
    ...policies.map((policy) => textOf(cells[policy])),
  ]);
  const head = ["situation", ...policies.map((policy) => `\`${policy}\``)];
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
