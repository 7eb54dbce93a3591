import { fleetSizes, measureInChild, savePicture } from "./fleet-parts/children.ts";
import { drawFleet, type FleetPoint } from "./fleet-parts/draw.ts";
import { atMost, type Bench, type Metric } from "./metric.ts";

/**
 * Fleets in one process each, under virtual time: sites of 5 nodes, 50 sites a region in districts of 10, 7
 * regions an area, detail that stays in the site, the defaults of the agent. Measured in the
 * steady state, with intents written and nodes restarted.
 */

/** `flat`: so many times what a node of the smallest fleet has. */
const goals = { flat: 1.5, memoryGb: 8 } as const;

export const bench: Bench = {
  about:
    "state and bytes of a node in fleets of 100, 1,000 and 10,000 (STARLIGHT_FLEET=100,1000,10000/1 for others, /1: one region of it runs; STARLIGHT_FLEET_REGIONS=flat for regions that do not nest); draws docs/pictures/fleet.svg",
  run: (progress) => {
    const points = fleetSizes().map((size) => {
      progress(`a fleet of ${size}`);
      return measureInChild<FleetPoint>("run.ts", [size]);
    });
    savePicture("fleet.svg", drawFleet(points));
    const [smallest] = points;
    return Promise.resolve(
      smallest === undefined ? [] : points.flatMap((point) => metricsOf(point, smallest)),
    );
  },
};

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
