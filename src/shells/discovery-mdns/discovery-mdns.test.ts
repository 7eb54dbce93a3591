import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { suite, test } from "node:test";
import { decode, encode } from "dns-packet";
import * as fc from "fast-check";
import multicastDns from "multicast-dns";
import { discoveryAcceptance } from "../../ports/discovery-acceptance.ts";
import { createMdnsDiscovery } from "./create-discovery.ts";
import { createFloodGuard } from "./flood-guard.ts";
import { isOnLan } from "./interfaces.ts";
import { announcement, answer, query, readDatagram } from "./messages.ts";

/** Real multicast, on the loopback interface and on a free port instead of 5353. */

const loopback = [{ address: "127.0.0.1", netmask: "255.0.0.0" }];
const announce = { meshId: "11111111111111111111", nodeId: "aaaaaaaaaaaaaaaaaaaa", port: 7001 };
const nodeB = "bbbbbbbbbbbbbbbbbbbb";

async function freePort(): Promise<number> {
  const socket = createSocket("udp4");
  socket.bind(0);
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  return port;
}

discoveryAcceptance("mDNS on the loopback interface", async () => {
  const port = await freePort();
  return {
    open: (options) => createMdnsDiscovery({ ...options, port, lans: () => loopback }),
    remove: () => Promise.resolve(),
  };
});

