import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Transport, TransportEvents } from "../../ports/transport.ts";
import { loadIdentity } from "../../shells/identity-file/load-identity.ts";
import { whoAnswers } from "../../shells/transport-http2/who-answers.ts";
import { createTestBed } from "../testbed.ts";
import { joinMesh } from "../enrol/join-mesh.ts";
import { createInvite } from "../enrol/invite-book.ts";
import { createHints, withHints } from "./hints.ts";
import { isSeed } from "./seed-names.ts";
import { askSeeds } from "./seeds.ts";

const silent: TransportEvents = { opened: () => {}, closed: () => {}, frame: () => {}, dialFailed: () => {} };

function recordingTransport(): { readonly transport: Transport; readonly dialled: string[] } {
  const dialled: string[] = [];
  const transport: Transport = {
    dial: (peer, addresses) => void dialled.push(`${peer}@${addresses.join("+")}`),
    send: () => {},
    close: () => {},
    sentBytes: () => 0,
    ownEndUp: () => true,
    stop: () => Promise.resolve(),
  };
  return { transport, dialled };
}

suite("hints", () => {
  test("the first dial and then every other one goes where the member said it is", () => {
    const hints = createHints({ isMember: () => true, now: () => 0 });
    const { transport, dialled } = recordingTransport();
    const hinted = withHints(hints, silent);
    const wrapped = hinted.wrap(transport);
    hints.add("n", "seen:1");
    for (let dial = 0; dial < 4; dial++) wrapped.dial("n", ["said:1"]);
    hinted.events.opened(1, "n", true, { tlsKey: "" });
    wrapped.dial("n", ["said:1"]);
    wrapped.dial("n", ["seen:1"]);
    wrapped.dial("other", ["said:2"]);
    wrapped.dial("other", ["said:2"]);
    assert.deepEqual(dialled, [
      "n@said:1",
      "n@seen:1",
      "n@said:1",
      "n@seen:1",
      "n@said:1",
      "n@seen:1",
      "other@said:2",
      "other@said:2",
    ]);
  });

  test("4 hints a member are kept, the newest first, for 180 s; none of strangers", () => {
    let now = 0;
    const hints = createHints({ isMember: (node) => node !== "stranger", now: () => now });
    for (let at = 0; at < 10; at++) hints.add("n", `10.0.0.${at}:1`);
    hints.add("n", "10.0.0.7:1");
    hints.add("stranger", "10.0.0.1:1");
    assert.deepEqual(hints.of("n"), ["10.0.0.7:1", "10.0.0.9:1", "10.0.0.8:1", "10.0.0.6:1"]);
    assert.deepEqual(hints.of("stranger"), []);
    now = 179_999;
    assert.equal(hints.of("n").length, 4);
    now = 180_000;
    assert.deepEqual(hints.of("n"), []);
  });

  test("hints about 1,024 members are kept, whoever announces more", () => {
    const hints = createHints({ isMember: () => true, now: () => 0 });
    for (let at = 0; at < 5_000; at++) hints.add(`n${at}`, "a:1");
    const kept = Array.from({ length: 5_000 }, (_, at) => hints.of(`n${at}`).length);
    assert.equal(
      kept.reduce((sum, count) => sum + count, 0),
      1_024,
    );
  });
});

