import type { Score } from "./score.ts";
import type { Year } from "./run-year.ts";

/** Of one workload under one orchestrator, over all sites. */
export type Summary = {
  /** Part of the time in which a site had at least one copy that answers. */
  readonly availability: number;
  /** Leading nines: 3 for 99.9 %; with one decimal, so that 99.95 % is 3.3. */
  readonly nines: number;
  readonly minutesWithoutAYear: number;
  readonly gapsAYear: number;
  readonly gapMedianS: number;
  readonly gap99S: number;
  readonly gapMaxS: number;
  readonly movesAYear: number;
  readonly duplicateHoursAYear: number;
  readonly duplicateMaxS: number;
};

const yearS = 365 * 86_400;

/** Per site and year, where that makes sense. */
export function summaryOf(scores: readonly Score[]): Summary {
  const total = (of: (score: Score) => number): number => scores.reduce((sum, score) => sum + of(score), 0);
  const seconds = total((score) => score.seconds);
  const siteYears = seconds / yearS;
  const gaps = scores.flatMap(({ gapsS }) => gapsS).sort((left, right) => left - right);
  const missing = (seconds - total(({ servedS }) => servedS)) / seconds;
  const at = (part: number): number => gaps[Math.min(gaps.length - 1, Math.floor(part * gaps.length))] ?? 0;
  return {
    availability: 1 - missing,
    nines: missing <= 0 ? Number.POSITIVE_INFINITY : Math.round(-Math.log10(missing) * 10) / 10,
    minutesWithoutAYear: (missing * yearS) / 60,
    gapsAYear: gaps.length / siteYears,
    gapMedianS: at(0.5),
    gap99S: at(0.99),
    gapMaxS: gaps.at(-1) ?? 0,
    movesAYear: total(({ moves }) => moves) / siteYears,
    duplicateHoursAYear: total(({ duplicateS }) => duplicateS) / 3_600 / siteYears,
    duplicateMaxS: Math.max(0, ...scores.map(({ duplicateMaxS }) => duplicateMaxS)),
  };
}

const policyWords = {
  duplicate: "`duplicate`",
  freeze: "`freeze`",
  majority: "`majority`",
} as const;

export function tableOf({ results, darkS }: Year): string {
  const siteYears = (results[0]?.mesh.reduce((sum, { seconds }) => sum + seconds, 0) ?? 0) / yearS;
  const darkMinutes = darkS / 60 / siteYears;
  const rows = results.flatMap(({ kind, mesh, hub }) =>
    (
      [
        ["Starlight", policyWords[kind.policy], summaryOf(mesh)],
        ["hub", kind.policy === "majority" ? "StatefulSet" : "Deployment", summaryOf(hub)],
      ] as const
    ).map(([by, policy, it]) =>
      [
        `${kind.name} x ${kind.replicas}`,
        by,
        policy,
        `${(it.availability * 100).toFixed(4)} %`,
        it.nines.toFixed(1),
        it.minutesWithoutAYear.toFixed(0),
        Math.max(0, it.minutesWithoutAYear - darkMinutes).toFixed(0),
        it.gapsAYear.toFixed(1),
        duration(it.gapMedianS),
        duration(it.gap99S),
        duration(it.gapMaxS),
        it.movesAYear.toFixed(1),
        it.duplicateHoursAYear.toFixed(2),
      ].join(" | "),
    ),
  );
  const heads =
    "workload | by | policy | available | nines | min/year without | of these with power | gaps a year | median | p99 | longest | moves a year | hours with a copy too many";
  return [`| ${heads} |`, `|${" --- |".repeat(13)}`, ...rows.map((row) => `| ${row} |`)].join("\n");
}

export function duration(seconds: number): string {
  if (seconds < 100) return `${seconds.toFixed(1)} s`;
  if (seconds < 6_000) return `${(seconds / 60).toFixed(0)} min`;
  return seconds < 48 * 3_600 ? `${(seconds / 3_600).toFixed(1)} h` : `${(seconds / 86_400).toFixed(1)} d`;
}

const colours = { mesh: "#2563eb", hub: "#d97706", text: "#1f2937", grid: "#d1d5db" } as const;

