import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { createApi } from "../../api/create-api.ts";
import { createApiBed, type ApiBed } from "../../api/testbed.ts";
import type { NodeIdentity } from "../../core/node/contract.ts";
import { details, type Place } from "../../core/records/scope.ts";
import type { AppError } from "../app-error.ts";
import { bareParts, createTestBed } from "../testbed.ts";
import { checkJoin } from "./check-join.ts";
import { createInvite } from "./invite-book.ts";
import { joinMesh } from "./join-mesh.ts";
import { knownRegions } from "./site-book.ts";

const folders = createTestBed();
const beds: ApiBed[] = [];
after(async () => {
  for (const bed of [...beds, folders]) await bed.close();
});

async function bedOf(...options: Parameters<typeof createApiBed>): Promise<ApiBed> {
  const bed = await createApiBed(...options);
  beds.push(bed);
  return bed;
}

type Asked = { readonly status: number; readonly detail: string; readonly region: string | undefined };

async function asked(bed: ApiBed, place: Partial<Place>): Promise<Asked> {
  const { status, text } = await bed.call("POST", "/starlight/v1/invites", place);
  const { detail = "", region } = JSON.parse(text) as Partial<Asked>;
  return { status, detail, region };
}

/** From the book itself, as before the site was founded. */
const invited = ({ directory, server }: ApiBed, place: Place): string =>
  createInvite({ directory, ...place, addresses: [server], ttlMs: 60_000, now: Date.now() });

const joined = (invite: string, nodeName: string): Promise<NodeIdentity> =>
  joinMesh({ invite, directory: folders.folder(nodeName), nodeName, addresses: [] });

for (const detail of details)
  describe(`with the detail ${detail}`, async () => {
    const bed = await bedOf(`at-${detail}`, { region: "eu.de", detail });
    const paris = { site: "paris", region: "eu.fr" };

    test("an invite for a site that was founded in eu.fr gets that region when it names none", async () => {
      const [first, late] = [invited(bed, paris), invited(bed, { site: "paris", region: "us" })];
      const node = await joined(first, `paris-${detail}`);
      assert.equal(node.region, "eu.fr");
      assert.deepEqual(await asked(bed, { site: "paris" }), { status: 201, detail: "", region: "eu.fr" });
      assert.equal((await asked(bed, paris)).status, 201);

      const wrong = await asked(bed, { site: "paris", region: "eu.it" });
      assert.equal(wrong.status, 409);
      assert.match(
        wrong.detail,
        /the region "eu\.it" conflicts with the site "paris", which stands in eu\.fr: .* Use the region eu\.fr, or /,
      );
      const check = await checkJoin({ invite: late, nodeName: `twin-${detail}` });
      assert.match(check.failing?.detail ?? "", /"us" conflicts with the site "paris"/);
      await assert.rejects(joined(late, `twin-${detail}`), (error: AppError) => {
        assert.equal(error.exitCode, 26);
        assert.match(
          error.message,
          /refused: the region "us" conflicts with the site "paris", which stands in eu\.fr/,
        );
        return true;
      });

      await bed.call("POST", "/starlight/v1/revocations", { node: node.id });
      assert.equal((await asked(bed, { site: "paris", region: "us" })).status, 201, "nobody is left in it");
    });

    test("the enroller's own site is in the enroller's region and in no other", async () => {
      assert.deepEqual(await asked(bed, { site: "here" }), { status: 201, detail: "", region: "eu.de" });
      assert.equal((await asked(bed, {})).region, "eu.de");
      const wrong = await asked(bed, { site: "here", region: "eu.it" });
      assert.equal(wrong.status, 409);
      assert.match(wrong.detail, /"eu\.it" conflicts with the site "here", which stands in eu\.de/);
      assert.equal((await asked(bed, { region: "eu.it" })).status, 409);
    });

    test("a site that nobody heard of needs a region unless everybody would have", async () => {
      const { status, detail: why, region } = await asked(bed, { site: "rome" });
      if (detail === "mesh") return assert.deepEqual([status, region], [201, "eu.de"]);
      assert.equal(status, 422);
      assert.match(why, /no region is given for the site "rome", which this node does not know: .* --region/);
      assert.equal((await asked(bed, { site: "rome", region: "eu.it" })).status, 201);
    });
  });

test("an enroller that lost its records still knows where the sites stand that it admitted", async () => {
  const directory = await folders.mesh("forgetful", { region: "eu.de", detail: "region" });
  const start = () => folders.agent(directory, { parts: { ...bareParts, api: createApi } });
  const before = await start();
  const server = `127.0.0.1:${before.port}`;
  const place = { site: "paris", region: "eu.fr" };
  const order = { directory, addresses: [server], ttlMs: 60_000, now: Date.now() };
  await joined(createInvite({ ...order, ...place }), "paris-kept");
  await before.stop();
  for (const file of ["state.db", "state.db-wal", "state.db-shm"])
    rmSync(join(directory, file), { force: true });
  const { view } = await start();
  assert.deepEqual(view.regionsOfSite("paris"), []);
  assert.deepEqual(knownRegions({ directory, view }, "paris"), ["eu.fr"]);
  assert.deepEqual(knownRegions({ directory, view }, "../invites"), []);
});
