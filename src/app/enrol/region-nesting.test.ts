import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createApiBed, type ApiBed } from "../../api/testbed.ts";
import type { NodeIdentity } from "../../core/node/contract.ts";
import { createTestBed } from "../testbed.ts";
import type { AppError } from "../app-error.ts";
import { createInvite } from "./invite-book.ts";
import { joinMesh } from "./join-mesh.ts";

const folders = createTestBed();
const inRegions = await createApiBed("regions", { region: "eu.de", detail: "region" });
const inSites = await createApiBed("sites", { region: "eu.de", detail: "site" });
after(async () => {
  for (const bed of [inRegions, inSites, folders]) await bed.close();
});

async function asked(bed: ApiBed, site: string, region: string): Promise<{ status: number; detail: string }> {
  const { status, text } = await bed.call("POST", "/starlight/v1/invites", { site, region });
  const { detail = "" } = JSON.parse(text) as { readonly detail?: string };
  return { status, detail };
}

/** From the book itself, as before anybody stood in the way. */
function invited({ directory, server }: ApiBed, region: string): string {
  return createInvite({
    directory,
    site: `site-of-${region}`,
    region,
    addresses: [server],
    ttlMs: 60_000,
    now: Date.now(),
  });
}

const joined = (invite: string, nodeName: string): Promise<NodeIdentity> =>
  joinMesh({ invite, directory: folders.folder(nodeName), nodeName, addresses: [] });

test("with the detail region no invite is made for a region around eu.de or within it, and one beside it is", async () => {
  const around = await asked(inRegions, "rome", "eu");
  assert.equal(around.status, 409);
  assert.match(
    around.detail,
    /the region "eu" cannot have nodes .*: eu\.de stands in it and has nodes\. Use /,
  );
  const within = await asked(inRegions, "ulm", "eu.de.south");
  assert.equal(within.status, 409);
  assert.match(within.detail, /"eu\.de\.south" cannot have nodes .*: it stands in eu\.de, .*Use eu\.de, or /);
  for (const region of ["eu.de", "eu.fr", "eu.dex", "us"])
    assert.equal((await asked(inRegions, "other", region)).status, 201, region);
});

test("with the detail site, regions of sites may be around and within others", async () => {
  for (const region of ["eu", "eu.de", "eu.de.south"])
    assert.equal((await asked(inSites, "rome", region)).status, 201, region);
});

test("of invites for us and us.west the one that is used first shuts the other out, at its join and at the next invite", async () => {
  const [outer, inner] = [invited(inRegions, "us"), invited(inRegions, "us.west")];
  const reno = await joined(inner, "reno-1");
  await assert.rejects(joined(outer, "york-1"), (error: AppError) => {
    assert.match(error.message, /refused: the region "us" cannot have nodes/);
    return true;
  });
  assert.equal((await asked(inRegions, "york", "us")).status, 409);
  assert.equal((await asked(inRegions, "york", "us.east")).status, 201);
  await inRegions.call("POST", "/starlight/v1/revocations", { node: reno.id });
  assert.equal((await asked(inRegions, "york", "us")).status, 201, "nobody is left in us.west");
});

test("a text that is no region is refused with 422 and what to write instead", async () => {
  const { status, detail } = await asked(inSites, "rome", "eu.-de");
  assert.equal(status, 422);
  assert.match(detail, /the region "eu\.-de" is not a region: use 1 to 6 names/);
});
