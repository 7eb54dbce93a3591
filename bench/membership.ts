import { cpus, loadavg } from "node:os";
import { atMost, median, type Bench, type Metric } from "./metric.ts";
import { createSerf, findSerf, howToGetSerf, serfVersion } from "./membership-parts/serf.ts";
import { roomForNeighbours } from "./membership-parts/cost.ts";
import { live, type Figures, type Lengths } from "./membership-parts/scenario.ts";
import { createStarlight } from "./membership-parts/starlight.ts";
import { whyNoNamespaces } from "../test/support/netns.ts";

/**
 * Who notices what and how fast, and what that costs, beside Serf on the same machine: real processes, each
 * in a network namespace of one bridge, both with the settings they come with.
 *
 * `STARLIGHT_SIZES=5,20` chooses other numbers of agents, `STARLIGHT_ROUNDS=1` fewer deaths of each kind,
 * `STARLIGHT_SERF` names a Serf off the path.
 */
export const bench: Bench = {
  about: "who notices a death, an update, a heal, and how fast, beside Serf; idle bytes, CPU and memory",
  run: async (progress) => {
    const why = whyNoNamespaces();
    if (why !== undefined) throw new Error(`this bench needs network namespaces: ${why}`);
    const serf = findSerf();
    if (serf === undefined) progress(`Serf is not here, so nothing is compared; to get it: ${howToGetSerf}`);
    else progress(serfVersion(serf));
    progress(`${cpus().length} cores, load ${loadavg()[0]?.toFixed(2) ?? "unknown"} before we start`);
    const sizes = (process.env["STARLIGHT_SIZES"] ?? "5,20,50").split(",").map(Number);
    const lengths = { ...usual, rounds: Number(process.env["STARLIGHT_ROUNDS"] ?? usual.rounds) };
    const metrics: Metric[] = [];
    const putBack = roomForNeighbours(Math.max(...sizes));
    try {
      for (const size of sizes) {
        const told = (line: string): void => progress(`${size} agents: ${line}`);
        const theirs =
          serf === undefined
            ? undefined
            : await measured("serf", lengths, told, () => createSerf(serf, size));
        const ours = await measured("starlight", lengths, told, () => createStarlight(size));
        metrics.push(...compared(size, ours, theirs));
      }
    } finally {
      putBack();
    }
    return metrics;
  },
};

const usual: Lengths = { idleSeconds: 20, rounds: 3, updates: 5, cutSeconds: 60, busySeconds: 20 };

async function measured(
  name: string,
  lengths: Lengths,
  progress: (line: string) => void,
  create: () => ReturnType<typeof createStarlight>,
): Promise<Figures> {
  progress(`${name} starts`);
  const cluster = await create();
  try {
    const figures = await live(cluster, lengths, (line) => progress(`${name}: ${line}`));
    progress(`${name}: ${JSON.stringify(figures)}`);
    return figures;
  } finally {
    cluster.remove();
  }
}

function compared(size: number, ours: Figures, theirs: Figures | undefined): Metric[] {
  /** `share`: what we may take of what Serf takes. Without Serf there is nothing to miss. */
  const row = (what: string, unit: string, share: number, of: (figures: Figures) => number): Metric => {
    const value = of(ours);
    if (theirs === undefined) return atMost(`${size} agents: ${what}`, value, unit, Number.POSITIVE_INFINITY);
    const peerValue = Math.round(of(theirs) * 1_000) / 1_000;
    return {
      ...atMost(`${size} agents: ${what}`, value, unit, peerValue * share),
      goal: `<= ${share === 1 ? "" : `${Math.round(share * 100) / 100} x `}Serf`,
      peer: "Serf",
      peerValue,
    };
  };
  return [
    row("kill -9 known by all others, median", "ms", 1 / 5, ({ kills }) => median(kills)),
    ...(ours.deaths.length === 0
      ? []
      : [
          row("the same until all hold it for dead, median", "ms", 1 / 5, ({ deaths, kills }) =>
            median(deaths.length > 0 ? deaths : kills),
          ),
        ]),
    row("a pulled cable known by all others, median", "ms", 1 / 2, ({ silences }) => median(silences)),
    row("an update seen by all, median", "ms", 1 / 3, ({ updates }) => median(updates)),
    row("agreed again after 60 s in halves, median", "ms", 1 / 2, ({ heals }) => median(heals)),
    row("idle traffic, both ways, an agent", "B/s", 2, ({ idle }) => idle.bytesPerSecond),
    row("idle processor, an agent", "%", 2, ({ idle }) => idle.cpuPercent),
    row("memory of an agent (RSS)", "MB", Number.POSITIVE_INFINITY, ({ idle }) => idle.memoryMB),
    {
      ...atMost(`${size} agents: false verdicts while all cores are busy`, ours.falseVerdicts, "", 0),
      ...(theirs === undefined ? {} : { peer: "Serf", peerValue: theirs.falseVerdicts }),
    },
  ];
}
