import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { connect, type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { program } from "./peer.ts";
import type { Item } from "./workload.ts";

/** One etcd of its own, and gRPC to it with just the fields of etcd's rpc.proto that are needed here. */
export type EtcdServer = {
  readonly call: (path: string) => ClientHttp2Stream;
  /** Writes the items; the revision after the last. */
  readonly put: (items: readonly Item[]) => Promise<number>;
  /** Processor time of the server's threads so far. */
  readonly cpuMs: () => number;
  readonly rssBytes: () => number;
  readonly stop: () => Promise<void>;
};

/** Throws `Missing` without etcd in PATH. */
export function etcdVersion(): string {
  const text = execFileSync(binary(), ["--version"], { encoding: "utf8" });
  return /etcd Version: (\S+)/.exec(text)?.[1] ?? "unknown";
}

export const note =
  "one direction: etcd is the centre, all changes were written to it; the other side is a client's cache";

export async function startEtcd(): Promise<EtcdServer> {
  const data = mkdtempSync(join(tmpdir(), "sync-peers-etcd-"));
  const [clientPort, peerPort] = await Promise.all([freePort(), freePort()]);
  const [client, self] = [`http://127.0.0.1:${clientPort}`, `http://127.0.0.1:${peerPort}`];
  const flags = {
    name: "bench",
    "data-dir": data,
    "listen-client-urls": client,
    "advertise-client-urls": client,
    "listen-peer-urls": self,
    "initial-advertise-peer-urls": self,
    "initial-cluster": `bench=${self}`,
    logger: "zap",
    "log-level": "error",
  };
  const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
  const server = spawn(binary(), args, { stdio: "ignore" });
  const session = await connected(client, server);
  const call: EtcdServer["call"] = (path) =>
    session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
    });
  return {
    call,
    put: async (items) => {
      let revision = 0;
      for (let from = 0; from < items.length; from += 200) {
        const answers = await Promise.all(items.slice(from, from + 200).map((item) => put(call, item)));
        revision = Math.max(revision, ...answers);
      }
      return revision;
    },
    cpuMs: () => threadsMs(server.pid ?? 0),
    rssBytes: () => {
      const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${server.pid}/status`, "utf8"));
      return Number(line?.[1]) * 1024;
    },
    stop: async () => {
      session.destroy();
      const gone = new Promise((resolve) => server.once("exit", resolve));
      server.kill("SIGKILL");
      await gone;
      rmSync(data, { recursive: true, force: true });
    },
  };
}

/** The range that holds every record: keys from `status/` up to but without `status0`. */
export const everyRecord: readonly Field[] = [
  [1, "status/"],
  [2, "status0"],
];

/** A field of a protobuf message: its number, and a varint or something with a length. */
export type Field = readonly [number: number, value: number | string | Uint8Array];

/** A gRPC message without compression: a zero, the length, and the protobuf. */
export function framed(fields: readonly Field[]): Buffer {
  const message = encoded(fields);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

export function encoded(fields: readonly Field[]): Buffer {
  const parts = fields.flatMap(([number, value]) => {
    if (typeof value === "number") return [varint(number * 8), varint(value)];
    const bytes = Buffer.from(value);
    return [varint(number * 8 + 2), varint(bytes.length), bytes];
  });
  return Buffer.concat(parts);
}

export function decoded(message: Buffer): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const number = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message.readUInt8(at++);
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const tag = number();
    if (tag % 8 === 0) {
      fields.push([tag >> 3, number()]);
      continue;
    }
    const length = number();
    fields.push([tag >> 3, message.subarray(at, at + length)]);
    at += length;
  }
  return fields;
}

/** The messages in one field of a message. */
export function messagesIn(fields: readonly Field[], wanted: number): Field[][] {
  return fields.filter(([number]) => number === wanted).map(([, bytes]) => decoded(bytes as Buffer));
}

/** Key and value of a `KeyValue`. */
export function keyValue(fields: readonly Field[]): [key: string, value: unknown] {
  const text = (wanted: number): string => String(fields.find(([number]) => number === wanted)?.[1]);
  return [text(1), JSON.parse(text(5))];
}

/** Calls `visit` with each whole gRPC message of a stream, its five bytes of head included. */
export function onMessages(stream: ClientHttp2Stream, visit: (frame: Buffer) => void): void {
  let chunks: Buffer[] = [];
  let held = 0;
  stream.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    held += chunk.length;
    for (;;) {
      if (held < 5) return;
      if ((chunks[0]?.length ?? 0) < 5) chunks = [Buffer.concat(chunks)];
      const length = 5 + (chunks[0]?.readUInt32BE(1) ?? 0);
      if (held < length) return;
      const all = Buffer.concat(chunks);
      chunks = [all.subarray(length)];
      held -= length;
      visit(all.subarray(0, length));
    }
  });
}

function binary(): string {
  return program("etcd", "etcd-server");
}

async function put(call: EtcdServer["call"], { key, value }: Item): Promise<number> {
  const stream = call("/etcdserverpb.KV/Put");
  return await new Promise((resolve, reject) => {
    stream.once("error", reject);
    stream.once("end", () => reject(new Error("etcd refused a put")));
    onMessages(stream, (frame) => {
      const [header] = messagesIn(decoded(frame.subarray(5)), 1);
      resolve(Number(header?.find(([number]) => number === 3)?.[1]));
    });
    stream.end(
      framed([
        [1, key],
        [2, JSON.stringify(value)],
      ]),
    );
  });
}

async function connected(url: string, server: ChildProcess): Promise<ClientHttp2Session> {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (server.exitCode !== null) throw new Error(`etcd ended with code ${server.exitCode}`);
    const session = connect(url, { settings: { initialWindowSize: 2 ** 24 } });
    const open = await new Promise<boolean>((resolve) => {
      session.once("remoteSettings", () => resolve(true));
      session.once("error", () => resolve(false));
    });
    if (open) {
      session.setLocalWindowSize(2 ** 24);
      return session;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  server.kill("SIGKILL");
  throw new Error("etcd does not answer within 10 s");
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return address !== null && typeof address === "object" ? address.port : 0;
}

/** The first number of a thread's schedstat is its time on a processor in nanoseconds. */
function threadsMs(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const times = threads.map((id) => readFileSync(`/proc/${pid}/task/${id}/schedstat`, "utf8").split(" ")[0]);
  return times.reduce((sum, time) => sum + Number(time), 0) / 1e6;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}
