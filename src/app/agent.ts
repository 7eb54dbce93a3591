import { rmSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createApi } from "../api/create-api.ts";
import { createNode } from "../core/node/create-node.ts";
import type { NodeView } from "../core/node/contract.ts";
import type { HttpHandler } from "../ports/http.ts";
import type { Identity } from "../ports/identity.ts";
import { commandErrorOf } from "./agent-errors.ts";
import { layoutOf } from "../shells/identity-file/layout.ts";
import { isEnroller, loadIdentity, loadIntroduction } from "../shells/identity-file/load-identity.ts";
import { writeDurably } from "../shells/identity-file/durable-files.ts";
import { formatAddress, parseAddress } from "../shells/identity-file/address.ts";
import { createProcessRuntime } from "../shells/runtime-process/create-process-runtime.ts";
import { openSqliteStorage } from "../shells/storage-sqlite/sqlite-storage.ts";
import {
  createTransport,
  ListenError,
  type Http2Transport,
} from "../shells/transport-http2/create-transport.ts";
import { nodeConfigOf, type Config } from "./config.ts";
import { createDriver, type Driver } from "./driver.ts";
import { CommandError } from "./exit-codes.ts";
import { enrolRoutes } from "./enrol/routes.ts";
import { measureMachine, ownHosts } from "./measure.ts";
import { createLog } from "./log.ts";
import { tokenUsers } from "./tokens.ts";
import { agentVersion } from "./version.ts";

export type RunningAgent = {
  readonly identity: Identity;
  readonly view: NodeView;
  /** The port that was opened. */
  readonly port: number;
  /** Leaves the workloads running and the data folder whole. */
  readonly stop: () => Promise<void>;
  /** Publishes this node's signed leave; resolves when it is on disk and peers had a moment to hear it. */
  readonly leave: (reason: string) => Promise<void>;
};

/**
 * The whole node from its data folder: workloads first (from what the disk knows), then the port, then
 * the peers. Throws a `CommandError` with one sentence and an exit code.
 */
export async function startAgent(options: {
  readonly data: string;
  readonly config: Config;
}): Promise<RunningAgent> {
  const { data, config } = options;
  const layout = layoutOf(data);
  const log = createLog(config.logLevel, config.logFormat);
  const identity = attempt(() => loadIdentity(data));
  for (const warning of identity.warnings)
    log({ level: "warning", reason: "Permissions", message: warning, at: Date.now() });
  const storage = attempt(() => openSqliteStorage(layout.database));
  const stored = attempt(() => storage.load());
  const listen = parseListen(config.listen);
  const node = createNode(identity.node, nodeConfigOf(config));
  const late: { driver?: Driver } = {};
  const runtime = createProcessRuntime({
    directory: layout.pods,
    address: config.podAddress || hostOf(config.advertise[0]) || ownHosts()[0] || "127.0.0.1",
    cgroups: config.cgroups,
    log: (level, message) => log({ level, reason: "Runtime", message, at: Date.now() }),
    events: {
      report: (report) => late.driver?.deliver({ type: "pod-report", report }),
      gone: (uid) => late.driver?.deliver({ type: "pod-gone", uid }),
    },
  });
  const driver = createDriver({ node, identity, storage, runtime, log });
  late.driver = driver;
  const adopted = await runtime.adopt();
  const frames = stored.map(({ bytes }) => bytes);
  const startedAt = Date.now();
  const status = (port: number): void => {
    const hosts = listen.host === "0.0.0.0" || listen.host === "::" ? ownHosts() : [listen.host];
    const addresses = config.advertise.length > 0 ? config.advertise : hosts.map((host) => `${host}:${port}`);
    const measured = measureMachine({ addresses, agentVersion, startedAt, runtimes: [runtime.name] });
    driver.deliver({ type: "measured", status: measured });
  };
  driver.deliver({ type: "boot", frames: [...loadIntroduction(data), ...frames], adopted });
  if (listen.port !== 0) status(listen.port);
  const transport = await openTransport(options, identity, node.view, driver, runtime.logs, listen).catch(
    async (error: unknown) => {
      driver.stop();
      await runtime.detach();
      await storage.close();
      throw error;
    },
  );
  driver.attach(transport);
  if (listen.port === 0) status(transport.port);
  driver.deliver({ type: "wake" });
  const running = { pid: process.pid, port: transport.port, host: listen.host, startedAt };
  writeDurably(layout.agent, `${JSON.stringify(running)}\n`);
  return {
    identity,
    view: node.view,
    port: transport.port,
    leave: async (reason) => {
      driver.deliver({ type: "leave", reason });
      await new Promise((resolve) => setTimeout(resolve, 500));
    },
    stop: async () => {
      driver.stop();
      await runtime.detach();
      await transport.stop();
      await storage.close();
      rmSync(layout.agent, { force: true });
    },
  };
}

