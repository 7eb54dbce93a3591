import type { CreateApi } from "../api/contract.ts";
import type { NodeIdentity, NodeView, Note } from "../core/node/contract.ts";
import type { Result } from "../core/kernel/result.ts";
import { memberKey } from "../core/records/keys.ts";
import { slotOf, type NodeId } from "../core/records/record.ts";
import { openStored } from "../core/records/seal.ts";
import type { Runtime, RuntimeEvents } from "../ports/runtime.ts";
import type { Storage } from "../ports/storage.ts";
import { nodeCrypto } from "../shells/crypto-node/node-crypto.ts";
import { formatAddress, parseAddress, type Address } from "../shells/identity-file/address.ts";
import { makeDirectory } from "../shells/identity-file/durable-files.ts";
import { layoutOf } from "../shells/identity-file/layout.ts";
import { loadIdentity, loadIntroduction } from "../shells/identity-file/load-identity.ts";
import { createMachine } from "../shells/machine/create-machine.ts";
import { isShuttingDown } from "../shells/machine/shutting-down.ts";
import { thisMachine } from "../shells/machine/this-machine.ts";
import { openSqliteStorage, type SqliteStorage } from "../shells/storage-sqlite/sqlite-storage.ts";
import type { Paths } from "../ports/transport.ts";
import { createTransport, type Http2Transport } from "../shells/transport-http2/create-transport.ts";
import { removeAgentFile, writeAgentFile } from "./agent-file.ts";
import { beginLife } from "./begin-life.ts";
import { bundleRoutesLazily } from "./bundle/lazily.ts";
import { loadConfig, type ConfigSources, type LoadedConfig } from "./config.ts";
import { localAddressOf, nodeConfigOf, type Config } from "./config-schema.ts";
import { createDriver, type Driver } from "./driver.ts";
import { createEnroller, type Enroller } from "./enrol/enroller.ts";
import { makeInvite } from "./enrol/invite-book.ts";
import { knownRegions } from "./enrol/site-book.ts";
import { createHints, withHints } from "./finding/hints.ts";
import type { JoinRefusal } from "./enrol/join-request.ts";
import { kubeconfigWarnings } from "./issue-user.ts";
import { createLog, type Log } from "./log.ts";
import { keepMeasuring } from "./keep-measuring.ts";
import { watchMemory } from "./memory-watch.ts";
import { addressesOf, createMeasure, tierSetting } from "./measure.ts";
import { watchNetwork } from "./network-watch.ts";
import { createRoutes } from "./routes.ts";
import { mirrorFile } from "./store-files.ts";
import { createStreamBackup } from "./stream-backup.ts";
import { tokenUsers } from "./tokens.ts";
import { agentVersion } from "./version.ts";

export type AgentOptions = ConfigSources & {
  /** Where log lines go; standard error when missing. */
  readonly writeLog?: ((line: string) => void) | undefined;
  /** The runtime and the API; the real ones when missing. */
  readonly parts?: AgentParts | undefined;
};

export type AgentParts = {
  readonly runtime: (options: {
    readonly directory: string;
    /** The host address that workloads answer on. */
    readonly address: string;
    readonly cgroups: "auto" | "off";
    readonly events: RuntimeEvents;
    readonly log: (level: "info" | "warning", message: string) => void;
  }) => Runtime;
  readonly api: CreateApi;
};

export type RunningAgent = {
  readonly identity: NodeIdentity;
  readonly port: number;
  readonly config: LoadedConfig;
  readonly view: NodeView;
  readonly driver: Driver;
  /** Publishes that this node leaves for good; false when the disk refused. */
  readonly leave: (reason: string) => Promise<boolean>;
  /** Publishes the end of another node's membership. */
  readonly revoke: (node: NodeId, reason: string) => Promise<Result<undefined, JoinRefusal>>;
  /** Closes everything in order. Workloads go on running. */
  readonly stop: () => Promise<void>;
};