suite("mDNS messages", () => {
  const ask = (...names: string[]) => ({
    id: 7,
    names: names.map((name) => ({ name, type: "PTR" })),
    known: new Set<string>(),
  });

  test("an independent mDNS program finds the service, its port and its address", async () => {
    const port = await freePort();
    const discovery = await createMdnsDiscovery({
      announce,
      seen: () => {},
      log: () => {},
      port,
      lans: () => loopback,
    });
    const browser = multicastDns({ port, interface: "127.0.0.1", bind: "0.0.0.0" });
    try {
      await once(browser, "ready");
      const answers = await new Promise<readonly unknown[]>((resolve) => {
        browser.on("response", (packet) => resolve(packet.answers ?? []));
        browser.query("_starlight._tcp.local", "PTR");
      });
      const shown = answers.map((entry) => {
        const { type, name, data } = entry as { type: string; name: string; data: unknown };
        return [type, name, type === "TXT" ? (data as Buffer[]).map(String) : data];
      });
      const instance = `${announce.nodeId}._starlight._tcp.local`;
      assert.deepEqual(shown, [
        ["PTR", "_starlight._tcp.local", instance],
        ["SRV", instance, { port: 7001, priority: 0, weight: 0, target: `${announce.nodeId}.local` }],
        ["TXT", instance, ["v=1", `mesh=${announce.meshId}`]],
        ["A", `${announce.nodeId}.local`, "127.0.0.1"],
      ]);
    } finally {
      browser.destroy();
      await discovery.stop();
    }
  });

  test("an announcement is 320 bytes at most and tells mesh, node and port, nothing else", () => {
    const bytes = announcement(announce, "10.0.0.5", false);
    assert.ok(bytes.length <= 320, `${bytes.length} bytes`);
    assert.deepEqual(readDatagram(bytes), {
      type: "nodes",
      nodes: [{ ...announce, version: 1, goodbye: false }],
    });
  });

  test("a goodbye has time to live 0 and is read as one", () => {
    const heard = readDatagram(announcement(announce, "10.0.0.5", true));
    assert.deepEqual(heard, { type: "nodes", nodes: [{ ...announce, version: 1, goodbye: true }] });
  });

  test("a question that knows us already is not answered, one that knows another is", () => {
    const heard = (known: string[]) => {
      const said = readDatagram(query(known));
      return said?.type === "question" ? answer(said.question, announce, "10.0.0.5", false) : undefined;
    };
    assert.equal(heard([announce.nodeId]), undefined);
    assert.notEqual(heard([nodeB]), undefined);
  });

  test("questions about other services are not answered; the list of services names ours", () => {
    assert.equal(answer(ask("_ipp._tcp.local"), announce, "10.0.0.5", false), undefined);
    const listed = answer(ask("_services._dns-sd._udp.local"), announce, "10.0.0.5", false);
    const [only, ...more] = decode(listed ?? Buffer.alloc(0)).answers ?? [];
    assert.deepEqual(
      [only?.name, only?.type === "PTR" ? only.data : "", more.length],
      ["_services._dns-sd._udp.local", "_starlight._tcp.local", 0],
    );
  });

  test("a program without mDNS gets its question back, with its number and 10 s to live", () => {
    const packet = decode(
      answer(ask("_starlight._tcp.local"), announce, "10.0.0.5", true) ?? Buffer.alloc(0),
    );
    assert.equal(packet.id, 7);
    assert.equal(packet.questions?.[0]?.name, "_starlight._tcp.local");
    const lives = (packet.answers ?? []).map((record) => ("ttl" in record ? record.ttl : undefined));
    assert.deepEqual(new Set(lives), new Set([10]));
  });

  test("an answer whose mesh, node, port or version is none says nothing", () => {
    const said = (change: { mesh?: string; node?: string; port?: number; v?: string }): unknown => {
      const name = `${change.node ?? announce.nodeId}._starlight._tcp.local`;
      const data = [`v=${change.v ?? "1"}`, `mesh=${change.mesh ?? announce.meshId}`];
      return readDatagram(
        encode({
          type: "response",
          answers: [
            { type: "SRV", name, data: { port: change.port ?? 7001, target: "x.local" } },
            { type: "TXT", name, data },
          ],
        }),
      );
    };
    assert.notEqual(said({}), undefined);
    for (const wrong of [
      { mesh: "x" },
      { node: "../../etc" },
      { port: 0 },
      { v: "one" },
      { node: "a".repeat(21) },
    ])
      assert.equal(said(wrong), undefined, JSON.stringify(wrong));
  });

  test("no bytes make the reader throw, and none longer than 1,500 are read", () => {
    const sound = [query([nodeB]), announcement(announce, "10.0.0.5", false)];
    fc.assert(
      fc.property(
        fc.constantFrom(...sound),
        fc.array(fc.tuple(fc.nat(299), fc.nat(255))),
        (bytes, changes) => {
          const altered = Buffer.from(bytes);
          for (const [at, value] of changes) altered[at % altered.length] = value;
          readDatagram(altered);
        },
      ),
      { numRuns: 2_000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => void readDatagram(Buffer.from(bytes))),
    );
    const long = Buffer.concat([announcement(announce, "10.0.0.5", false), Buffer.alloc(1_500)]);
    assert.equal(readDatagram(long), undefined);
  });
});

test("a loud neighbour is heard 20 times and then 5 times a second; the others are heard on", () => {
  const guard = createFloodGuard();
  const heard = (sender: string, nowMs: number, times: number): number =>
    Array.from({ length: times }, () => guard.admits(sender, nowMs)).filter(Boolean).length;
  assert.equal(heard("10.0.0.66", 0, 1_000), 20);
  assert.equal(heard("10.0.0.66", 1_000, 1_000), 5);
  assert.equal(heard("10.0.0.7", 1_000, 3), 3);
  const many = Array.from({ length: 5_000 }, (_, at) => guard.admits(`10.1.${at >> 8}.${at & 255}`, 1_000));
  assert.ok(many.filter(Boolean).length <= 600, "600 at once from all together");
});

test("a sender counts as a neighbour within the netmask only", () => {
  const lans = [{ address: "192.168.1.10", netmask: "255.255.255.0" }];
  assert.deepEqual(
    ["192.168.1.200", "192.168.2.1", "8.8.8.8", "fe80::1", ""].map((sender) => isOnLan(sender, lans)),
    [true, false, false, false, false],
  );
});
