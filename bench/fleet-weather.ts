import { writeFileSync } from "node:fs";
import { fleetSizes, measureInChild, savePicture } from "./fleet-parts/children.ts";
import { costOf, drawWeather, phaseOf, wholeCostOf, type WeatherPoint } from "./fleet-parts/weather.ts";
import { atMost, type Bench, type Metric } from "./metric.ts";

/**
 * Edge weather in fleets of several sizes, each in a process of its own (src/sim/fleet/day.ts): some time of a day
 * as it is in life, or the faults of a whole day within it.
 */

const paceDefault = "1";
const hoursDefault = { life: "0.2", day: "0.1" } as const;

/** `flat`: so many times what a node of the smallest fleet sends. */
const goals = { flat: 1.5, memoryGb: 8, spreadSeconds: 10, agreedSeconds: 120 } as const;

export const bench: Bench = {
  about:
    "joins, 12 minutes of edge weather and a region cut in half in fleets of 100, 1,000 and 10,000 (STARLIGHT_FLEET=100,1000 for others, STARLIGHT_FLEET_HOURS=24 for a whole day, STARLIGHT_FLEET_PACE=day for the faults of a whole day within 6 minutes or those hours, STARLIGHT_FLEET_THREADS=1 for one core, STARLIGHT_FLEET_REGIONS=flat for regions that do not nest, STARLIGHT_FLEET_JSON=FILE for all that was measured); draws docs/pictures/fleet-weather.svg",
  run: (progress) => {
    const pace = process.env["STARLIGHT_FLEET_PACE"] ?? paceDefault;
    const hours = process.env["STARLIGHT_FLEET_HOURS"] ?? hoursDefault[pace === "day" ? "day" : "life"];
    const seed = process.env["STARLIGHT_FLEET_SEED"] ?? "1";
    const threads = process.env["STARLIGHT_FLEET_THREADS"] ?? "auto";
    const points = fleetSizes().map((size) => {
      progress(`${hours} h of ${size} nodes, pace ${pace}, seed ${seed}`);
      return measureInChild<WeatherPoint>("weather-run.ts", [size, hours, pace, seed, threads]);
    });
    const file = process.env["STARLIGHT_FLEET_JSON"];
    if (file !== undefined) writeFileSync(file, JSON.stringify(points, undefined, 2));
    savePicture("fleet-weather.svg", drawWeather(points));
    const [smallest] = points;
    return Promise.resolve(
      smallest === undefined ? [] : points.flatMap((point) => metricsOf(point, smallest)),
    );
  },
};

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
    atMost(
      of(`a virtual second takes, weather, ${point.threads} threads`),
      costOf(phaseOf(point, "weather")),
      "s",
      1,
    ),
    atMost(of(`a virtual second takes, whole run, ${point.threads} threads`), wholeCostOf(point), "s", 1),
  ];
}

const secondsOf = (ms: number | undefined): number => (ms ?? Number.POSITIVE_INFINITY) / 1_000;
