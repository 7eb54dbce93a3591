import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { parseJson } from "../core/kernel/json.ts";
import { fields, integer, list, text, type Shaped } from "../core/kernel/shape.ts";
import { makeDirectory, readText, writeDurably } from "../shells/identity-file/durable-files.ts";
import { IdentityError } from "../shells/identity-file/identity-error.ts";
import { layoutOf } from "../shells/identity-file/layout.ts";

/** Bearer tokens of one node. The file holds hashes only; a token is shown once, when it is made. */

export type TokenUser = { readonly name: string; readonly groups: readonly string[] };

const tokensMax = 1_000;
const tokenPattern = /^starlight-[A-Za-z0-9_-]{43}$/;

const tokenFile = fields({
  tokens: list(
    fields({
      hash: text(64),
      user: text(253),
      groups: list(text(253), 32),
      createdAt: integer(0, Number.MAX_SAFE_INTEGER),
    }),
    tokensMax,
  ),
});
type TokenFile = Shaped<typeof tokenFile>;

/** A new token for a user. A running agent knows it at once. */
export function createToken(directory: string, user: TokenUser, now: number): string {
  const path = layoutOf(directory).tokens;
  makeDirectory(directory);
  const held = readTokens(path).tokens;
  if (held.length >= tokensMax) {
    throw new IdentityError({ type: "invalid", detail: `${path} already holds ${tokensMax} tokens` });
  }
  const token = `starlight-${randomBytes(32).toString("base64url")}`;
  const entry = { hash: hashOf(token).toString("hex"), user: user.name, groups: user.groups, createdAt: now };
  writeDurably(path, `${JSON.stringify({ tokens: [...held, entry] }, undefined, 2)}\n`);
  return token;
}

/** Looks tokens up; the file is read again when it changed. */
export function tokenUsers(directory: string): (token: string) => TokenUser | undefined {
  const path = layoutOf(directory).tokens;
  let seen = "";
  let users: readonly { readonly hash: Buffer; readonly user: TokenUser }[] = [];
  return (token) => {
    if (!tokenPattern.test(token)) return undefined;
    const stat = statSync(path, { throwIfNoEntry: false });
    const stamp = stat === undefined ? "" : `${stat.ino} ${stat.mtimeMs} ${stat.size}`;
    if (stamp !== seen) {
      users = readTokens(path).tokens.map(({ hash, user, groups }) => ({
        hash: Buffer.from(hash, "hex"),
        user: { name: user, groups },
      }));
      seen = stamp;
    }
    const wanted = hashOf(token);
    return users.find(({ hash }) => hash.length === wanted.length && timingSafeEqual(hash, wanted))?.user;
  };
}

function readTokens(path: string): TokenFile {
  if (!existsSync(path)) return { tokens: [] };
  const tokens = tokenFile(parseJson(Buffer.from(readText(path))));
  if (tokens === undefined)
    throw new IdentityError({ type: "broken", path, detail: "not a token file this version can read" });
  return tokens;
}

const hashOf = (token: string): Buffer => createHash("sha256").update(token).digest();
