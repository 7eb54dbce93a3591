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
  }[];
  readonly detail: string;
  readonly regions: readonly { name: string; sites: number; nodes: number; ready: number; ageMs: number }[];
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
  const format = formatOf(options.output);
  if (await printValue(status, format)) return;
  const { speaking, island, sites, regions, nodes, records, pods, conflicts } = status;
  const ages = sites.filter(({ inView }) => inView < 1).map(({ oldestMs }) => oldestMs ?? 0);
  const told = [
    ...sites
      .filter(({ name }) => status.detail === "site" && name !== speaking.site)
      .map(({ oldestMs }) => oldestMs ?? 0),
    ...regions.map(({ ageMs }) => ageMs),
  ];
  const freshness =
    told.length > 0
      ? `what you are told of other places: freshest ${age(Math.min(...told))}, oldest ${age(Math.max(...told))} old`
      : ages.length === 0
        ? "everything is in view"
        : `what is out of view is up to ${age(Math.max(...ages))} old`;
  print(
    `${paint("bold", speaking.node)} speaks, site ${speaking.site}, region ${speaking.region}, mesh ${speaking.mesh} (starlight ${speaking.version})`,
  );
  print(
    `you see ${island.nodes} of ${island.of} nodes and ${island.sites} of ${island.ofSites} sites; ${freshness}`,
  );
  const { uplink } = status;
  const allowance = uplink.bytesPerDay === 0 ? "" : ` of ${Math.round(uplink.bytesPerDay / 1000)}`;
  if (uplink.class !== "lan" || uplink.bytesPerDay > 0)
    print(
      `uplink ${uplink.class}: ${Math.round(uplink.bytesToday / 1000)}${allowance} kB to other sites today`,
    );
  for (const link of uplink.links.filter(({ bytesPerSecond }) => bytesPerSecond !== null))
    print(`  ${spendingText(link)}`);
  print(`${pods.ready} of ${pods.total} pods ready, ${conflicts} conflicts, ${records.total} records\n`);
  print(
    table(
      ["Site", "Region", "In view", "Freshest", "Oldest"],
      sites.map(({ name, region, nodes: count, inView, freshestMs, oldestMs }) => [
        name,
        region,
        `${inView}/${count}`,
        age(freshestMs),
        age(oldestMs),
      ]),
    ),
  );
  if (regions.length > 0) {
    print("");
    print(
      table(
        ["Region", "Sites", "Ready", "Told"],
        regions.map(({ name, sites: count, nodes: all, ready, ageMs }) => [
          name,
          String(count),
          `${ready}/${all}`,
          age(ageMs),
        ]),
      ),
    );
  }
  print("");
  print(
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
    ),
  );
}

function spendingText(link: Status["uplink"]["links"][number]): string {
  const { name, bytesToday, peakPerSecond, bytesPerSecond, waiting } = link;
  const waits =
    waiting === null
      ? ""
      : `; ${waiting.logs} logs and ${waiting.questions} questions wait ${age(waiting.forMs)}`;
  return `to ${name} (${link.class}): ${kilobytes(bytesToday)} kB today, at most ${kilobytes(peakPerSecond)} of ${kilobytes(bytesPerSecond ?? 0)} kB/s${waits}`;
}

const kilobytes = (bytes: number): string => (bytes / 1000).toFixed(bytes < 10_000 ? 1 : 0);
