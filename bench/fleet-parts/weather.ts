import type { Day, Phase, PhaseName } from "../../src/sim/fleet/day.ts";
import { drawPanels, type Panel } from "./panels.ts";

/** A phase of the day, and what the simulator needed for it. */
export type MeasuredPhase = Phase & {
  /** Of all cores together. */
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  readonly memoryBytes: number;
};

/** What was measured on the day of a fleet of one size. */
export type WeatherPoint = Omit<Day, "phases"> & {
  readonly nodes: number;
  readonly seed: number;
  /** Of the simulator. */
  readonly threads: number;
  readonly phases: readonly MeasuredPhase[];
  /** Peak RSS of the process. */
  readonly memoryBytes: number;
};

export function phaseOf({ phases }: WeatherPoint, name: PhaseName): MeasuredPhase {
  const phase = phases.find((each) => each.name === name);
  if (phase === undefined) throw new RangeError(`no phase is called ${name}`);
  return phase;
}

/** Seconds of the clock on the wall for a virtual second. */
export const costOf = ({ wallSeconds, virtualMs }: MeasuredPhase): number =>
  (1_000 * wallSeconds) / virtualMs;

/** The same over the whole run. */
export function wholeCostOf({ phases }: WeatherPoint): number {
  const wallSeconds = phases.reduce((sum, phase) => sum + phase.wallSeconds, 0);
  const virtualMs = phases.reduce((sum, phase) => sum + phase.virtualMs, 0);
  return (1_000 * wallSeconds) / virtualMs;
}

const panels: readonly Panel<WeatherPoint>[] = [
  {
    title: "Sent by a node in the weather, B/s",
    mean: (point) => phaseOf(point, "weather").meanBytesPerSecond,
    most: (point) => phaseOf(point, "weather").p99BytesPerSecond,
  },
  {
    title: "Until all agree, s: heal, weather",
    mean: ({ afterCut }) => (afterCut.agreedMs ?? 0) / 1_000,
    most: ({ afterWeather }) => (afterWeather.agreedMs ?? 0) / 1_000,
    without: ({ afterCut, afterWeather }) =>
      afterCut.agreedMs === undefined || afterWeather.agreedMs === undefined,
  },
  {
    title: "Time for a virtual second, s",
    mean: (point) => costOf(phaseOf(point, "steady")),
    most: (point) => costOf(phaseOf(point, "weather")),
  },
  {
    title: "Memory of the simulator, GB",
    mean: (point) => phaseOf(point, "steady").memoryBytes / 1e9,
    most: ({ memoryBytes }) => memoryBytes / 1e9,
  },
];

export function drawWeather(points: readonly WeatherPoint[]): string {
  const caption =
    "Nodes in the fleet. Line: mean, after the heal, in steady state. Dashed: 99th percentile, after the weather, in the weather, peak.";
  return drawPanels(points, panels, caption);
}
