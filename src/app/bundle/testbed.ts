import assert from "node:assert/strict";
import { createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { hex } from "../../core/kernel/bytes.ts";
import { readBundleFrame } from "../../core/sync/bundle.ts";
import type { BundleHeader } from "../../shells/bundle-file/header.ts";
import { sourceOfBytes, withBundle } from "../../shells/bundle-file/read-bundle.ts";
import { nodeCrypto } from "../../shells/crypto-node/node-crypto.ts";
import type { RunningAgent } from "../agent.ts";
import { createInvite } from "../enrol/invite-book.ts";
import { joinMesh } from "../enrol/join-mesh.ts";
import { createTestBed, type TestBed } from "../testbed.ts";
import { exportBundle, exportHeads, readHeads, type Heads } from "./make-bundle.ts";
import { runningSource } from "./source.ts";
import { takeBundle, type ImportReport } from "./take-bundle.ts";

/** Two agents of one mesh that never have a link: each is told of the other an address where nobody listens. */
export type Pair = {
  readonly bed: TestBed;
  readonly oslo: RunningAgent;
  readonly bern: RunningAgent;
  readonly osloFolder: string;
  readonly bernFolder: string;
  readonly file: (name: string) => string;
  /** The folder of one more member. */
  readonly joined: (name: string) => Promise<string>;
  readonly exported: (agent: RunningAgent, name: string, since?: Heads, site?: string) => Promise<string>;
  /** Files there and back until both hold the same. */
  readonly carried: () => Promise<void>;
  readonly close: () => Promise<void>;
};

/** Settings of an agent that nobody finds. */
export const nowhere = { advertise: "127.0.0.1:9" };

export async function createPair(): Promise<Pair> {
  const bed = createTestBed();
  const folder = mkdtempSync(join(tmpdir(), "starlight-bundle-"));
  const file = (name: string): string => join(folder, name);
  const osloFolder = await bed.mesh("oslo");
  const oslo = await bed.agent(osloFolder, { flags: nowhere });
  const joined = async (name: string): Promise<string> => {
    const addresses = [`127.0.0.1:${oslo.port}`];
    const now = Date.now();
    const invite = createInvite({ directory: osloFolder, site: name, ttlMs: 60_000, addresses, now });
    const directory = bed.folder(name);
    await joinMesh({ invite, directory, nodeName: name, addresses: [] });
    return directory;
  };
  const bernFolder = await joined("bern");
  const bern = await bed.agent(bernFolder, { flags: nowhere });
  const exported = async (
    agent: RunningAgent,
    name: string,
    since?: Heads,
    site?: string,
  ): Promise<string> => {
    const path = file(name);
    const bytes = exportBundle(runningSource(agent.driver), { site, since, now: Date.now() });
    await pipeline(bytes, createWriteStream(path));
    return path;
  };
  const carried = async (): Promise<void> => {
    for (let round = 0; round < 3; round++) {
      await take(bern, await exported(oslo, "there"));
      await take(oslo, await exported(bern, "back"));
      if (oslo.view.stateHash() === bern.view.stateHash()) return;
    }
    assert.equal(oslo.view.stateHash(), bern.view.stateHash());
  };
  const close = async (): Promise<void> => {
    await bed.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return { bed, oslo, bern, osloFolder, bernFolder, file, joined, exported, carried, close };
}

const reference = (name: string) => ({ group: "", kind: "ConfigMap", namespace: "default", name });

/** One ConfigMap per name, all in one write. */
export async function write(
  agent: RunningAgent,
  names: readonly string[],
  textOf: (name: string) => string = () => "1",
): Promise<void> {
  const changes = names.map((name) => ({
    type: "update" as const,
    ref: reference(name),
    value: {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name, namespace: "default" },
      data: { text: textOf(name) },
    },
    manager: "test",
    class: "user" as const,
    mode: "upsert" as const,
  }));
  const reply = await agent.driver.write(changes, "me", { dryRun: false });
  assert(reply.ok, JSON.stringify(reply));
}

export const holds = (agent: RunningAgent, name: string): boolean =>
  agent.view.object(reference(name))?.exists === true;

export const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, at) => `${prefix}-${at}`);

export const take = (agent: RunningAgent, path: string): Promise<ImportReport> =>
  takeBundle(path, agent.driver);

export async function headsOf(agent: RunningAgent): Promise<Heads> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of exportHeads(runningSource(agent.driver), Date.now())) chunks.push(chunk);
  return readHeads(sourceOfBytes(Buffer.concat(chunks)));
}

export function unpacked(
  path: string,
): Promise<{ readonly header: BundleHeader; readonly frames: readonly Uint8Array[] }> {
  return withBundle(path, async ({ header, frames }) => {
    const all: Uint8Array[] = [];
    for await (const frame of frames()) all.push(frame);
    return { header, frames: all };
  });
}

/** Ids of the records in a bundle, sorted. */
export async function idsIn(path: string): Promise<string[]> {
  const { frames } = await unpacked(path);
  return frames
    .flatMap((frame) => readBundleFrame(frame, nodeCrypto)?.records ?? [])
    .map(({ hash }) => hex(hash))
    .sort();
}
