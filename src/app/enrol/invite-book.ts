import { createHash, randomBytes, timingSafeEqual, X509Certificate } from "node:crypto";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseJson } from "../../core/kernel/json.ts";
import { fields, integer, list, oneOf, text, type Shaped } from "../../core/kernel/shape.ts";
import type { NodeIdentity } from "../../core/node/contract.ts";
import type { Grant } from "../../core/records/bodies.ts";
import { fingerprintOf } from "../../shells/identity-file/keys.ts";
import { makeDirectory, readText, writeDurably } from "../../shells/identity-file/durable-files.ts";
import { IdentityError } from "../../shells/identity-file/identity-error.ts";
import { layoutOf } from "../../shells/identity-file/layout.ts";
import { isEnroller, loadIdentity } from "../../shells/identity-file/load-identity.ts";
import { addressesIn, checkName, checkRegion } from "../../shells/identity-file/names.ts";
import { encodeInvite } from "./invite.ts";

/**
 * The invites that a node gave out: one file each, so that several programs may make invites at a time.
 * Only the hash of the secret is kept. Uses are spent by the running agent alone, which holds the lock of
 * the data folder.
 */
const joinShape = fields({
  node: text(20),
  name: text(63),
  signKey: text(64),
  tlsKey: text(64),
  certificate: text(16_384),
  /** The roster record's frame, base64. */
  frame: text(16_384),
});
const entryShape = fields({
  secretHash: text(64),
  site: text(63),
  region: text(63),
  grants: list(oneOf("enrol", "write"), 8),
  usesMax: integer(1, 1_000),
  createdAt: integer(0, Number.MAX_SAFE_INTEGER),
  expiresAt: integer(0, Number.MAX_SAFE_INTEGER),
  joins: list(joinShape, 1_000),
});

/** Who was admitted by an invite: what a repeated question is answered with. */
export type JoinEntry = Shaped<typeof joinShape>;
export type InviteEntry = Shaped<typeof entryShape>;

export type InviteOptions = {
  readonly directory: string;
  /** Where the newcomer will stand; our own site when missing. */
  readonly site?: string | undefined;
  /** Our own when missing; for another site only where everybody knows everybody. */
  readonly region?: string | undefined;
  readonly ttlMs: number;
  /** How many nodes may join with it. */
  readonly uses?: number | undefined;
  readonly grants?: readonly Grant[] | undefined;
  /** `host:port` on which newcomers reach this node. */
  readonly addresses: readonly string[];
  readonly now: number;
};

const ttlMaxMs = 90 * 86_400_000;
const usesMax = 1_000;
const invitesMax = 1_000;
/** Spent and expired invites are kept this long, so that a late newcomer is told the true reason. */
const keptMs = 7 * 86_400_000;

/** An invite, and where it places whoever comes with it. */
export type MadeInvite = { readonly invite: string; readonly site: string; readonly region: string };

export const createInvite = (options: InviteOptions): string => makeInvite(options).invite;

/** Makes an invite on an enroller, whether its agent runs or not. Throws an `IdentityError`. */
export function makeInvite(options: InviteOptions): MadeInvite {
  const { directory, ttlMs, uses = 1, grants = ["write"], addresses, now } = options;
  const { node, tls } = loadIdentity(directory);
  if (!isEnroller(directory)) throw new IdentityError({ type: "not-an-enroller", directory });
  const { site = node.site } = options;
  checkName("the site", site);
  const region = options.region ?? ownRegion(node, site);
  checkRegion("the region", region);
  addressesIn(addresses, undefined);
  if (addresses.length === 0) throw invalid("an invite needs at least one address of this node");
  if (!Number.isSafeInteger(uses) || uses < 1 || uses > usesMax)
    throw invalid(`uses ${uses}: an invite is for 1 to ${usesMax} machines; make another one for more`);
  if (!(ttlMs > 0 && ttlMs <= ttlMaxMs))
    throw invalid(`ttlMs ${ttlMs}: an invite is good for 1 to ${ttlMaxMs} ms, which is 2160h or 90 days`);
  const secret = randomBytes(24).toString("base64url");
  const secretHash = hashOf(secret);
  const expiresAt = now + Math.floor(ttlMs);
  const { invites } = layoutOf(directory);
  makeDirectory(invites);
  if (sweep(invites, now) >= invitesMax) throw invalid(`${invitesMax} invites are open already`);
  const entry: InviteEntry = {
    secretHash,
    site,
    region,
    grants: [...grants],
    usesMax: uses,
    createdAt: now,
    expiresAt,
    joins: [],
  };
  saveEntry(directory, entry);
  const caSpki = new X509Certificate(tls.caPem).publicKey.export({ type: "spki", format: "der" });
  const invite = encodeInvite({
    meshId: node.mesh.id,
    meshName: node.mesh.name,
    ca: fingerprintOf(caSpki),
    enroller: node.id,
    addresses: [...addresses],
    secret,
    site,
    region,
    createdAt: now,
    expiresAt,
  });
  return { invite, site, region };
}

/**
 * What a region that nobody named stands for. Where detail stays in its place, a site that we have not heard of may
 * stand anywhere all the same; a second one of its name would run what is to run once.
 */
function ownRegion({ site, region, mesh }: NodeIdentity, asked: string): string {
  if (asked === site || mesh.detail === "mesh") return region;
  throw invalid(
    `no region is given for the site ${JSON.stringify(asked)}, which this node does not know: with the detail ${mesh.detail} it may stand in any. Name it with --region, for example --region ${region}`,
  );
}

/** The invite a secret belongs to. The name of its file is public; the comparison takes constant time. */
export function findEntry(directory: string, secret: string): InviteEntry | undefined {
  const wanted = hashOf(secret);
  const path = pathOf(directory, wanted);
  if (!existsSync(path)) return undefined;
  const entry = readEntry(path);
  return timingSafeEqual(Buffer.from(entry.secretHash, "hex"), Buffer.from(wanted, "hex"))
    ? entry
    : undefined;
}

export function saveEntry(directory: string, entry: InviteEntry): void {
  writeDurably(pathOf(directory, entry.secretHash), JSON.stringify(entry));
}

function pathOf(directory: string, secretHash: string): string {
  return join(layoutOf(directory).invites, `${secretHash.slice(0, 16)}.json`);
}

function readEntry(path: string): InviteEntry {
  const entry = entryShape(parseJson(Buffer.from(readText(path))));
  if (entry === undefined) throw new IdentityError({ type: "broken", path, detail: "not an invite's file" });
  return entry;
}

/** Forgets what nobody can come with any more; returns how many are left. */
function sweep(invites: string, now: number): number {
  let left = 0;
  for (const name of readdirSync(invites)) {
    if (!name.endsWith(".json")) continue;
    const path = join(invites, name);
    if (readEntry(path).expiresAt + keptMs < now) rmSync(path, { force: true });
    else left++;
  }
  return left;
}

const hashOf = (secret: string): string =>
  createHash("sha256").update("starlight invite\0").update(secret).digest("hex");

const invalid = (detail: string): IdentityError => new IdentityError({ type: "invalid", detail });