/**
 * From a data folder to a running agent. What is needed to run workloads comes first; nothing waits for a
 * peer. Throws an error that `explained` knows, with everything closed again, or a bug.
 */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  const { directory } = options;
  const startedAt = Date.now();
  const layout = layoutOf(directory);
  const identity = loadIdentity(directory);
  const config = await loadConfig(options);
  const settings = config.config;
  const log = createLog({
    level: settings.logLevel,
    format: settings.logFormat,
    node: identity.node.name,
    write: options.writeLog ?? ((line) => process.stderr.write(line)),
  });
  const parts = options.parts ?? (await import("./parts.ts")).parts;
  makeDirectory(layout.pods);
  // The driver keeps notes for the API; what the store has to say before there is one goes to the log.
  let note = (entry: Note): void => log(entry.level, entry.reason, entry.message);
  const storage = openSqliteStorage(layout.database, {
    mirror: mirrorFile(settings.mirrorPath, identity.node.id),
    note: (level, reason, message) => note({ level, reason, message }),
  });
  const opened: (() => Promise<void>)[] = [() => storage.close()];
  try {
    const listen = parseAddress(settings.listen, { portMin: 0 }) ?? { host: "0.0.0.0", port: 0 };
    const frames = loadFrames(directory, identity.node.id, storage);
    const runtime = parts.runtime({
      directory: layout.pods,
      address: podAddress(settings, listen),
      cgroups: settings.cgroups,
      events: {
        report: (report) => driver.handle({ type: "pod-report", report }),
        gone: (uid) => driver.handle({ type: "pod-gone", uid }),
      },
      log: (level, message) => log(level, "Runtime", message),
    });
    const driver = createDriver({
      identity: identity.node,
      signer: identity.signer,
      config: nodeConfigOf(settings),
      storage,
      runtime,
      log,
    });
    note = driver.note;
    opened.unshift(
      () => driver.stop(),
      () => runtime.detach(),
    );
    const adopted = await runtime.adopt();

    const admit = (frame: Uint8Array): Promise<boolean> => driver.handleDurably({ type: "enrolled", frame });
    const enroller = createEnroller({ directory, identity, view: driver.view, admit, wall: Date.now });
    const leave = (reason: string): Promise<boolean> => driver.handleDurably({ type: "leave", reason });
    const admits = (peer: NodeId, tlsKey: string): boolean => driver.view.memberBody(peer)?.tlsKey === tlsKey;
    const hints = createHints({
      isMember: (node) => driver.view.memberBody(node) !== undefined,
      now: () => performance.now(),
    });
    const hinted = withHints(hints, {
      opened: (link, peer, outbound, about) =>
        driver.handle({ type: "link-opened", link, peer, outbound, ...about }),
      closed: (link, end) => driver.handle({ type: "link-closed", link, end }),
      frame: (link, bytes) => driver.handle({ type: "frame", link, bytes }),
      dialFailed: (peer, why, detail) => driver.handle({ type: "dial-failed", peer, why, detail }),
    });
    const pathsTo = (node: NodeId): Paths => {
      const { addresses, relays } = driver.view.paths(node);
      return { addresses: [...new Set([...addresses, ...hints.of(node)])], relays };
    };
    const transport: Http2Transport = await createTransport({
      identity,
      listen,
      dialFrom: localAddressOf(settings),
      admits: (peer, tlsKey) => driver.view.admits(peer, tlsKey),
      forbids: (peer) => driver.view.forbids(peer),
      relayBytesPerSecond: settings.relayBytesPerSecond,
      events: hinted.events,
      handler: createHandler({
        directory,
        storage,
        driver,
        enroller,
        leave,
        runtime,
        parts,
        forward: (node, request, response) => transport.forward(node, pathsTo(node), request, response),
        ask: (node, path, signal) => transport.ask(node, pathsTo(node), path, signal),
        examine: async (node) => {
          const { examine } = await import("./doctor/examine.ts");
          const { view } = driver;
          return examine(
            {
              identity,
              member: view.member,
              members: view.members,
              admits,
              forbids: view.forbids,
              pathsTo,
              localAddress: localAddressOf(settings),
              driftMaxMs: settings.driftMaxMs,
              wall: Date.now,
            },
            node,
          );
        },
      }),
    });
    opened.splice(1, 0, () => transport.stop());
    driver.connect(hinted.wrap(transport));

    const listening: Address = { host: listen.host, port: transport.port };
    const host = thisMachine();
    const machine = createMachine({
      host,
      folder: directory,
      overrides: settings.capabilities,
      tier: tierSetting(settings),
    });
    const measure = createMeasure({
      listen: listening,
      settings,
      runtime: runtime.name,
      agentVersion,
      agentStartedAt: startedAt,
    });
    const { startFinder } = await import("./finding/finder.ts");
    // From here on the site's peers are waited for: nothing that takes long may come between.
    driver.handle({ type: "boot", frames, adopted, firstLife: beginLife(layout.identity) });
    const measuring = keepMeasuring(driver, machine, measure);
    const stopWatching = watchNetwork((present) => {
      transport.hostsChanged(present);
      measuring.now();
    });
    const { view } = driver;
    const stopMemory = watchMemory({
      files: host.files,
      runtime,
      wantedBytes: settings.memoryMinFreeMiB * 1024 * 1024,
      allocatableBytes: () => view.member(identity.node.id)?.status?.allocatable.memoryBytes,
      isCalledShort: view.isShortOfMemory,
      tell: (sample) => driver.handle({ type: "memory", sample }),
    });
    const finder = { identity, listen: listening, settings, view, admits, hints, log };
    opened.unshift(await startFinder(finder));

    writeAgentFile(directory, {
      pid: process.pid,
      port: transport.port,
      local: formatAddress({ host: localHost(listen.host), port: transport.port }),
      startedAt,
    });
    for (const warning of [
      ...identity.warnings,
      ...config.warnings,
      ...kubeconfigWarnings(directory, startedAt),
    ])
      log("warning", "Configuration", warning);
    greet(log, identity.node, listening, adopted.length);

    const stop = once(async () => {
      measuring.stop();
      stopMemory();
      stopWatching();
      removeAgentFile(directory);
      // Programs go on without us, so the peers wait for a restart; of a machine that goes down nothing goes on.
      if (!(await isShuttingDown())) driver.handle({ type: "stopping" });
      await closeAll(opened);
      log("info", "AgentStopped", "stopped; workloads go on running");
    });
    const { revoke } = enroller;
    return {
      identity: identity.node,
      port: transport.port,
      config,
      view: driver.view,
      driver,
      leave,
      revoke,
      stop,
    };
  } catch (error) {
    await closeAll(opened);
    throw error;
  }
}

