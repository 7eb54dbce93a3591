import type { HopReport } from "../../ports/hops.ts";

/** What a hop found. What it leaves for the hops behind it, it puts into their context. */
export type HopResult =
  | { readonly ok: true; readonly detail: string }
  | { readonly ok: false; readonly detail: string; readonly fix: string };

/** A step on a way: add one by putting it into the list where it belongs. */
export type Hop<C> = { readonly name: string; readonly run: (context: C) => Promise<HopResult> | HopResult };

export const passed = (detail: string): HopResult => ({ ok: true, detail });
export const failed = (detail: string, fix: string): HopResult => ({ ok: false, detail, fix });

/** Tries the hops in order; those behind a failed one cannot be tried, and are told as skipped. */
export async function runHops<C>(hops: readonly Hop<C>[], context: C): Promise<readonly HopReport[]> {
  const reports: HopReport[] = [];
  let failure: string | undefined;
  for (const { name, run } of hops) {
    if (failure !== undefined) {
      reports.push({ hop: name, outcome: "skipped", detail: `not tried: ${failure} failed`, fix: "" });
      continue;
    }
    const result = await outcomeOf(() => run(context));
    if (!result.ok) failure = name;
    const { ok, detail } = result;
    reports.push({ hop: name, outcome: ok ? "ok" : "failed", detail, fix: result.ok ? "" : result.fix });
  }
  return reports;
}

export const failureIn = (reports: readonly HopReport[]): HopReport | undefined =>
  reports.find(({ outcome }) => outcome === "failed");

/** Of several ways that failed, the failure that came latest: it is the one worth mending. */
export function furthest(ways: readonly (readonly HopReport[])[]): HopReport | undefined {
  let best: { readonly at: number; readonly report: HopReport } | undefined;
  for (const reports of ways) {
    const at = reports.findIndex(({ outcome }) => outcome === "failed");
    const report = reports[at];
    if (report !== undefined && (best === undefined || at > best.at)) best = { at, report };
  }
  return best?.report;
}

async function outcomeOf(run: () => Promise<HopResult> | HopResult): Promise<HopResult> {
  try {
    return await run();
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return failed(detail, "This is unexpected: look into the log of the agent.");
  }
}
