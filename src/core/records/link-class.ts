/** How a machine is joined to other sites; best first. */
export type LinkClass = "lan" | "wan" | "cellular" | "satellite";

export const linkClasses: readonly LinkClass[] = ["lan", "wan", "cellular", "satellite"];

/**
 * How much slower signs of life and comparisons follow each other on a link of this class. At 40, an idle
 * link costs a few bytes a second, and silence is noticed after about three minutes instead of four seconds.
 */
export const paceOf: { readonly [linkClass in LinkClass]: number } = {
  lan: 1,
  wan: 1,
  cellular: 8,
  satellite: 40,
};

/** Where bytes are paid for, facts wait for the next comparison; trust and intents never wait. */
export const isMetered = (linkClass: LinkClass): boolean =>
  linkClass === "cellular" || linkClass === "satellite";

/** A link is as good as the worse of its ends; within a site it is local. */
export function linkClassOf(sameSite: boolean, ours: LinkClass, theirs: LinkClass): LinkClass {
  if (sameSite) return "lan";
  return linkClasses[Math.max(linkClasses.indexOf(ours), linkClasses.indexOf(theirs))] ?? "lan";
}
