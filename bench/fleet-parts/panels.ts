/** Small multiples over the size of a fleet, as an SVG. */

type Sized = { readonly nodes: number };

export type Panel<Point> = {
  readonly title: string;
  readonly mean: (point: Point) => number;
  readonly most: (point: Point) => number;
  /** Points that say nothing about this. */
  readonly without?: (point: Point) => boolean;
};

const width = 260;
const height = 180;
const left = 56;
const top = 40;

/** `mean` as a line with its figures, `most` as a dashed one; the caption says what they are. */
export function drawPanels<Point extends Sized>(
  points: readonly Point[],
  panels: readonly Panel<Point>[],
  caption: string,
): string {
  const drawn = panels.map((panel, at) => {
    const shown = points.filter((point) => panel.without?.(point) !== true);
    return drawPanel(panel, shown, at * (width + left + 24));
  });
  const total = panels.length * (width + left + 24);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${total} ${height + top + 48}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
${drawn.join("\n")}
<text x="${left}" y="${height + top + 40}" fill="#555">${caption}</text>
</svg>
`;
}

function drawPanel<Point extends Sized>(
  { title, mean, most }: Panel<Point>,
  points: readonly Point[],
  offset: number,
): string {
  const highest = Math.max(...points.map(most), ...points.map(mean)) * 1.15 || 1;
  const sizes = points.map(({ nodes }) => Math.log10(nodes));
  const [least, greatest] = [Math.min(...sizes), Math.max(...sizes)];
  const x = (nodes: number): number =>
    round(
      offset + left + (greatest === least ? 0.5 : (Math.log10(nodes) - least) / (greatest - least)) * width,
    );
  const y = (value: number): number => round(top + height - (value / highest) * height);
  const line = (value: (point: Point) => number): string =>
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

function numberOf(value: number): string {
  if (value >= 10) return Math.round(value).toLocaleString("en");
  return value >= 1 ? value.toFixed(1) : value.toFixed(2);
}
