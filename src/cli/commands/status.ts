import { connect } from "../client.ts";
import { age, formatOf, paint, print, printValue, table } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

type Status = {
  readonly speaking: { node: string; site: string; region: string; mesh: string; version: string };
  readonly island: { nodes: number; of: number; sites: number; ofSites: number };
  readonly sites: readonly {
    name: string;
    region: string;
    nodes: number;
    inView: number;
    freshestMs: number | null;
    oldestMs: number | null;
    unreachableMs: number | null;
  }[];
  readonly detail: string;
  readonly regions: readonly {
    name: string;
    sites: number;
    nodes: number;
    ready: number;
    ageMs: number;
    unreachableMs: number | null;
  }[];
  readonly nodes: readonly {
    name: string;
    site: string;
    verdict: string;
    roundTripMs: number | null;
    factAgeMs: number | null;
    self: boolean;
    reasons: string[];
  }[];
  readonly records: { total: number; tombstones: number; setAside: number };
  readonly storage: { bytesWrittenToday: number; bytesWritten: number };
  readonly uplink: {
    class: string;
    bytesToday: number;
    bytesPerDay: number;
    links: readonly {
      name: string;
      class: string;
      bytesToday: number;
      peakPerSecond: number;
      bytesPerSecond: number | null;
      waiting: { logs: number; questions: number; forMs: number } | null;
    }[];
  };
  readonly conflicts: number;
  readonly pods: { total: number; ready: number };
};

export async function action(
  options: { readonly output?: string },
  _args: string[],
  globals: GlobalOptions,
): Promise<void> {
  const client = await connect(globals);
  const { text } = await client.call("GET", "/starlight/v1/status");
  const status = JSON.parse(text) as Status;
  if (await printValue(status, formatOf(options.output))) return;
  const { speaking, island, uplink, pods, conflicts, records, regions } = status;
  print(
    `${paint("bold", speaking.node)} speaks, site ${speaking.site}, region ${speaking.region}, mesh ${speaking.mesh} (starlight ${speaking.version})`,
  );
  print(
    `you see ${island.nodes} of ${island.of} nodes and ${island.sites} of ${island.ofSites} sites; ${freshness(status)}`,
  );
  printUplink(uplink);
  print(`${pods.ready} of ${pods.total} pods ready, ${conflicts} conflicts, ${records.total} records\n`);
  print(siteTable(status));
  if (regions.length > 0) print(`\n${regionTable(status)}`);
  print(`\n${nodeTable(status)}`);
}

/** How old the news of other places is. */
function freshness({ detail, speaking, sites, regions }: Status): string {
  const told = [
    ...sites
      .filter(({ name }) => detail === "site" && name !== speaking.site)
      .map(({ oldestMs, unreachableMs }) => ({ ageMs: oldestMs ?? 0, unreachableMs })),
    ...regions,
  ];
  const lost = told.filter(({ unreachableMs }) => unreachableMs !== null).length;
  const unreachable = lost === 0 ? "" : `; ${lost} of them cannot be reached`;
  if (told.length > 0) {
    const agesTold = told.map(({ ageMs }) => ageMs);
    return `what you are told of other places: freshest ${age(Math.min(...agesTold))}, oldest ${age(Math.max(...agesTold))} old${unreachable}`;
  }
  const ages = sites.filter(({ inView }) => inView < 1).map(({ oldestMs }) => oldestMs ?? 0);
  return ages.length === 0
    ? "everything is in view"
    : `what is out of view is up to ${age(Math.max(...ages))} old`;
}

function printUplink({ class: kind, bytesToday, bytesPerDay, links }: Status["uplink"]): void {
  const allowance = bytesPerDay === 0 ? "" : ` of ${Math.round(bytesPerDay / 1000)}`;
  if (kind !== "lan" || bytesPerDay > 0)
    print(`uplink ${kind}: ${Math.round(bytesToday / 1000)}${allowance} kB to other sites today`);
  for (const link of links.filter(({ bytesPerSecond }) => bytesPerSecond !== null))
    print(`  ${spendingText(link)}`);
}

const siteTable = ({ sites }: Status): string =>
  table(
    ["Site", "Region", "In view", "Freshest", "Oldest", "Unreachable"],
    sites.map(({ name, region, nodes, inView, freshestMs, oldestMs, unreachableMs }) => [
      name,
      region,
      `${inView}/${nodes}`,
      age(freshestMs),
      age(oldestMs),
      unreachableMs === null ? "" : age(unreachableMs),
    ]),
  );

const regionTable = ({ regions }: Status): string =>
  table(
    ["Region", "Sites", "Ready", "Told", "Unreachable"],
    regions.map(({ name, sites, nodes, ready, ageMs, unreachableMs }) => [
      name,
      String(sites),
      `${ready}/${nodes}`,
      age(ageMs),
      unreachableMs === null ? "" : age(unreachableMs),
    ]),
  );

const nodeTable = ({ nodes }: Status): string =>
  table(
    ["Node", "Site", "Seen as", "Round trip", "Newest fact", "Because"],
    nodes.map(({ name, site, verdict, roundTripMs, factAgeMs, self, reasons }) => [
      self ? `${name} *` : name,
      site,
      verdict,
      roundTripMs === null ? "-" : `${roundTripMs} ms`,
      age(factAgeMs),
      reasons[0] ?? "",
    ]),
  );

function spendingText(link: Status["uplink"]["links"][number]): string {
  const { name, bytesToday, peakPerSecond, bytesPerSecond, waiting } = link;
  const waits =
    waiting === null
      ? ""
      : `; ${waiting.logs} logs and ${waiting.questions} questions wait ${age(waiting.forMs)}`;
  return `to ${name} (${link.class}): ${kilobytes(bytesToday)} kB today, at most ${kilobytes(peakPerSecond)} of ${kilobytes(bytesPerSecond ?? 0)} kB/s${waits}`;
}

const kilobytes = (bytes: number): string => (bytes / 1000).toFixed(bytes < 10_000 ? 1 : 0);
