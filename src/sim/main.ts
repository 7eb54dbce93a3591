import { parseArgs } from "node:util";
import { details, type Detail } from "../core/records/scope.ts";
import { runLeaseStorm } from "./lease-storm.ts";
import { runSeed, type SeedOptions, type SeedResult } from "./run-seed.ts";

const help = `Runs the core of many nodes under virtual time, with partitions, crashes, pauses, full disks and
wrong clocks, and checks the invariants. A seed always gives the same run.

  npm run sim -- --seeds 200 --nodes 12     200 seeds from 1 on, 12 nodes each
  npm run sim -- --seed 42 --trace          one seed, everything that happened

  --seeds N      how many seeds (default 50)
  --from N       the first seed (default 1)
  --seed N       only this seed, run twice to see that it repeats itself
  --nodes N      machines (default 12)
  --storm-s N    virtual seconds of bad weather (default 120)
  --calm-s N     virtual seconds to come right (default 90)
  --detail D     how far detail travels: mesh (default), region or site
  --sites N      sites of equal size (default: a mixture of 1 to 4 nodes, in two regions)
  --regions N    regions that those sites are dealt out to (default 2)
  --areas N      areas that those regions stand in (default 0: they stand in none)
  --until-failed stop at the first seed that fails
  --trace        print what happens
  --leases       attack exclusive leases alone, with lost disks, drift and a changing roster
  --json         one line of JSON at the end
`;

function main(): number {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "50" },
      from: { type: "string", default: "1" },
      seed: { type: "string" },
      nodes: { type: "string", default: "12" },
      "storm-s": { type: "string", default: "120" },
      "calm-s": { type: "string", default: "90" },
      detail: { type: "string", default: "mesh" },
      sites: { type: "string" },
      regions: { type: "string", default: "2" },
      areas: { type: "string", default: "0" },
      "until-failed": { type: "boolean", default: false },
      trace: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      leases: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const options = {
    nodes: count("nodes", values.nodes, 1),
    stormMs: 1000 * count("storm-s", values["storm-s"], 0),
    calmMs: 1000 * count("calm-s", values["calm-s"], 1),
    detail: detailNamed(values.detail),
    sites: values.sites === undefined ? undefined : count("sites", values.sites, 1),
    regions: count("regions", values.regions, 1),
    areas: count("areas", values.areas, 0),
  };
  if (values.leases) {
    const first = values.seed === undefined ? count("from", values.from, 0) : count("seed", values.seed, 0);
    const seeds = values.seed === undefined ? count("seeds", values.seeds, 1) : 1;
    return sweepLeases(options, first, seeds, values.trace, values["until-failed"]);
  }
  if (values.seed !== undefined) {
    return replay({ ...options, seed: count("seed", values.seed, 0) }, values.trace);
  }
  const seeds = count("seeds", values.seeds, 1);
  return sweep(options, count("from", values.from, 0), seeds, values.json, values["until-failed"]);
}

/** One seed, twice: what it did, whether it repeats itself, what it broke. */
function replay(options: SeedOptions, trace: boolean): number {
  const print = trace ? (line: string): boolean => process.stdout.write(`${line}\n`) : undefined;
  const first = runSeed({ ...options, print });
  const second = runSeed(options);
  report(first);
  if (first.digest !== second.digest) {
    process.stdout.write(
      `seed ${options.seed} does not repeat itself: ${first.digest} then ${second.digest}\n`,
    );
    return 1;
  }
  process.stdout.write(
    `seed ${options.seed}: ${first.violations.length} violations, digest ${first.digest}\n`,
  );
  return first.violations.length === 0 ? 0 : 1;
}

function sweep(
  options: Omit<SeedOptions, "seed">,
  from: number,
  seeds: number,
  json: boolean,
  untilFailed: boolean,
): number {
  const failed: number[] = [];
  const startedAt = performance.now();
  let frames = 0;
  for (let seed = from; seed < from + seeds; seed++) {
    const result = runSeed({ ...options, seed });
    frames += result.frames;
    if (result.violations.length > 0) {
      failed.push(seed);
      report(result);
      const flags = flagsOf(options);
      process.stdout.write(`  replay: npm run sim -- --seed ${seed} ${flags} --trace\n`);
    }
    if (untilFailed && failed.length > 0) break;
    const done = seed - from + 1;
    if (done % 10 === 0 || done === seeds) {
      const elapsed = ((performance.now() - startedAt) / 1000).toFixed(1);
      process.stderr.write(`${done}/${seeds} seeds, ${failed.length} failed, ${elapsed} s\n`);
    }
  }
  const virtualHours = (seeds * (options.stormMs + options.calmMs)) / 3_600_000;
  if (json)
    process.stdout.write(`${JSON.stringify({ seeds, from, nodes: options.nodes, failed, frames })}\n`);
  else {
    process.stdout.write(
      `${seeds} seeds of ${options.nodes} nodes, ${virtualHours.toFixed(1)} virtual hours, ${frames} frames: ${failed.length} failed ${failed.join(" ")}\n`,
    );
  }
  return failed.length === 0 ? 0 : 1;
}

function flagsOf(options: Omit<SeedOptions, "seed">): string {
  const { nodes, stormMs, calmMs, detail, sites, regions, areas = 0 } = options;
  const within = areas > 0 ? ` --areas ${areas}` : "";
  const layout = sites === undefined ? "" : ` --sites ${sites} --regions ${regions ?? 2}${within}`;
  const level = detail === undefined || detail === "mesh" ? "" : ` --detail ${detail}`;
  return `--nodes ${nodes} --storm-s ${stormMs / 1000} --calm-s ${calmMs / 1000}${layout}${level}`;
}

/** Leases alone, 1 to 5 nodes at the start, whatever `--nodes` says. */
function sweepLeases(
  options: Omit<SeedOptions, "seed">,
  from: number,
  seeds: number,
  trace: boolean,
  untilFailed: boolean,
): number {
  const print = trace ? (line: string): boolean => process.stdout.write(`${line}\n`) : undefined;
  const failed: number[] = [];
  for (let seed = from; seed < from + seeds; seed++) {
    const violations = runLeaseStorm({ ...options, seed, nodes: 1 + (seed % 5), print });
    if (violations.length === 0) continue;
    failed.push(seed);
    report({ seed, violations });
    if (untilFailed) break;
  }
  process.stdout.write(`${seeds} lease storms: ${failed.length} failed ${failed.join(" ")}\n`);
  return failed.length === 0 ? 0 : 1;
}

function report({ seed, violations }: Pick<SeedResult, "seed" | "violations">): void {
  for (const violation of violations) process.stdout.write(`seed ${seed}: ${violation}\n`);
}

function detailNamed(text: string): Detail {
  const detail = details.find((each) => each === text);
  if (detail !== undefined) return detail;
  process.stderr.write(`--detail ${text}: mesh, region or site\n`);
  process.exit(2);
}

function count(name: string, text: string, min: number): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= min) return value;
  process.stderr.write(`--${name} ${text}: not a whole number of at least ${min}\n`);
  process.exit(2);
}

process.exitCode = main();
