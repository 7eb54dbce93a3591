import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import type { Identity } from "../../ports/identity.ts";
import { makeDirectory, writeDurably } from "../../shells/identity-file/durable-files.ts";
import { layoutOf } from "../../shells/identity-file/layout.ts";
import { CommandError } from "../exit-codes.ts";
import { nodeCrypto } from "../../shells/crypto-node/node-crypto.ts";

/**
 * An invite is one line of text: which mesh, where, for which site, until when, and a secret. The
 * enroller keeps only the secret's hash, so a stolen data folder admits nobody.
 */

const prefix = "starlight1.";
const checksumLength = 6;
const textMax = 8_192;

const inviteSchema = v.strictObject({
  mesh: v.pipe(v.string(), v.regex(/^[0-9a-f]{20}$/)),
  meshName: v.pipe(v.string(), v.maxLength(63)),
  /** SHA-256 of the CA certificate in DER: the newcomer trusts no other. */
  ca: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  addresses: v.pipe(v.array(v.pipe(v.string(), v.maxLength(300))), v.minLength(1), v.maxLength(16)),
  secret: v.pipe(v.string(), v.maxLength(64)),
  site: v.pipe(v.string(), v.maxLength(63)),
  region: v.pipe(v.string(), v.maxLength(63)),
  expires: v.number(),
});

export type Invite = v.InferOutput<typeof inviteSchema>;

const heldSchema = v.array(
  v.object({
    hash: v.string(),
    site: v.string(),
    region: v.string(),
    expires: v.number(),
    uses: v.number(),
    usedBy: v.array(v.string()),
  }),
);
type Held = v.InferOutput<typeof heldSchema>[number];

export type InviteOrder = {
  readonly site: string;
  readonly region: string;
  readonly ttlMs: number;
  readonly uses: number;
  readonly addresses: readonly string[];
  readonly now: number;
};

export function createInvite(data: string, identity: Identity, order: InviteOrder): string {
  const secret = randomBytes(18).toString("base64url");
  const { mesh } = identity.node;
  const invite: Invite = {
    mesh: mesh.id,
    meshName: mesh.name,
    ca: caHash(identity.tls.caPem),
    addresses: [...order.addresses],
    secret,
    site: order.site,
    region: order.region,
    expires: order.now + order.ttlMs,
  };
  const held: Held = {
    hash: hashOf(secret),
    site: order.site,
    region: order.region,
    expires: invite.expires,
    uses: order.uses,
    usedBy: [],
  };
  const others = readHeld(data).filter(({ expires }) => expires + 86_400_000 > order.now);
  writeHeld(data, [...others, held]);
  const body = Buffer.from(JSON.stringify(invite)).toString("base64url");
  return `${prefix}${body}.${checksum(body)}`;
}

/** Reads an invite; every way it can be wrong has its own message. */
export function decodeInvite(text: string, now: number): Invite {
  const trimmed = text.trim();
  if (!trimmed.startsWith(prefix)) {
    throw new CommandError("inviteInvalid", `this is not an invite: it should begin with ${prefix}`);
  }
  const [, body = "", sum = ""] = trimmed.split(".");
  if (trimmed.length > textMax || checksum(body) !== sum) {
    throw new CommandError("inviteInvalid", "the invite is damaged or cut short: copy the whole line again");
  }
  const parsed = v.safeParse(inviteSchema, json(Buffer.from(body, "base64url").toString()));
  if (!parsed.success)
    throw new CommandError("inviteInvalid", "the invite was made by a version that this one cannot read");
  if (parsed.output.expires < now) {
    const when = new Date(parsed.output.expires).toISOString();
    throw new CommandError(
      "inviteExpired",
      `the invite expired at ${when} (this machine's clock says ${new Date(now).toISOString()}): ask for a new one`,
    );
  }
  return parsed.output;
}

/** What an invite's secret allows, if it still does. The same key may use it again: its answer was lost. */
export function findInvite(
  data: string,
  secret: string,
  signKey: string,
  now: number,
): { readonly site: string; readonly region: string } | "unknown" | "expired" | "used" {
  const wanted = Buffer.from(hashOf(secret));
  const held = readHeld(data).find(({ hash }) => timingSafeEqual(Buffer.from(hash), wanted));
  if (held === undefined) return "unknown";
  if (held.expires < now) return "expired";
  return held.usedBy.includes(signKey) || held.usedBy.length < held.uses ? held : "used";
}

export function useInvite(data: string, secret: string, signKey: string): void {
  const hash = hashOf(secret);
  const all = readHeld(data);
  for (const held of all) if (held.hash === hash && !held.usedBy.includes(signKey)) held.usedBy.push(signKey);
  writeHeld(data, all);
}

export function caHash(caPem: string): string {
  const der = Buffer.from(caPem.replace(/-----[^-]+-----|\s/g, ""), "base64");
  return Buffer.from(nodeCrypto.sha256(der)).toString("hex");
}

function readHeld(data: string): Held[] {
  const file = join(layoutOf(data).invites, "invites.json");
  if (!existsSync(file)) return [];
  return v.parse(heldSchema, json(readFileSync(file, "utf8")));
}

function writeHeld(data: string, held: readonly Held[]): void {
  const { invites } = layoutOf(data);
  makeDirectory(invites);
  writeDurably(join(invites, "invites.json"), JSON.stringify(held, undefined, 1));
}

const hashOf = (secret: string): string =>
  createHash("sha256").update(`starlight invite ${secret}`).digest("hex");
const checksum = (body: string): string =>
  createHash("sha256").update(body).digest("hex").slice(0, checksumLength);

function json(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