/** How many gaps a site has in a year, by how long they last, for each workload: both side by side. */
export function gapsPicture({ results }: Year): string {
  const edges = [1, 10, 60, 600, 3_600, 6 * 3_600, 86_400, Number.POSITIVE_INFINITY];
  const names = ["< 1 s", "1-10 s", "10-60 s", "1-10 min", "10-60 min", "1-6 h", "6-24 h", "> 1 d"];
  const panels = results.map(({ kind, mesh, hub }) => ({
    title: `${kind.name} (${kind.policy})`,
    mesh: histogram(mesh, edges),
    hub: histogram(hub, edges),
  }));
  const peak = Math.max(1, ...panels.flatMap((panel) => [...panel.mesh, ...panel.hub]));
  const width = 760;
  const panelHeight = 150;
  const body = panels.map((panel, row) => {
    const top = 40 + row * panelHeight;
    const height = (count: number): number => (Math.log10(1 + count * 10) / Math.log10(1 + peak * 10)) * 90;
    const bars = names.map((name, at) => {
      const x = 90 + at * 80;
      return [
        bar(x, top + 110, height(panel.mesh[at] ?? 0), colours.mesh, panel.mesh[at] ?? 0),
        bar(x + 28, top + 110, height(panel.hub[at] ?? 0), colours.hub, panel.hub[at] ?? 0),
        text(x + 26, top + 126, name, "middle", 11),
      ].join("");
    });
    return `${text(10, top + 14, panel.title, "start", 13)}${bars.join("")}<line x1="80" y1="${top + 110}" x2="${width - 20}" y2="${top + 110}" stroke="${colours.grid}"/>`;
  });
  return picture(
    width,
    50 + panels.length * panelHeight,
    "Gaps in service per site and year, by length",
    body,
  );
}

/** Minutes a year without service, on a logarithmic scale. */
export function minutesPicture(years: readonly Year[]): string {
  const rows = years.flatMap((year) =>
    year.results.map(({ kind, mesh, hub }) => ({
      name: `${kind.name} (${kind.policy}), ${year.options.nodes} nodes`,
      mesh: summaryOf(mesh).minutesWithoutAYear,
      hub: summaryOf(hub).minutesWithoutAYear,
    })),
  );
  const width = 760;
  const scale = (minutes: number): number => (Math.log10(1 + minutes) / Math.log10(1 + 10_000)) * 420;
  const lines = [1, 10, 100, 1_000, 10_000].map((minutes) => {
    const x = 250 + scale(minutes);
    return `<line x1="${x}" y1="36" x2="${x}" y2="${44 + rows.length * 40}" stroke="${colours.grid}"/>${text(x, 58 + rows.length * 40, String(minutes), "middle", 11)}`;
  });
  const bars = rows.map(({ name, mesh, hub }, at) => {
    const y = 46 + at * 40;
    const row = (offset: number, minutes: number, colour: string): string =>
      `<rect x="250" y="${y + offset}" width="${scale(minutes).toFixed(1)}" height="13" fill="${colour}"/>${text(256 + scale(minutes), y + offset + 11, minutes.toFixed(0), "start", 11)}`;
    return `${text(240, y + 18, name, "end", 12)}${row(0, mesh, colours.mesh)}${row(15, hub, colours.hub)}`;
  });
  return picture(width, 70 + rows.length * 40, "Minutes a year without service, per site", [
    ...lines,
    ...bars,
  ]);
}

function histogram(scores: readonly Score[], edges: readonly number[]): number[] {
  const siteYears = scores.reduce((sum, { seconds }) => sum + seconds, 0) / yearS;
  const counts = edges.map(() => 0);
  for (const gap of scores.flatMap(({ gapsS }) => gapsS)) {
    const at = edges.findIndex((edge) => gap < edge);
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return counts.map((count) => count / siteYears);
}

function bar(x: number, base: number, height: number, colour: string, count: number): string {
  const label =
    count === 0 ? "" : text(x + 12, base - height - 3, count < 0.1 ? "<0.1" : count.toFixed(1), "middle", 9);
  return `<rect x="${x}" y="${(base - height).toFixed(1)}" width="24" height="${height.toFixed(1)}" fill="${colour}"/>${label}`;
}

const text = (x: number, y: number, words: string, anchor: string, size: number): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" font-size="${size}" fill="${colours.text}">${words.replace(/</g, "&lt;").replace(/>/g, "&gt;")}</text>`;

function picture(width: number, height: number, title: string, parts: readonly string[]): string {
  const legend = `<rect x="${width - 190}" y="10" width="12" height="12" fill="${colours.mesh}"/>${text(width - 174, 20, "Starlight", "start", 12)}<rect x="${width - 100}" y="10" width="12" height="12" fill="${colours.hub}"/>${text(width - 84, 20, "hub", "start", 12)}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif"><rect width="${width}" height="${height}" fill="#ffffff"/>${text(10, 22, title, "start", 15)}${legend}${parts.join("")}</svg>\n`;
}
