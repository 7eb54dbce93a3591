import { createToken } from "../../app/tokens.ts";
import { loadIdentity } from "../../shells/identity-file/load-identity.ts";
import { print } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

export async function action(
  options: { readonly group: string[] },
  [user = ""]: string[],
  { data }: GlobalOptions,
): Promise<void> {
  loadIdentity(data);
  print(createToken(data, { name: user, groups: options.group }, Date.now()));
  process.stderr.write(`shown once; good on this node at once, for groups ${options.group.join(", ")}\n`);
  await Promise.resolve();
}
