import {
  decoded,
  etcdVersion,
  everyRecord,
  framed,
  keyValue,
  messagesIn,
  note,
  onMessages,
  startEtcd,
  type EtcdServer,
} from "./etcd-server.ts";
import { cpuOf, createWire, isAgreed, residentBytes, type SyncPeer, type Wire } from "./peer.ts";

const version = etcdVersion();

/** A client whose revision was compacted away lists everything anew: gRPC, protobuf, one request. */
export const peer: SyncPeer = {
  name: "etcd, full re-list",
  version,
  run: async (workload) => {
    const wire = createWire();
    const server = await startEtcd();
    try {
      await server.put(workload.base);
      await server.put(workload.changes.flat());
      const cache = new Map<string, unknown>();
      const before = server.cpuMs();
      const ownMs = await cpuOf(async () => await list(server, wire, cache));
      const cpuMs = ownMs + server.cpuMs() - before;
      const rssBytes = residentBytes() + server.rssBytes();
      return { ...wire.totals(), cpuMs, rssBytes, agree: isAgreed(workload, cache), note };
    } finally {
      await server.stop();
    }
  },
};

async function list(server: EtcdServer, wire: Wire, cache: Map<string, unknown>): Promise<void> {
  const stream = server.call("/etcdserverpb.KV/Range");
  const request = framed(everyRecord);
  wire.pass(request);
  await new Promise<void>((resolve, reject) => {
    stream.once("error", reject);
    stream.once("end", () => reject(new Error("etcd refused the list")));
    onMessages(stream, (frame) => {
      wire.pass(frame);
      for (const pair of messagesIn(decoded(frame.subarray(5)), 2)) cache.set(...keyValue(pair));
      resolve();
    });
    stream.end(request);
  });
}
