import assert from "node:assert/strict";
import { after, test } from "node:test";
import { tick, type Version } from "../../core/kernel/hybrid-clock.ts";
import { openStored } from "../../core/records/seal.ts";
import { nodeCrypto } from "../../shells/crypto-node/node-crypto.ts";
import { loadIdentity } from "../../shells/identity-file/load-identity.ts";
import { createTestBed } from "../testbed.ts";
import { createEnroller } from "./enroller.ts";

const bed = createTestBed();
after(() => bed.close());

test("what an enroller writes after it revoked a member whose clock was ahead is stamped later still, also after a restart", async () => {
  const directory = await bed.mesh("ahead", { mesh: "ahead" });
  const agent = await bed.agent(directory);
  const identity = loadIdentity(directory);
  const [fast, slow] = ["a".repeat(20), "b".repeat(20)];
  const newestOfFast = tick({ last: 0 }, Date.now() + 60_000);
  const stamps: Version[] = [];
  const view = {
    ...agent.view,
    memberBody: () => agent.view.memberBody(identity.node.id),
    newestBy: (author: string) =>
      author === fast ? newestOfFast : author === identity.node.id ? Math.max(0, ...stamps) : 0,
  };
  const admit = (frame: Uint8Array): Promise<boolean> => {
    const record = openStored(frame, nodeCrypto);
    assert.ok(record.ok);
    stamps.push(record.value.version);
    return Promise.resolve(true);
  };
  const enroller = () => createEnroller({ directory, identity, view, admit, wall: Date.now });
  const first = enroller();
  await first.revoke(fast, "lost");
  await first.revoke(slow, "lost");
  await enroller().revoke(slow, "lost");
  assert.equal(stamps.length, 3);
  assert.deepEqual(
    stamps,
    [...new Set(stamps)].toSorted((left, right) => left - right),
  );
  assert.ok((stamps[0] ?? 0) > newestOfFast);
});
