import type { IncomingMessage, ServerResponse } from "node:http";
import type { Change, ManagerClass } from "../core/intents/contract.ts";
import { holdersOf } from "../core/intents/release.ts";
import { stateOf, valuesOf } from "../core/intents/state.ts";
import { demandClass, type User } from "./auth.ts";
import { readObject } from "./body.ts";
import type { ApiDeps } from "./contract.ts";
import { textIn } from "./field-errors.ts";
import { namedObject, shortName, valueOrGone } from "./named-object.ts";
import { ApiError, badRequest, errorOfWrite, sendJson } from "./status.ts";

/**
 * `{ group, kind, namespace, name, manager?, class? }`: managers of a class above users, `override`
 * unless said otherwise, give up what they hold of an object.
 */
export async function release(
  deps: ApiDeps,
  user: User,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await readObject(request);
  const { kind, ref, entries } = namedObject(deps, body);
  const wanted = classAsked(textIn(body, "class"));
  const manager = textIn(body, "manager");
  const all = holdersOf(entries, [wanted]);
  const holders = all.filter((holder) => manager === "" || holder.manager === manager);
  if (holders.length === 0) {
    const others = [...new Set(all.map((holder) => holder.manager))];
    const hint =
      others.length === 0 ? `no manager of class ${wanted} does` : `these do: ${others.join(", ")}`;
    const who = manager === "" ? "nobody" : manager;
    throw new ApiError(404, "NotFound", `${who} holds a field of ${shortName(ref)} to release; ${hint}`);
  }
  for (const holder of holders) demandClass(user, holder.manager);
  const before = valuesOf(stateOf(kind, entries));
  const changes = holders.map((holder): Change => ({ type: "release", ref, ...holder }));
  const reply = await deps.write(changes, user.name, { dryRun: false });
  if (!reply.ok) throw errorOfWrite(reply.error);
  const after = valuesOf(stateOf(kind, deps.view.entries(ref)));
  const changed = [...new Set([...before.keys(), ...after.keys()])]
    .sort()
    .filter((path) => JSON.stringify(before.get(path)) !== JSON.stringify(after.get(path)));
  sendJson(response, 200, {
    ...ref,
    released: [...new Set(holders.map((holder) => holder.manager))],
    fields: changed.map((field) => ({
      field,
      from: valueOrGone(before.get(field)),
      to: valueOrGone(after.get(field)),
    })),
    durability: reply.value.durability,
  });
}

function classAsked(wanted: string): ManagerClass {
  if (wanted === "" || wanted === "override") return "override";
  if (wanted === "git") return "git";
  throw badRequest(
    `class: Unsupported value: ${JSON.stringify(wanted)}: supported values: "override", "git"`,
  );
}
