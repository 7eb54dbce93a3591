import { parseDuration } from "../core/intents/quantity.ts";
import type { Durability } from "../api/durability.ts";
import { exitCodes } from "../app/exit-codes.ts";
import { CommandError } from "./command-error.ts";
import { print } from "./output.ts";

/** `--wait` and `--timeout` of the commands that write, and what comes back of it. */
export type WaitFlags = { readonly wait?: string; readonly timeout?: string };

export type Wait = {
  /** For the path of a write: empty when nothing is waited for. */
  readonly query: string;
  /** For the call. */
  readonly timeoutMs: number;
  readonly words: string;
};

const timeoutDefault = "10s";
/** For everything but the waiting. */
const answerMs = 15_000;

const places: { readonly [scope: string]: string } = {
  site: "the site",
  region: "the region",
  all: "the mesh",
};

export function waitOf({ wait, timeout }: WaitFlags): Wait {
  if (wait === undefined) {
    if (timeout !== undefined) throw new CommandError("usage", "--timeout goes with --wait site|region|all");
    return { query: "", timeoutMs: answerMs, words: "" };
  }
  if (places[wait] === undefined) throw new CommandError("usage", `--wait ${wait}: use site, region or all`);
  const given = timeout ?? timeoutDefault;
  const ms = parseDuration(given);
  if (ms === undefined || ms > 600_000)
    throw new CommandError("usage", `--timeout ${given}: use a duration up to 10m, such as 500ms or 10s`);
  return {
    query: `wait=${wait}&waitTimeout=${ms}ms`,
    timeoutMs: answerMs + ms,
    words: `--wait ${wait} --timeout ${given}`,
  };
}

/** Says on how many nodes the write is, and leaves the exit code when that is fewer than was asked for. */
export function tellDurability(durability: Durability | undefined, { words }: Wait): void {
  if (durability !== undefined) print(sentence(durability));
  markUnreached(durability, { words });
}

/** The same for an answer that is printed as it is. */
export function markUnreached(durability: Durability | undefined, { words }: Pick<Wait, "words">): void {
  if (durability?.wait?.reached !== false) return;
  const missing = durability.missing.map(({ node, why }) => `  ${node}: ${why}\n`).join("");
  process.stderr.write(`starlight: ${words} was not reached; the write stands. Missing:\n${missing}`);
  process.exitCode = exitCodes.waitNotReached;
}

function sentence({ site, wait, seenBy }: Durability): string {
  if (wait === undefined)
    return site.of === 1
      ? "stored on this node, the only one of its site"
      : `stored on this node; the others are not waited for (--wait site: until all ${site.of} nodes of the site have it)`;
  const place = places[wait.scope] ?? wait.scope;
  return `stored on ${wait.have}/${wait.of} nodes of ${place}: ${seenBy.join(", ")}`;
}
