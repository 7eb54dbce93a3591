import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gapsPicture, minutesPicture, summaryOf, tableOf } from "../src/sim/year/report.ts";
import { runYear, type Year } from "../src/sim/year/run-year.ts";
import { shopClimate } from "../src/sim/year/weather.ts";
import type { Bench, Metric } from "./metric.ts";

const pictures = join(import.meta.dirname, "../docs/pictures");
const page = join(import.meta.dirname, "../docs/availability.md");
const [resultsStart, resultsEnd] = ["<!-- results -->", "<!-- end of results -->"] as const;

/** Simulated, so the same everywhere: the figures of the page and its pictures are written anew. */
export const bench: Bench = {
  about: "a simulated year of edge weather, against a hub; writes docs/availability.md",
  run: async (progress) => {
    const years = [
      { nodes: 100, seeds: 10 },
      { nodes: 1_000, seeds: 1 },
    ].map(({ nodes, seeds }) => {
      const runs = Array.from({ length: seeds }, (_, at) => {
        const options = { seed: at + 1, nodes, days: 365, climate: shopClimate };
        progress(`${nodes} nodes, year ${at + 1} of ${seeds}`);
        return runYear(options, (done, of) => {
          if (of > 100 && done % 50 === 0) progress(`  ${done} of ${of} sites`);
        });
      });
      return together(runs);
    });
    write(years);
    return Promise.resolve(years.flatMap(metricsOf));
  },
};

/** Years of one fleet as one: a rare fault would decide a single one. */
function together(runs: readonly Year[]): Year {
  const [first] = runs;
  if (first === undefined) throw new Error("no run");
  const results = first.results.map(({ kind }, at) => ({
    kind,
    mesh: runs.flatMap((run) => run.results[at]?.mesh ?? []),
    hub: runs.flatMap((run) => run.results[at]?.hub ?? []),
  }));
  return { ...first, darkS: runs.reduce((sum, { darkS }) => sum + darkS, 0), results };
}

function write(years: readonly Year[]): void {
  mkdirSync(pictures, { recursive: true });
  writeFileSync(join(pictures, "year-minutes.svg"), minutesPicture(years));
  const largest = years.at(-1);
  if (largest !== undefined) writeFileSync(join(pictures, "year-gaps.svg"), gapsPicture(largest));
  const tables = years.map((year) => {
    const siteYears = year.results[0]?.mesh.length ?? 0;
    return `${year.options.nodes} nodes, ${siteYears} site years:\n\n${tableOf(year)}`;
  });
  const text = readFileSync(page, "utf8");
  const before = text.slice(0, text.indexOf(resultsStart) + resultsStart.length);
  const after = text.slice(text.indexOf(resultsEnd));
  writeFileSync(page, `${before}\n\n${tables.join("\n\n")}\n\n${after}`);
}

/** The mesh is held against the hub under the same weather. */
function metricsOf({ options, results }: Year): Metric[] {
  return results.map(({ kind, mesh, hub }) => {
    const [ours, theirs] = [summaryOf(mesh), summaryOf(hub)];
    return {
      name: `minutes a year without ${kind.name} (${kind.policy}), ${options.nodes} nodes`,
      value: Math.round(ours.minutesWithoutAYear),
      unit: "min",
      goal: kind.policy === "freeze" ? "none" : "less than the hub",
      peer: "hub with Kubernetes' timers",
      peerValue: Math.round(theirs.minutesWithoutAYear),
      // `freeze` asks for a gap rather than a second copy.
      ok: kind.policy === "freeze" || ours.minutesWithoutAYear < theirs.minutesWithoutAYear,
    };
  });
}
