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

type Panel = {
  readonly title: string;
  readonly mean: (point: FleetPoint) => number;
  readonly most: (point: FleetPoint) => number;
  readonly unit: string;
  /** Not to be told from a part of the fleet. */
  readonly ofAll?: boolean;
};

const panels: readonly Panel[] = [
  {
    title: "Records on a node",
    mean: ({ records }) => records,
    most: ({ recordsMost }) => recordsMost,
    unit: "",
  },
  {
    title: "State of a node, kB",
    mean: ({ stateBytes }) => stateBytes / 1000,
    most: ({ stateBytesMost }) => stateBytesMost / 1000,
    unit: "kB",
  },
  {
    title: "Sent by a node, B/s",
    mean: ({ bytesPerSecond }) => bytesPerSecond,
    most: ({ bytesPerSecondMost }) => bytesPerSecondMost,
    unit: "B/s",
    ofAll: true,
  },
];

const width = 260;
const height = 180;
const left = 56;
const top = 40;

/** Three panels over the size of the fleet: the median or mean as a line, the worst node or p99 as a dashed one. */
export function drawFleet(points: readonly FleetPoint[]): string {
  const drawn = panels.map((panel, at) => {
    const shown = points.filter(({ nodes, running }) => panel.ofAll !== true || running === nodes);
    return drawPanel(panel, shown, at * (width + left + 24));
  });
  const total = panels.length * (width + left + 24);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${total} ${height + top + 48}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
${drawn.join("\n")}
<text x="${left}" y="${height + top + 40}" fill="#555">Nodes in the fleet (sites of 5, 50 sites a region). Line: mean. Dashed: worst node, or 99th percentile of bytes sent.</text>
</svg>
`;
}

function drawPanel({ title, mean, most }: Panel, points: readonly FleetPoint[], offset: number): string {
  const highest = Math.max(1, ...points.map(most)) * 1.15;
  const sizes = points.map(({ nodes }) => Math.log10(nodes));
  const [least, greatest] = [Math.min(...sizes), Math.max(...sizes)];
  const x = (nodes: number): number =>
    round(
      offset + left + (greatest === least ? 0.5 : (Math.log10(nodes) - least) / (greatest - least)) * width,
    );
  const y = (value: number): number => round(top + height - (value / highest) * height);
  const line = (value: (point: FleetPoint) => number): string =>
    points.map((point) => `${x(point.nodes)},${y(value(point))}`).join(" ");
  const labels = points.map(
    (point) =>
      `<text x="${x(point.nodes)}" y="${top + height + 16}" text-anchor="middle">${point.nodes.toLocaleString("en")}</text>` +
      `<text x="${x(point.nodes)}" y="${y(mean(point)) - 8}" text-anchor="middle" fill="#1f5fa8">${numberOf(mean(point))}</text>`,
  );
  return `<text x="${offset + left}" y="20" font-size="14" font-weight="bold">${title}</text>
<path d="M${offset + left},${top} V${top + height} H${offset + left + width}" fill="none" stroke="#888"/>
<text x="${offset + left - 6}" y="${top + 4}" text-anchor="end" fill="#555">${numberOf(highest)}</text>
<text x="${offset + left - 6}" y="${top + height + 4}" text-anchor="end" fill="#555">0</text>
<polyline points="${line(most)}" fill="none" stroke="#1f5fa8" stroke-dasharray="4 4"/>
<polyline points="${line(mean)}" fill="none" stroke="#1f5fa8" stroke-width="2"/>
${labels.join("\n")}`;
}

const round = (value: number): number => Math.round(value * 10) / 10;
const numberOf = (value: number): string =>
  value >= 10 ? Math.round(value).toLocaleString("en") : value.toFixed(1);
