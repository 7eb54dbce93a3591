import assert from "node:assert/strict";
import { createServer } from "node:net";
import { after, test } from "node:test";
import type { Examination } from "../../ports/hops.ts";
import { loadIdentity } from "../../shells/identity-file/load-identity.ts";
import type { RunningAgent } from "../agent.ts";
import { createInvite } from "../enrol/invite-book.ts";
import { joinMesh } from "../enrol/join-mesh.ts";
import { parts } from "../parts.ts";
import { createTestBed } from "../testbed.ts";
import { examine } from "./examine.ts";
import type { ExamineDeps } from "./member-hops.ts";

const bed = createTestBed();
after(() => bed.close());

const quick = { pingEveryMs: 200, silentAfterMs: 1_000, redialMaxMs: 300 };
const directory = await bed.mesh("first", { mesh: "shop" });
const first = await bed.agent(directory, { parts, flags: quick });
const second = await joined("second");

async function joined(name: string): Promise<RunningAgent> {
  const addresses = [`127.0.0.1:${first.port}`];
  const invite = createInvite({ directory, addresses, ttlMs: 60_000, now: Date.now() });
  await joinMesh({ invite, directory: bed.folder(name), nodeName: name, addresses: [] });
  const agent = await bed.agent(bed.folder(name), { parts, flags: quick });
  await until(() => {
    const seen = first.view.member(agent.identity.id);
    return seen?.status !== undefined && seen.evidence.link !== undefined;
  });
  return agent;
}

function looking(from: RunningAgent, folder: string, change: Partial<ExamineDeps> = {}): ExamineDeps {
  const { view } = from;
  return {
    identity: loadIdentity(folder),
    member: view.member,
    members: view.members,
    admits: (peer, key) => view.member(peer)?.member.tlsKey === key,
    forbids: () => undefined,
    pathsTo: view.paths,
    localAddress: undefined,
    driftMaxMs: 600_000,
    wall: Date.now,
    ...change,
  };
}

const unlinked = (deps: ExamineDeps): ExamineDeps => ({
  ...deps,
  // As before the first link: a link would say that all is well.
  member: (node) => {
    const found = deps.member(node);
    return found && { ...found, evidence: { ...found.evidence, link: undefined, verdict: "unreachable" } };
  },
});

const second1 = second.identity.id;

/** `hop: detail`; every failure says what to do. */
function said({ failing }: Examination): string {
  assert.ok(failing === undefined || failing.fix !== "", `${failing?.hop} without a fix`);
  return failing === undefined ? "" : `${failing.hop}: ${failing.detail}`;
}

test("between two linked nodes 13 hops are tried and none fails", async () => {
  const way = await examine(looking(first, directory), second1);
  assert.equal(way.failing, undefined);
  const hops = [...way.before, ...way.addresses.flatMap((entry) => entry.hops), ...way.after];
  assert.deepEqual(
    hops.map(({ hop, outcome }) => `${hop} ${outcome}`),
    [
      "roster ok",
      "policy ok",
      "addresses ok",
      "resolve ok",
      "route ok",
      "tcp ok",
      "tls ok",
      "identity ok",
      "admitted ok",
      "version ok",
      "clock ok",
      "link ok",
      "relay skipped",
    ],
  );
});

test("each hop that fails is named, with the fix", async () => {
  const deps = unlinked(looking(first, directory));
  const deaf = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await new Promise((resolve) => deaf.once("listening", resolve));
  const { port } = deaf.address() as { readonly port: number };
  const other = await bed.agent(await bed.mesh("other", { mesh: "other" }), { parts });
  const third = await joined("third");
  const at = (...addresses: string[]): ExamineDeps => ({
    ...deps,
    pathsTo: () => ({ addresses, relays: [] }),
  });
  const local = (agent: RunningAgent): string => `127.0.0.1:${agent.port}`;
  assert.match(said(await examine(deps, "0".repeat(20))), /^roster: 0+ is not on our roster/);
  assert.match(
    said(await examine({ ...deps, admits: () => false }, second1)),
    /^policy: our side does not allow/,
  );
  assert.match(said(await examine(at(), second1)), /^addresses: it never said where it answers/);
  assert.match(said(await examine(at("no-such-host.invalid:1"), second1)), /^resolve: the name no-such-host/);
  assert.match(said(await examine(at("127.0.0.1:1"), second1)), /^tcp: .*nothing listens/);
  assert.match(said(await examine(at(`127.0.0.1:${port}`), second1)), /^tls: something answers/);
  assert.match(
    said(await examine(at(local(other)), second1)),
    /^tls: whoever answers has no certificate of our mesh/,
  );
  assert.match(said(await examine(at(local(third)), second1)), /^identity: another member, third/);
  const early = { ...deps, wall: () => Date.now() - 3_600_000 };
  assert.match(said(await examine(early, second1)), /^clock: its clock is 3[56]\d\d(\.\d)? s ahead of ours/);
  assert.match(said(await examine(deps, second1)), /^link: none, though it answers/);
  const best = await examine(at("127.0.0.1:1", local(third), "no-such-host.invalid:1"), second1);
  assert.match(said(best), /^identity: /, "the address that came furthest is blamed");
  deaf.close();
});

test("a node whose membership ended fails at `admitted`, and at the roster from the other side", async () => {
  const fired = await joined("fired");
  const firedDeps = looking(fired, bed.folder("fired"));
  const before = firedDeps.member(second1);
  await first.revoke(fired.identity.id, "it was stolen");
  await until(() => second.view.member(fired.identity.id) === undefined);
  const deps = unlinked({ ...firedDeps, member: () => before, admits: () => true });
  assert.match(said(await examine(deps, second1)), /^admitted: it does not take us for a member/);
  assert.match(said(await examine(looking(first, directory), fired.identity.id)), /^roster: /);
});

test("a node that is linked and cannot be dialled is well: it dialled us", async () => {
  const deps = looking(first, directory, { pathsTo: () => ({ addresses: ["127.0.0.1:1"], relays: [] }) });
  const way = await examine(deps, second1);
  assert.equal(way.failing, undefined);
  assert.match(way.after[0]?.detail ?? "", /it dialled us, as its own addresses cannot be dialled/);
});

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    assert.ok(tries < 500, "it did not come true in 10 s");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
