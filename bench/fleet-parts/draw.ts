import { drawPanels, type Panel } from "./panels.ts";

/** What was measured in a fleet of one size; `Most` is the worst node, or the 99th percentile of bytes sent. */
export type FleetPoint = {
  readonly nodes: number;
  /** So many of them ran; the others are only known. */
  readonly running: number;
  readonly records: number;
  readonly recordsMost: number;
  readonly stateBytes: number;
  readonly stateBytesMost: number;
  readonly bytesPerSecond: number;
  readonly bytesPerSecondMost: number;
  /** Share of the nodes that hold the first intent at the end. */
  readonly reached: number;
  readonly memoryBytes: number;
  /** Virtual seconds in a second of processor time, and in a second of the clock on the wall. */
  readonly speed: number;
  readonly wallSpeed: number;
};

const isPart = ({ nodes, running }: FleetPoint): boolean => running < nodes;

const panels: readonly Panel<FleetPoint>[] = [
  {
    title: "Records on a node",
    mean: ({ records }) => records,
    most: ({ recordsMost }) => recordsMost,
  },
  {
    title: "State of a node, kB",
    mean: ({ stateBytes }) => stateBytes / 1000,
    most: ({ stateBytesMost }) => stateBytesMost / 1000,
  },
  {
    title: "Sent by a node, B/s",
    mean: ({ bytesPerSecond }) => bytesPerSecond,
    most: ({ bytesPerSecondMost }) => bytesPerSecondMost,
    without: isPart,
  },
];

/** The median or mean as a line, the worst node or p99 as a dashed one. */
export function drawFleet(points: readonly FleetPoint[]): string {
  const caption =
    "Nodes in the fleet (sites of 5, 10 a district, 5 of those a region, 7 of those an area). Line: mean. Dashed: worst node, or 99th percentile of bytes sent.";
  return drawPanels(points, panels, caption);
}
