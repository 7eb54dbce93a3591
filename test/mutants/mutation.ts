/** One rule broken on purpose, and what is to notice it. */
export type Mutation = {
  readonly name: string;
  /** Below src/, like the files of `tests`. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly from: string;
  readonly to: string;
  /** What the simulator is told, when a mesh of 8 nodes is not what shows it. */
  readonly flags?: readonly string[];
  /** Tests that show it, where the storm does not come to it, or says less exactly what is wrong. */
  readonly tests?: readonly string[];
};

/** Detail that stays in places: what is beyond them is known by summaries alone. */
export const fourSites = ["--detail", "site", "--sites", "4", "--nodes", "12", "--calm-s", "90"] as const;
