import { createHash } from "node:crypto";
import { parseJson } from "../../core/kernel/json.ts";
import { err, ok, type Result } from "../../core/kernel/result.ts";
import { fields, integer, list, text, type Shaped } from "../../core/kernel/shape.ts";
import { isNodeId } from "../../core/records/record.ts";
import { parseAddress } from "../../shells/identity-file/address.ts";
import { isRegion } from "../../core/records/scope.ts";
import { addressesMax, isName } from "../../shells/identity-file/names.ts";

/**
 * An invite is one line to copy and paste:
 *
 *     starlight1.<base64url of JSON>.<checksum>
 *
 * It holds a secret that admits whoever shows it, and what the newcomer needs to be sure that it talks
 * to the right mesh: the mesh id (hash of the root key), the CA's fingerprint and the enroller's node id.
 */
const inviteShape = fields({
  meshId: text(20),
  meshName: text(63),
  /** SHA-256 of the CA's SubjectPublicKeyInfo, in hex. */
  ca: text(64),
  /** The node that made it and answers for it. */
  enroller: text(20),
  addresses: list(text(300), addressesMax),
  /** 24 random bytes, base64url. */
  secret: text(32),
  site: text(63),
  region: text(63),
  createdAt: integer(0, Number.MAX_SAFE_INTEGER),
  expiresAt: integer(0, Number.MAX_SAFE_INTEGER),
});
export type Invite = Shaped<typeof inviteShape>;

/** Why a text is not a usable invite. Nothing was contacted. */
export type InviteError =
  | { readonly type: "not-an-invite"; readonly detail: string }
  /** It begins like one, but a part is missing or altered: copy it again. */
  | { readonly type: "damaged"; readonly detail: string }
  | { readonly type: "newer-format"; readonly format: string }
  | { readonly type: "expired"; readonly at: number; readonly now: number };

const prefix = "starlight";
const format = "1";
const textMax = 8_192;

export function encodeInvite(invite: Invite): string {
  const payload = Buffer.from(JSON.stringify(invite)).toString("base64url");
  return `${prefix}${format}.${payload}.${checksumOf(payload)}`;
}

export function decodeInvite(input: string, now: number): Result<Invite, InviteError> {
  if (input.length > 4 * textMax) return notAnInvite("it is far too long");
  const line = input.replaceAll(/\s+/g, "");
  if (line === "") return notAnInvite("it is empty");
  if (line.length > textMax) return notAnInvite("it is far too long");
  const [head = "", payload = "", checksum = "", ...more] = line.split(".");
  const found = /^starlight(\d+)$/.exec(head)?.[1];
  if (found === undefined) return notAnInvite(`an invite begins with "${prefix}${format}."`);
  if (found !== format) return err({ type: "newer-format", format: found });
  if (more.length > 0) return damaged("there is something behind its end");
  if (payload === "" || checksum === "") return damaged("its end is missing");
  if (checksum !== checksumOf(payload)) return damaged("its checksum does not match");
  const invite = inviteShape(parseJson(Buffer.from(payload, "base64url")));
  if (invite === undefined || !isSound(invite)) return damaged("its content is not that of an invite");
  if (now >= invite.expiresAt) return err({ type: "expired", at: invite.expiresAt, now });
  return ok(invite);
}

function isSound(invite: Invite): boolean {
  return (
    isNodeId(invite.meshId) &&
    isNodeId(invite.enroller) &&
    /^[0-9a-f]{64}$/.test(invite.ca) &&
    /^[A-Za-z0-9_-]{32}$/.test(invite.secret) &&
    [invite.meshName, invite.site].every(isName) &&
    isRegion(invite.region) &&
    invite.addresses.length > 0 &&
    invite.addresses.every((address) => parseAddress(address) !== undefined)
  );
}

/** Finds typing and copying errors; it proves nothing. */
function checksumOf(payload: string): string {
  return createHash("sha256").update(payload).digest("base64url").slice(0, 6);
}

const notAnInvite = (detail: string): Result<never, InviteError> => err({ type: "not-an-invite", detail });
const damaged = (detail: string): Result<never, InviteError> => err({ type: "damaged", detail });
