import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { costOf, drawWeather, phaseOf, wholeCostOf, type WeatherPoint } from "./fleet-parts/weather.ts";
import { atMost, type Bench, type Metric } from "./metric.ts";

/**
 * A day of edge weather in fleets of several sizes, each in a process of its own (src/sim/fleet/day.ts). The
 * faults of a day come within `STARLIGHT_FLEET_HOURS`; with 24 of them the day is as long as a day.
 */

const sizesDefault = "100,1000,10000";
const hoursDefault = "0.1";
/** A fleet that needs more memory ends. */
const heapMb = 7_200;

/** `flat`: so many times what a node of the smallest fleet sends. */
const goals = { flat: 1.5, memoryGb: 8, spreadSeconds: 10, agreedSeconds: 120 } as const;

export const bench: Bench = {
  about:
    "joins, a day of edge weather and a region cut in half in fleets of 100, 1,000 and 10,000 (STARLIGHT_FLEET=100,1000 for others, STARLIGHT_FLEET_HOURS=24 for a day as long as one, STARLIGHT_FLEET_JSON=FILE for all that was measured); draws docs/pictures/fleet-weather.svg",
  run: (progress) => {
    const sizes = (process.env["STARLIGHT_FLEET"] ?? sizesDefault).split(",");
    const points = sizes.map((size) => measure(size, progress));
    const file = process.env["STARLIGHT_FLEET_JSON"];
    if (file !== undefined) writeFileSync(file, JSON.stringify(points, undefined, 2));
    const folder = join(import.meta.dirname, "../docs/pictures");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "fleet-weather.svg"), drawWeather(points));
    const [smallest] = points;
    return Promise.resolve(
      smallest === undefined ? [] : points.flatMap((point) => metricsOf(point, smallest)),
    );
  },
};

function measure(size: string, progress: (line: string) => void): WeatherPoint {
  const folder = mkdtempSync(join(tmpdir(), "starlight-weather-"));
  const file = join(folder, "point.json");
  const script = join(import.meta.dirname, "fleet-parts/weather-run.ts");
  const hours = process.env["STARLIGHT_FLEET_HOURS"] ?? hoursDefault;
  const seed = process.env["STARLIGHT_FLEET_SEED"] ?? "1";
  const flags = [
    "--disable-warning=ExperimentalWarning",
    `--max-old-space-size=${heapMb}`,
    "--max-semi-space-size=64",
  ];
  try {
    progress(`a day of ${size} nodes in ${hours} h, seed ${seed}`);
    execFileSync(process.execPath, [...flags, script, size, hours, seed, file], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    return JSON.parse(readFileSync(file, "utf8")) as WeatherPoint;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function metricsOf(point: WeatherPoint, smallest: WeatherPoint): readonly Metric[] {
  const { flat, spreadSeconds, agreedSeconds, memoryGb } = goals;
  const of = (what: string): string => `${point.nodes} nodes: ${what}`;
  const sent = (["steady", "weather", "cut in half"] as const).flatMap((name) => {
    const [here, there] = [phaseOf(point, name), phaseOf(smallest, name)];
    return [
      atMost(
        of(`${name}: sent a node, mean`),
        here.meanBytesPerSecond,
        "B/s",
        flat * there.meanBytesPerSecond,
      ),
      atMost(of(`${name}: sent a node, p99`), here.p99BytesPerSecond, "B/s", flat * there.p99BytesPerSecond),
    ];
  });
  return [
    atMost(of("invariants broken"), point.violations.length, "", 0),
    ...sent,
    atMost(of("writes everywhere after the heal"), secondsOf(point.afterCut.spreadMs), "s", spreadSeconds),
    atMost(of("all agree after the heal"), secondsOf(point.afterCut.agreedMs), "s", agreedSeconds),
    atMost(
      of("writes everywhere after the weather"),
      secondsOf(point.afterWeather.spreadMs),
      "s",
      agreedSeconds,
    ),
    atMost(of("memory of the simulator"), point.memoryBytes / 1e9, "GB", memoryGb),
    atMost(of("processor a virtual second, weather"), costOf(phaseOf(point, "weather")), "s", 1),
    atMost(of("processor a virtual second, whole run"), wholeCostOf(point), "s", 1),
  ];
}

const secondsOf = (ms: number | undefined): number => (ms ?? Number.POSITIVE_INFINITY) / 1_000;
