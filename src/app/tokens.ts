import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { layoutOf } from "../shells/identity-file/layout.ts";
import { writeDurably } from "../shells/identity-file/durable-files.ts";

/** Bearer tokens of this node's API. Only their hashes are kept. */

type User = { readonly name: string; readonly groups: readonly string[] };
type Held = User & { readonly hash: string };

/** A new token for a user; it is shown once. */
export function createToken(data: string, user: User): string {
  const token = `starlight-${randomBytes(24).toString("base64url")}`;
  const held = [...readTokens(data), { ...user, hash: hashOf(token) }];
  writeDurably(layoutOf(data).tokens, `${JSON.stringify(held, undefined, 1)}\n`);
  return token;
}

/** Looks tokens up in the file as it is now, so that a new one works at once and a removed one does not. */
export function tokenUsers(data: string): (token: string) => User | undefined {
  return (token) => {
    const hash = hashOf(token);
    const found = readTokens(data).find((held) => held.hash === hash);
    return found === undefined ? undefined : { name: found.name, groups: found.groups };
  };
}

function readTokens(data: string): Held[] {
  const file = layoutOf(data).tokens;
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Held[]) : [];
}

const hashOf = (token: string): string => createHash("sha256").update(token).digest("hex");