/**
 * What the disk holds. On the first start, and after the database was lost, that is the introduction the
 * node was admitted with.
 */
function* loadFrames(directory: string, self: NodeId, storage: Storage): Generator<Uint8Array> {
  const own = `${memberKey(self)}\0`;
  const held = new Set<string>();
  let known = false;
  for (const { slot, bytes } of storage.load()) {
    known ||= slot.startsWith(own);
    if (!known) held.add(slot);
    yield bytes;
  }
  if (known) return;
  const introduction = loadIntroduction(directory);
  const puts = introduction.flatMap((bytes) => {
    const record = openStored(bytes, nodeCrypto);
    return record.ok && !held.has(slotOf(record.value)) ? [{ slot: slotOf(record.value), bytes }] : [];
  });
  // Not waited for: if the disk refuses, the next start reads the introduction again.
  storage.write(puts).catch(() => undefined);
  for (const { bytes } of puts) yield bytes;
}

type HandlerParts = {
  readonly directory: string;
  readonly storage: SqliteStorage;
  readonly driver: Driver;
  readonly enroller: Enroller;
  readonly leave: (reason: string) => Promise<boolean>;
  readonly runtime: Runtime;
  readonly parts: AgentParts;
  readonly forward: Parameters<CreateApi>[0]["forward"];
  readonly ask: Parameters<CreateApi>[0]["ask"];
  readonly examine: Parameters<CreateApi>[0]["examine"];
};

function createHandler(made: HandlerParts): ReturnType<CreateApi> {
  const { directory, storage, driver, enroller, leave, runtime, parts, forward, ask, examine } = made;
  const userOfToken = tokenUsers(directory);
  const { view, env, write, onChanged, notes } = driver;
  const { logs } = runtime;
  const routes = createRoutes({
    view,
    enroller,
    invite: (options) => makeInvite({ ...options, directory, now: Date.now() }),
    regionsOf: (site) => knownRegions({ directory, view }, site),
    addresses: () => view.member(view.identity.id)?.status?.addresses ?? [],
    leave,
    backup: createStreamBackup(layoutOf(directory).backups, storage),
    userOfToken,
    bundles: bundleRoutesLazily(directory, driver),
    api: parts.api({
      view,
      env,
      write,
      evict: driver.handle,
      onChanged,
      notes,
      logs,
      forward,
      ask,
      examine,
      userOfToken,
      version: agentVersion,
      bytesWritten: () => storage.usage(),
    }),
  });
  // A node outside of our roster may open a link, to prove there that it is a member; it is nobody to the API.
  return (request, response, client) => {
    const proven = client.type !== "node" || view.memberBody(client.id) !== undefined;
    routes(request, response, proven ? client : { type: "anonymous" });
  };
}

function greet(log: Log, node: NodeIdentity, listening: Address, adopted: number): void {
  const pods = adopted === 0 ? "" : `, ${adopted} pods were still running`;
  const where = `${node.name} of site ${node.site}, mesh ${node.mesh.name}`;
  log("info", "AgentStarted", `${where}, listens on ${formatAddress(listening)}${pods}`);
}

/** Later things stand on earlier ones, so they close first; one that fails does not keep the rest open. */
async function closeAll(opened: readonly (() => Promise<void>)[]): Promise<void> {
  let failure: unknown;
  for (const close of opened) {
    try {
      await close();
    } catch (error) {
      failure ??= error;
    }
  }
  if (failure !== undefined) throw failure;
}

/** What a peer would reach us at, as far as it is known before the port is open. */
function podAddress({ podAddress: wanted, advertise }: Config, listen: Address): string {
  if (wanted !== "") return wanted;
  const [first] = addressesOf({ listen: { ...listen, port: listen.port || 1 }, advertise });
  const parsed = first === undefined ? undefined : parseAddress(first);
  return parsed?.host ?? localHost(listen.host);
}

function localHost(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  return host === "::" ? "::1" : host;
}

function once(work: () => Promise<void>): () => Promise<void> {
  let result: Promise<void> | undefined;
  return () => (result ??= work());
}
