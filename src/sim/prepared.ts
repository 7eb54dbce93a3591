import { ranked } from "../core/node/contacts.ts";
import { headsNote, headsSlot } from "../core/node/heads.ts";
import { regionPart, sitePart, type Part } from "../core/node/parts.ts";
import { gatewaysOfSite, summaryOfParts } from "../core/node/summary-content.ts";
import { versionAt } from "../core/kernel/hybrid-clock.ts";
import { between, type Random } from "../core/kernel/random.ts";
import { regionSummaryKey, siteSummaryKey } from "../core/records/keys.ts";
import { slotOf, type MeshRecord, type NodeId } from "../core/records/record.ts";
import { sealRecord, storedBytes } from "../core/records/seal.ts";
import { outerRegion, regionsAround, scopeAround, type Scope } from "../core/records/scope.ts";
import type { SiteSummary } from "../core/records/summaries.ts";
import type { Json } from "../core/kernel/json.ts";
import type { Preload } from "./disk.ts";
import { addressOf, simStatus, type Machine } from "./machine.ts";
import type { SimCrypto } from "./sim-crypto.ts";

/**
 * Disks of sites that have been in the mesh for a while: what all of a site hold of each other, the
 * summaries of the parts of each region around it and of the mesh, and the roster records of those who wrote them. They are made
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
  const written = new Map<string | undefined, Region>();
  for (const settled of sites) {
    const author = speakerOf(settled);
    const summary = summaryOf(settled);
    const record = say(siteSummaryKey(settled.site), `region:${settled.region}`, author, summary);
    const word = { record, credentials: credentialsIn(settled, author.identity.id) };
    tell(written, settled.region, sitePart(settled.site, summary), { settled, word });
  }
  const regions = new Set(sites.flatMap(({ region }) => regionsAround(region)));
  // Innermost first: what is said of a region is counted from its parts.
  for (const name of [...regions].sort((left, right) => right.length - left.length)) {
    const { parts, said } = written.get(name) ?? newRegion();
    const settled = said.get(ranked([...parts.keys()], "speaker")[0] ?? "")?.settled;
    if (settled === undefined) continue;
    const author = speakerOf(settled);
    const summary = summaryOfParts(parts);
    const record = say(regionSummaryKey(name), scopeAround(name), author, summary);
    const word = { record, credentials: credentialsIn(settled, author.identity.id) };
    tell(written, outerRegion(name), regionPart(name, summary), { settled, word });
  }
  const stored = (record: MeshRecord): Preload => ({
    slot: slotOf(record),
    bytes: storedBytes(record, crypto),
  });
  const disks = new Map<string, readonly Preload[]>();
  for (const [region, there] of Map.groupBy(sites, (settled) => settled.region)) {
    const around = [undefined, ...regionsAround(region)];
    const told = around.flatMap((name) =>
      [...(written.get(name)?.said.values() ?? [])].map(({ word }) => word),
    );
    const shared = [...new Set(told.flatMap(({ record, credentials }) => [record, ...credentials]))].map(
      stored,
    );
    for (const { site, roster } of there) {
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

/** The parts of a region, and of each who speaks for it and what that wrote; by their ids. */
type Region = { readonly parts: Map<string, Part>; readonly said: Map<string, Said> };
type Said = { readonly settled: Settled; readonly word: Word };

const newRegion = (): Region => ({ parts: new Map(), said: new Map() });

function tell(
  written: Map<string | undefined, Region>,
  region: string | undefined,
  part: Part,
  said: Said,
): void {
  const held = written.get(region) ?? newRegion();
  written.set(region, held);
  held.parts.set(part.id, part);
  held.said.set(part.id, said);
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
