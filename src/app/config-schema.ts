import { isAbsolute } from "node:path";
import * as v from "valibot";
import type { NodeConfig } from "../core/node/contract.ts";
import { agentPort, parseAddress } from "../shells/identity-file/address.ts";
import { isSeed, seedsMax } from "./finding/seed-names.ts";
import { parseOverride } from "../shells/machine/overrides.ts";

/**
 * The settings of one node. Units are in the key, limits in the schema, the reason in the description;
 * `starlight config show` prints all three.
 */

const duration = (min: number, max: number, why: string) =>
  v.pipe(
    v.number(`must be a whole number of milliseconds from ${min} to ${max}`),
    v.integer(`must be a whole number of milliseconds from ${min} to ${max}`),
    v.minValue(min, `must be at least ${min} ms`),
    v.maxValue(max, `must be at most ${max} ms`),
    v.description(why),
  );

const address = (portMin: 0 | 1) =>
  v.pipe(
    v.string("must be HOST:PORT"),
    v.check(
      (text) => parseAddress(text, { portMin, portDefault: portMin === 0 ? undefined : 1 }) !== undefined,
      "must be HOST:PORT, for example 10.0.0.5:7443 or [::1]:7443",
    ),
  );

export const configSchema = v.strictObject({
  listen: v.pipe(
    address(0),
    v.description("Where links, the API and blobs are served. Port 0: any free port."),
  ),
  advertise: v.pipe(
    v.array(address(1), "must be a list of HOST:PORT"),
    v.maxLength(16, "at most 16 addresses"),
    v.description(
      "Addresses that other nodes are told, best first. Empty: those of the network interfaces. none: this node cannot be dialled and opens every link itself.",
    ),
  ),
  dialFrom: v.pipe(
    v.string("must be an IP address"),
    v.description("Source address of connections to other nodes. Empty: the kernel chooses."),
  ),
  discovery: v.pipe(
    v.picklist(["mdns", "off"], "must be mdns or off"),
    v.description(
      "Say on the local network which mesh and node this is, and look there for members out of view. Never on loopback addresses.",
    ),
  ),
  seeds: v.pipe(
    v.array(
      v.pipe(
        v.string("must be HOST:PORT or the name of an SRV record"),
        v.check(isSeed, "must be HOST:PORT or the name of an SRV record such as _starlight._tcp.example.org"),
      ),
      "must be a list of HOST:PORT or names of SRV records",
    ),
    v.maxLength(seedsMax, `at most ${seedsMax} seeds`),
    v.description("Where members are looked for that answer nowhere else. Names are resolved each time."),
  ),
  podAddress: v.pipe(
    v.string("must be an IP address"),
    v.description(
      "Host address that workloads answer on. Empty: the host of the first address told to others.",
    ),
  ),
  cgroups: v.pipe(
    v.picklist(["auto", "off"], "must be auto or off"),
    v.description("Control groups for workloads, where this machine lets us make them."),
  ),
  mirrorPath: v.pipe(
    v.string("must be an absolute folder"),
    v.check((text) => text === "" || isAbsolute(text), "must be an absolute folder, or empty for no mirror"),
    v.description("Folder on a second disk that every record is also written to. Empty: no mirror."),
  ),
  logLevel: v.pipe(
    v.picklist(["debug", "info", "warning", "error"], "must be debug, info, warning or error"),
    v.description("The least important messages that are still written."),
  ),
  logFormat: v.pipe(
    v.picklist(["text", "json"], "must be text or json"),
    v.description("Log lines for people or for machines."),
  ),
  pingEveryMs: duration(
    50,
    60_000,
    "A sign of life on each idle link; shorter finds failures sooner and costs more bytes.",
  ),
  silentAfterMs: duration(
    100,
    600_000,
    "Silence after which a link is given up. Several times pingEveryMs, or one late packet cuts it.",
  ),
  redialMaxMs: duration(
    100,
    60_000,
    "Longest wait between two attempts to reach a member that does not answer; reached after sixteen times as long.",
  ),
  compareEveryMs: duration(
    200,
    3_600_000,
    "How often linked nodes compare their records, as repair for what was missed.",
  ),
  bootSettleMs: duration(
    0,
    60_000,
    "After a start, how long to wait for the site's peers before deciding alone.",
  ),
  claimDelayMs: duration(
    10,
    60_000,
    "How long the next-ranked node waits for a better one's claim before it starts a pod itself.",
  ),
  uplink: v.pipe(
    v.picklist(
      ["auto", "lan", "wan", "cellular", "satellite"],
      "must be auto, lan, wan, cellular or satellite",
    ),
    v.description(
      "How this machine reaches other sites; auto: by what the default route goes through. On cellular and satellite links signs of life and comparisons are rarer, and facts wait for the next comparison.",
    ),
  ),
  uplinkBytesPerSecond: v.pipe(
    v.number("must be a whole number of bytes"),
    v.integer("must be a whole number of bytes"),
    v.check((bytes) => bytes === 0 || bytes >= 1_000, "must be 0 or at least 1000"),
    v.description(
      "Bytes a second on each link to another site; eight seconds of it may go at once. 0: what the link's class allows.",
    ),
  ),
  uplinkBytesPerDay: v.pipe(
    v.number("must be a whole number of bytes"),
    v.integer("must be a whole number of bytes"),
    v.minValue(0, "must be 0 or more"),
    v.description(
      "Bytes to other sites a day, on the wire; from 80 % of them on, links are treated as satellite links. 0: no limit.",
    ),
  ),
  tier: v.pipe(
    v.union([v.string(), v.number()], "must be auto, 1, 2 or 3"),
    v.transform(String),
    v.picklist(["auto", "1", "2", "3"], "must be auto, 1, 2 or 3"),
    v.description("Class of this machine that workloads may ask for; auto: by its GPU and memory."),
  ),
  capabilities: v.pipe(
    v.array(v.string(), "must be a list of NAME=VALUE"),
    v.maxLength(32, "at most 32"),
    v.rawCheck(({ dataset, addIssue }) => {
      for (const text of dataset.typed ? dataset.value : []) {
        const parsed = parseOverride(text);
        if (!parsed.ok) addIssue({ message: `${JSON.stringify(text)}: ${parsed.error}` });
      }
    }),
    v.description(
      "What is not as it was measured, for example network=satellite,gpu=none; see `starlight capabilities`.",
    ),
  ),
  relayBytesPerSecond: v.pipe(
    v.number("must be a whole number of bytes"),
    v.integer("must be a whole number of bytes"),
    v.minValue(0, "must be 0 or more"),
    v.description(
      "Bytes a second that this node carries for each member that cannot reach another one itself. 0: it relays nothing.",
    ),
  ),
  tombstoneEveryMs: duration(
    1_000,
    86_400_000,
    "How often nodes tell how far they know each other's deletions, so that these can be forgotten.",
  ),
  keepDeletedMs: duration(
    0,
    315_360_000_000,
    "How long a deleted object can be brought back with undo, at least; then its records go.",
  ),
  absentLongMs: duration(
    3_600_000,
    315_360_000_000,
    "Deletions are forgotten without waiting for members that were not heard of for so long.",
  ),
  quietPeriodMs: duration(0, 86_400_000, "After a heal nothing is moved for this long."),
  lostAfterMs: duration(
    0,
    604_800_000,
    "How long an unreachable node keeps its pods before they are started elsewhere, unless the workload says otherwise.",
  ),
  leaseForMs: duration(
    2_000,
    600_000,
    "How long an exclusive pod may run on after its node last asked the voters. The same on all nodes of a mesh.",
  ),
  lostBySiteAfterMs: duration(
    0,
    604_800_000,
    "The same when most of a node's site is in view and has lost it, or in a site of two the other node's own network works.",
  ),
  memoryMinFreeMiB: v.pipe(
    v.number("must be a whole number of MiB"),
    v.integer("must be a whole number of MiB"),
    v.minValue(0, "must be 0 or more"),
    v.description(
      "With less free memory than this the node takes no new pods and evicts some, one at a time; with less than half of it at once. 0: never.",
    ),
  ),
  pressureHoldMs: duration(
    0,
    3_600_000,
    "How long there must be one and a half times memoryMinFreeMiB before a shortage of memory is over.",
  ),
  driftMaxMs: duration(
    1_000,
    86_400_000,
    "A record stamped further ahead of our clock is kept aside until the clock catches up.",
  ),
});