suite("seeds", () => {
  const asked = async (
    seeds: readonly string[],
    targets: readonly { name: string; port: number; priority: number }[] | Error,
  ): Promise<{
    readonly asked: readonly string[];
    readonly found: readonly string[];
    readonly said: string;
  }> => {
    const questions: string[] = [];
    const found: string[] = [];
    let said = "";
    await askSeeds(
      seeds,
      {
        services: () => (targets instanceof Error ? Promise.reject(targets) : Promise.resolve(targets)),
        whoAnswers: (address) => {
          questions.push(address);
          return Promise.resolve(address.startsWith("good") ? "node" : undefined);
        },
        found: (node, address) => void found.push(`${node}@${address}`),
        log: (message) => void (said += message),
      },
      new AbortController().signal,
    );
    return { asked: questions, found, said };
  };

  test("an SRV name is asked at its targets, the smallest priority first", async () => {
    const targets = [
      { name: "far.example.", port: 2, priority: 20 },
      { name: "good.example.", port: 1, priority: 10 },
    ];
    const result = await asked(["_starlight._tcp.example.org", "10.0.0.1:7443"], targets);
    assert.deepEqual(result.asked, ["good.example:1", "far.example:2", "10.0.0.1:7443"]);
    assert.deepEqual(result.found, ["node@good.example:1"]);
  });

  test("a name that does not resolve leaves the others, and is told", async () => {
    const result = await asked(
      ["_starlight._tcp.example.org", "good:1"],
      new Error("queryService ENOTFOUND"),
    );
    assert.deepEqual(result.found, ["node@good:1"]);
    assert.match(result.said, /_starlight._tcp.example.org cannot be resolved: queryService ENOTFOUND/);
  });

  test("at most 32 addresses are asked, whatever DNS says", async () => {
    const targets = Array.from({ length: 500 }, (_, at) => ({ name: `h${at}`, port: 1, priority: 0 }));
    assert.equal((await asked(["_starlight._tcp.example.org"], targets)).asked.length, 32);
  });

  test("seeds are HOST:PORT or SRV names, and nothing else", () => {
    const good = ["10.0.0.1:7443", "[::1]:7443", "a.example:1", "_starlight._tcp.shops.example"];
    assert.deepEqual(
      good.filter((text) => !isSeed(text)),
      [],
    );
    const bad = ["", "10.0.0.1", "_starlight._udp.x", "_a._tcp.b c", "http://x:1", "_starlight._tcp"];
    assert.deepEqual(bad.filter(isSeed), []);
  });
});

test("a node whose peer moved finds it again through a seed", async () => {
  const bed = createTestBed();
  try {
    const first = await bed.mesh("first");
    const advertise = "127.0.0.1:1";
    const quick = { pingEveryMs: 200, silentAfterMs: 1_000, redialMaxMs: 300, discovery: "off" };
    const a = await bed.agent(first, { flags: { ...quick, advertise: [advertise] } });
    const invite = createInvite({
      directory: first,
      ttlMs: 60_000,
      addresses: [`127.0.0.1:${a.port}`],
      now: Date.now(),
    });
    const second = bed.folder("second");
    await joinMesh({ directory: second, invite, nodeName: "second", addresses: [advertise] });
    // What first says of itself leads nowhere; without the seed, second would never meet it.
    const b = await bed.agent(second, {
      flags: { ...quick, advertise: [advertise], seeds: [`127.0.0.1:${a.port}`] },
    });
    for (let tries = 0; b.view.member(a.identity.id)?.evidence.verdict !== "alive"; tries++) {
      assert.ok(tries < 200, "not found");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  } finally {
    await bed.close();
  }
});

test("a seed where a node of another mesh answers, or a program that is none, gives nothing", async () => {
  const bed = createTestBed();
  try {
    const mine = await bed.mesh("mine");
    const other = await bed.agent(await bed.mesh("other", { mesh: "other" }));
    const own = await bed.agent(mine);
    const ask = (address: string): Promise<string | undefined> =>
      whoAnswers(address, {
        identity: loadIdentity(mine),
        admits: (peer, key) => own.view.member(peer)?.member.tlsKey === key,
        signal: AbortSignal.timeout(5_000),
      });
    assert.equal(await ask(`127.0.0.1:${own.port}`), own.identity.id);
    assert.equal(await ask(`127.0.0.1:${other.port}`), undefined);
    assert.equal(await ask("127.0.0.1:1"), undefined);
    assert.equal(await ask("nonsense"), undefined);
  } finally {
    await bed.close();
  }
});
