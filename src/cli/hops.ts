import type { HopReport } from "../ports/hops.ts";
import { paint, print, printable } from "./output.ts";

const marks = { ok: paint("green", "ok  "), failed: paint("red", "FAIL"), skipped: paint("dim", "-   ") };

/** A way, hop by hop, and what to do about the one that failed. */
export function printHops(title: string, hops: readonly HopReport[]): void {
  print(paint("bold", printable(title)));
  for (const { hop, outcome, detail, fix } of hops) {
    print(`  ${marks[outcome]} ${hop.padEnd(11)} ${printable(detail)}`);
    if (outcome === "failed" && fix !== "") print(`       ${"".padEnd(11)} fix: ${printable(fix)}`);
  }
}