async function openTransport(
  { data, config }: { readonly data: string; readonly config: Config },
  identity: Identity,
  view: NodeView,
  driver: Driver,
  logs: Parameters<typeof createApi>[0]["logs"],
  listen: { readonly host: string; readonly port: number },
): Promise<Http2Transport> {
  const later: { transport?: Http2Transport } = {};
  const forward = (peer: string, request: IncomingMessage, response: ServerResponse): void => {
    const addresses = view.member(peer)?.status?.addresses ?? [];
    later.transport?.forward(peer, addresses, request, response);
  };
  const api = createApi({
    view,
    env: driver.env,
    write: (changes, actor, { dryRun }) => driver.write(changes, actor, dryRun),
    onChanged: driver.onChanged,
    notes: driver.notes,
    logs,
    forward,
    userOfToken: tokenUsers(data),
    version: agentVersion,
  });
  const admitter = {
    data,
    identity,
    view,
    enrolled: (frame: Uint8Array) => driver.deliver({ type: "enrolled", frame }),
    now: () => Date.now(),
  };
  const enrol = enrolRoutes(isEnroller(data) ? admitter : undefined, view);
  const handler: HttpHandler = (request, response, client) => {
    if (!enrol(request, response, client)) api(request, response, client);
  };
  try {
    later.transport = await createTransport({
      identity,
      listen,
      dialFrom: config.dialFrom === "" ? undefined : config.dialFrom,
      admits: (peer, tlsKey) => view.member(peer)?.member.tlsKey === tlsKey,
      handler,
      events: {
        opened: (link, peer, outbound) => driver.deliver({ type: "link-opened", link, peer, outbound }),
        closed: (link, end) => driver.deliver({ type: "link-closed", link, end }),
        frame: (link, bytes) => driver.deliver({ type: "frame", link, bytes }),
        dialFailed: (peer, why, detail) => driver.deliver({ type: "dial-failed", peer, why, detail }),
      },
    });
  } catch (error) {
    if (error instanceof ListenError) throw new CommandError("portTaken", error.message);
    throw error;
  }
  return later.transport;
}

function parseListen(text: string): { host: string; port: number } {
  const match = /^(.*):(\d{1,5})$/.exec(text);
  const port = Number(match?.[2] ?? Number.NaN);
  if (match === null || port > 65_535) {
    throw new CommandError(
      "usage",
      `listen is ${JSON.stringify(text)}: write host:port, for example 0.0.0.0:7443`,
    );
  }
  return { host: (match[1] ?? "").replace(/^\[(.*)\]$/, "$1") || "0.0.0.0", port };
}

function hostOf(address: string | undefined): string | undefined {
  const parsed = address === undefined ? undefined : parseAddress(address);
  return parsed === undefined ? undefined : formatAddress({ host: parsed.host, port: 1 }).replace(/:1$/, "");
}

/** Turns what the shells throw into a sentence for people with its exit code. */
function attempt<T>(open: () => T): T {
  try {
    return open();
  } catch (error) {
    throw commandErrorOf(error);
  }
}
