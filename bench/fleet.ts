import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { drawFleet, type FleetPoint } from "./fleet-parts/draw.ts";
import { atMost, type Bench, type Metric } from "./metric.ts";

/**
 * Fleets in one process each, under virtual time: sites of 5 nodes, 50 sites a region, detail that stays in
 * the site, the defaults of the agent. Measured in the steady state, with intents written and nodes restarted.
 */

const sizesDefault = "100,1000,10000";
/** A fleet that needs more memory ends. */
const heapMb = 7_200;

/** `flat`: so many times what a node of the smallest fleet has. */
const goals = { flat: 1.5, memoryGb: 8 } as const;

export const bench: Bench = {
  about:
    "state and bytes of a node in fleets of 100, 1,000 and 10,000 (STARLIGHT_FLEET=100,1000,10000/1 for others, /1: one region of it runs); draws docs/pictures/fleet.svg",
  run: (progress) => {
    const sizes = (process.env["STARLIGHT_FLEET"] ?? sizesDefault).split(",");
    const points = sizes.map((size) => measure(size, progress));
    const folder = join(import.meta.dirname, "../docs/pictures");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "fleet.svg"), drawFleet(points));
    const [smallest] = points;
    return Promise.resolve(
      smallest === undefined ? [] : points.flatMap((point) => metricsOf(point, smallest)),
    );
  },
};

function measure(size: string, progress: (line: string) => void): FleetPoint {
  const folder = mkdtempSync(join(tmpdir(), "starlight-fleet-"));
  const file = join(folder, "point.json");
  const script = join(import.meta.dirname, "fleet-parts/run.ts");
  const flags = [
    "--disable-warning=ExperimentalWarning",
    `--max-old-space-size=${heapMb}`,
    "--max-semi-space-size=64",
  ];
  try {
    progress(`a fleet of ${size}`);
    execFileSync(process.execPath, [...flags, script, size, file], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    return JSON.parse(readFileSync(file, "utf8")) as FleetPoint;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function metricsOf(point: FleetPoint, smallest: FleetPoint): readonly Metric[] {
  const { flat } = goals;
  const running = point.running < point.nodes ? `, ${point.running} running` : "";
  const of = (what: string): string => `${point.nodes} nodes${running}: ${what}`;
  const held = [
    atMost(of("records a node, median"), point.records, "", flat * smallest.records),
    atMost(of("records a node, most"), point.recordsMost, "", flat * smallest.recordsMost),
    atMost(of("state a node, median"), point.stateBytes / 1e3, "kB", (flat * smallest.stateBytes) / 1e3),
    atMost(
      of("state a node, most"),
      point.stateBytesMost / 1e3,
      "kB",
      (flat * smallest.stateBytesMost) / 1e3,
    ),
  ];
  if (point.running < point.nodes) return held;
  return [
    ...held,
    atMost(of("sent a node, mean"), point.bytesPerSecond, "B/s", flat * smallest.bytesPerSecond),
    atMost(of("sent a node, p99"), point.bytesPerSecondMost, "B/s", flat * smallest.bytesPerSecondMost),
    atMost(of("nodes that an intent has not reached"), 1 - point.reached, "", 0),
    atMost(of("memory of the simulator"), point.memoryBytes / 1e9, "GB", goals.memoryGb),
    atMost(of("processor time a virtual second"), 1 / point.speed, "s", 1),
  ];
}
