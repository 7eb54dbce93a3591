import { ranked } from "../core/node/contacts.ts";
import { headsNote, headsSlot } from "../core/node/heads.ts";
import { gatewaysOfSite, summaryOfSites } from "../core/node/summary-content.ts";
import { versionAt } from "../core/kernel/hybrid-clock.ts";
import { between, type Random } from "../core/kernel/random.ts";
import { regionSummaryKey, siteSummaryKey } from "../core/records/keys.ts";
import { slotOf, type MeshRecord, type NodeId } from "../core/records/record.ts";
import { sealRecord, storedBytes } from "../core/records/seal.ts";
import type { Scope } from "../core/records/scope.ts";
import type { SiteSummary } from "../core/records/summaries.ts";
import type { Json } from "../core/kernel/json.ts";
import type { Preload } from "./disk.ts";
import { addressOf, simStatus, type Machine } from "./machine.ts";
import type { SimCrypto } from "./sim-crypto.ts";

/**
 * Disks of sites that have been in the mesh for a while: what all of a region hold of each other, the
 * summaries of its sites and of all regions, and the roster records of those who wrote them. They are made
 * as the nodes would have made them, with stamps of the last two hours.
 */

export type Settled = {
  readonly site: string;
  readonly region: string;
  readonly machines: readonly Machine[];
  /** What all of the site hold of each other. */
  readonly roster: readonly MeshRecord[];
};

const refreshEvery = 7_200_000;

/** What a node of each of these sites finds on its disk, by site: lists that many nodes share. */
export function preparedDisks(
  sites: readonly Settled[],
  now: number,
  random: Random,
  crypto: SimCrypto,
): ReadonlyMap<string, readonly Preload[]> {
  const say = (key: string, scope: Scope, author: Machine, body: Json): MeshRecord => {
    const version = versionAt(now - between(random, 0.05, 0.95) * refreshEvery);
    const draft = { scope, key, version, kind: "fact", body } as const;
    return sealRecord(draft, author.identity.id, author.signer, crypto);
  };
  const bodyBySite = new Map(sites.map((site) => [site.site, summaryOf(site)]));
  const wordBySite = new Map<string, Word>();
  const regions = Map.groupBy(sites, ({ region }) => region);
  const words: Word[] = [];
  for (const [region, parts] of regions) {
    for (const part of parts) {
      const author = speakerOf(part);
      const scope: Scope = `region:${region}`;
      const record = say(siteSummaryKey(part.site), scope, author, bodyBySite.get(part.site) ?? null);
      wordBySite.set(part.site, { record, credentials: credentialsIn(part, author.identity.id) });
    }
    const bodies = new Map(parts.map(({ site }) => [site, bodyBySite.get(site)] as const));
    const [first] = ranked([...bodies.keys()], "speaker");
    const part = parts.find(({ site }) => site === first);
    if (part === undefined) continue;
    const author = speakerOf(part);
    const whole = new Map([...bodies].flatMap(([site, body]) => (body === undefined ? [] : [[site, body]])));
    const record = say(regionSummaryKey(region), "mesh", author, summaryOfSites(whole));
    words.push({ record, credentials: credentialsIn(part, author.identity.id) });
  }
  const stored = (record: MeshRecord): Preload => ({
    slot: slotOf(record),
    bytes: storedBytes(record, crypto),
  });
  const disks = new Map<string, readonly Preload[]>();
  for (const parts of regions.values()) {
    const told = [...parts.flatMap(({ site }) => wordBySite.get(site) ?? []), ...words];
    const shared = [...new Set(told.flatMap(({ record, credentials }) => [record, ...credentials]))].map(
      stored,
    );
    for (const { site, roster } of parts) {
      const known = [...roster, ...told.map(({ record }) => record)];
      const note = {
        slot: headsSlot,
        bytes: headsNote(known.map((record) => ({ ...record, head: record.version }))),
      };
      disks.set(site, [...shared, ...roster.map(stored), note]);
    }
  }
  return disks;
}

type Word = { readonly record: MeshRecord; readonly credentials: readonly MeshRecord[] };

function speakerOf({ machines }: Settled): Machine {
  const [first] = ranked(
    machines.map(({ identity }) => identity.id),
    "gateway",
  );
  const speaker = machines.find(({ identity }) => identity.id === first);
  if (speaker === undefined) throw new RangeError("a site without machines");
  return speaker;
}

const credentialsIn = ({ roster }: Settled, id: NodeId): readonly MeshRecord[] =>
  roster.filter(({ key, kind }) => kind === "roster" && key.endsWith(id));

function summaryOf({ machines, region, site }: Settled): SiteSummary {
  const nodes = machines.length;
  const { allocatable } = simStatus;
  const gateways = ranked(
    machines.map(({ identity }) => identity.id),
    "gateway",
  ).slice(0, gatewaysOfSite);
  return {
    nodes,
    ready: nodes,
    tiers: [
      {
        tier: simStatus.tier,
        nodes,
        ready: nodes,
        allocatable: {
          cpuMilli: nodes * allocatable.cpuMilli,
          memoryBytes: nodes * allocatable.memoryBytes,
        },
        requested: { cpuMilli: 0, memoryBytes: 0 },
      },
    ],
    workloads: [],
    workloadsLeftOut: 0,
    agents: { [simStatus.agentVersion]: nodes },
    region,
    island: nodes,
    gateways: gateways.flatMap((id) => {
      const machine = machines.find(({ identity }) => identity.id === id);
      if (machine === undefined) return [];
      const { name, config } = machine;
      const paid = config.uplink === "lan" ? {} : { uplink: config.uplink };
      return [{ id, name, site, addresses: [addressOf(name)], ...paid }];
    }),
    acks: [],
  };
}
