import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createTopology } from "../../test/support/netns.ts";
import { comesTrue, createBeliefs, type Cluster, type Member } from "./cluster.ts";

/** Serf (hashicorp/serf, Debian package `serf`) with its LAN profile, as far as it is installed. */

/** `STARLIGHT_SERF`, or `serf` on the path; undefined when there is none. */
export function findSerf(): string | undefined {
  const places = [process.env["STARLIGHT_SERF"] ?? "", ...(process.env["PATH"] ?? "").split(":")];
  return places
    .map((place) => (place.endsWith("/serf") ? place : join(place, "serf")))
    .find((file) => file !== "serf" && existsSync(file));
}

export const howToGetSerf =
  "apt-get install serf, or: apt-get download serf && dpkg -x serf_*.deb FOLDER, then STARLIGHT_SERF=FOLDER/usr/bin/serf";

const lost = /EventMember(?:Failed|Leave): (\S+)/;
const found = /EventMember(?:Join|Update): (\S+)/;
const updated = /EventMemberUpdate: (\S+)/;

export async function createSerf(program: string, count: number): Promise<Cluster> {
  const topology = createTopology("slserf", { one: count });
  const hosts = topology.sites["one"] ?? [];
  const beliefs = createBeliefs(() => {});
  const members = hosts.map((host, at): Member => ({ name: `n${at + 1}`, host, process: undefined }));
  const [first] = members;
  if (first === undefined) throw new RangeError("a cluster has at least one member");
  /** Of the update under way: when each member saw it. */
  let seen = new Map<string, number>();
  const joined = new Map<string, Set<string>>();

  const start = async (member: Member): Promise<void> => {
    const args = [
      "agent",
      `-node=${member.name}`,
      `-bind=${member.host.address}`,
      "-profile=lan",
      ...members
        .flatMap(({ host }) => (host === member.host ? [] : [`-retry-join=${host.address}`]))
        .slice(0, 3),
      "-retry-interval=1s",
    ];
    const child = topology.spawn(member.host, program, args, { env: process.env, stdio: "pipe" });
    member.process = child;
    joined.set(member.name, new Set());
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on("line", (line) => {
        const at = Date.now();
        const gone = lost.exec(line)?.[1];
        const back = found.exec(line)?.[1];
        if (gone !== undefined) beliefs.told(member.name, gone, "lost", at);
        if (back !== undefined) {
          joined.get(member.name)?.add(back);
          beliefs.told(member.name, back, "alive", at);
        }
        if (updated.test(line) && !seen.has(member.name)) seen.set(member.name, at);
      });
    }
    await comesTrue(20_000, () => (joined.get(member.name)?.size ?? 0) >= Math.min(2, count));
  };
  const kill = (member: Member): void => {
    member.process?.kill("SIGKILL");
    member.process = undefined;
  };
  const cluster: Cluster = {
    topology,
    members,
    settledAfterMs: 0,
    beliefs,
    kill,
    start,
    update: async (rounds) => {
      const times: number[] = [];
      for (let round = 0; round < rounds; round++) {
        seen = new Map();
        const origin = members[(round * 7) % count] as Member;
        // Not waited for: while it runs, we are to see when the others know.
        topology.spawn(origin.host, program, ["tags", "-set", `round=${Date.now()}`], {
          env: process.env,
          stdio: "ignore",
        });
        await comesTrue(30_000, () => seen.size === count);
        const at = [...seen.values()];
        // From when the first knew: what the command itself took is not counted.
        times.push(seen.size === count ? Math.max(...at) - Math.min(...at) : Number.POSITIVE_INFINITY);
      }
      return times;
    },
    remove: () => {
      for (const member of members) kill(member);
      topology.remove();
    },
  };
  try {
    await start(first);
    await Promise.all(members.slice(1).map(start));
    const all = await comesTrue(60_000, () => [...joined.values()].every((names) => names.size === count));
    if (!all) throw new Error("serf agents do not find each other");
  } catch (error) {
    cluster.remove();
    throw error;
  }
  return cluster;
}

export const serfVersion = (program: string): string =>
  execFileSync(program, ["version"], { encoding: "utf8" }).split("\n")[0] ?? "unknown";
