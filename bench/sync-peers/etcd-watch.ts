import {
  decoded,
  encoded,
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

/** A client that was away resumes its watch after the last revision it saw: gRPC, protobuf. */
export const peer: SyncPeer = {
  name: "etcd, resumed watch",
  version,
  run: async (workload) => {
    const wire = createWire();
    const server = await startEtcd();
    try {
      const seen = await server.put(workload.base);
      const last = await server.put(workload.changes.flat());
      const cache = new Map<string, unknown>(workload.base.map(({ key, value }) => [key, value]));
      const before = server.cpuMs();
      const ownMs = await cpuOf(async () => await resume(server, wire, cache, seen + 1, last));
      const cpuMs = ownMs + server.cpuMs() - before;
      const rssBytes = residentBytes() + server.rssBytes();
      return { ...wire.totals(), cpuMs, rssBytes, agree: isAgreed(workload, cache), note };
    } finally {
      await server.stop();
    }
  },
};

/** Applies the events of revisions `from` to `to`. */
async function resume(
  server: EtcdServer,
  wire: Wire,
  cache: Map<string, unknown>,
  from: number,
  to: number,
): Promise<void> {
  const stream = server.call("/etcdserverpb.Watch/Watch");
  const request = framed([[1, encoded([...everyRecord, [3, from]])]]);
  wire.pass(request);
  let missing = to - from + 1;
  await new Promise<void>((resolve, reject) => {
    stream.once("error", reject);
    stream.once("end", () => reject(new Error("etcd ended the watch")));
    onMessages(stream, (frame) => {
      wire.pass(frame);
      for (const event of messagesIn(decoded(frame.subarray(5)), 11)) {
        const [pair] = messagesIn(event, 2);
        cache.set(...keyValue(pair ?? []));
        missing--;
      }
      if (missing === 0) resolve();
    });
    stream.write(request);
  });
}