export type Config = v.InferOutput<typeof configSchema>;
export type ConfigKey = keyof Config;

export const configKeys = Object.keys(configSchema.entries) as readonly ConfigKey[];

export const configDefaults: Config = {
  listen: `0.0.0.0:${agentPort}`,
  advertise: [],
  dialFrom: "",
  discovery: "mdns",
  seeds: [],
  podAddress: "",
  cgroups: "auto",
  mirrorPath: "",
  logLevel: "info",
  logFormat: "text",
  pingEveryMs: 1_600,
  silentAfterMs: 4_000,
  redialMaxMs: 60_000,
  compareEveryMs: 15_000,
  bootSettleMs: 1_200,
  claimDelayMs: 250,
  quietPeriodMs: 8_000,
  uplink: "lan",
  uplinkBytesPerSecond: 0,
  uplinkBytesPerDay: 0,
  tier: "auto",
  capabilities: [],
  relayBytesPerSecond: 8 * 1024 * 1024,
  tombstoneEveryMs: 60_000,
  keepDeletedMs: 86_400_000,
  absentLongMs: 30 * 86_400_000,
  lostAfterMs: 10_000,
  leaseForMs: 10_000,
  lostBySiteAfterMs: 600,
  memoryMinFreeMiB: 100,
  pressureHoldMs: 60_000,
  driftMaxMs: 600_000,
};

/** The source address of connections to other nodes; undefined where the kernel chooses. */
export const localAddressOf = ({ dialFrom }: Pick<Config, "dialFrom">): string | undefined =>
  dialFrom === "" ? undefined : dialFrom;

/** What the core is told of it. */
export function nodeConfigOf(config: Config): NodeConfig {
  return {
    pingEvery: config.pingEveryMs,
    silentAfter: config.silentAfterMs,
    redialMax: config.redialMaxMs,
    compareEvery: config.compareEveryMs,
    bootSettle: config.bootSettleMs,
    claimDelay: config.claimDelayMs,
    quietPeriod: config.quietPeriodMs,
    // Before the first measurement; after it, the status says it.
    uplink: config.uplink === "auto" ? "wan" : config.uplink,
    uplinkBytesPerSecond: config.uplinkBytesPerSecond,
    uplinkBytesPerDay: config.uplinkBytesPerDay,
    tombstoneEvery: config.tombstoneEveryMs,
    keepDeleted: config.keepDeletedMs,
    absentLong: config.absentLongMs,
    lostAfter: config.lostAfterMs,
    leaseFor: config.leaseForMs,
    lostBySiteAfter: config.lostBySiteAfterMs,
    pressureHold: config.pressureHoldMs,
    driftMax: config.driftMaxMs,
  };
}
