import type { Version } from "../kernel/hybrid-clock.ts";
import { versionMax } from "../kernel/hybrid-clock.ts";
import { canonical, isList, isObject, jsonBytes, type Json } from "../kernel/json.ts";
import { integer, oneOf, text } from "../kernel/shape.ts";
import type { NodeId } from "../records/record.ts";
import type { Before, IntentEntry, ManagerClass, PastAuthor, PastField, PastWrite } from "./contract.ts";
import { conflictingClaims } from "./standing.ts";
import type { Write } from "./life.ts";
import { classOf } from "./manager.ts";
import { isBelow, parsePath } from "./path.ts";
import { isSoft } from "./soft.ts";
import type { ObjectState } from "./state.ts";
import type { Wishes } from "./wishes.ts";

/**
 * What writes overwrote: the memory behind `history`, `undo` and the base of a conflict. It never
 * decides a merge, so it may be bounded and may be lost. The JSON in an intent body:
 *
 *     past: [[write, count, [[path, was, value?], ...]], ...]
 *
 * where `was` is null, `[version, actor]` for a write of the same record, or
 * `[version, actor, author, manager, class]`; a missing value says that the field was not there.
 */
export const pastPerFieldMax = 4;
/** Of the JSON above, per record: (object, manager, author). */
export const pastBytesMax = 4096;

/**
 * What a write is about to overwrite in the object as it is seen now; none when it overwrites nothing.
 * The first entry of a path is what was shown; others of that path are sides of a conflict that lost.
 */
export function overwrittenBy(
  state: ObjectState,
  own: { readonly author: NodeId; readonly manager: string },
  write: Version,
  wishes: Wishes,
): readonly PastWrite[] {
  const paths = new Set<string>();
  for (const [path, wish] of wishes) {
    paths.add(path);
    if (wish.op !== "remove" || parsePath(path)?.at(-1)?.type === "field") continue;
    for (const other of state.leaves.keys()) if (isBelow(other, path)) paths.add(other);
  }
  const fields: PastField[] = [];
  for (const path of [...paths].sort()) {
    const leaf = state.leaves.get(path);
    if (leaf?.leaf.type === "value" && isSoft(path, leaf.leaf)) continue;
    const claim = leaf?.winner ?? leaf?.claims.at(-1);
    const value = leaf?.winner?.op === "set" ? leaf.winner.value : undefined;
    if (value === undefined && !wishes.has(path)) continue;
    fields.push({ path, value, was: claim === undefined ? undefined : authorOf(claim.write, own) });
    for (const side of leaf === undefined ? [] : conflictingClaims(leaf)) {
      if (side === claim || side.op === "release") continue;
      fields.push({ path, value: side.value, was: authorOf(side.write, own) });
    }
  }
  return fields.length === 0 ? [] : [{ write, count: fields.length, fields }];
}

/**
 * What the newest `pastPerFieldMax` writes of each field overwrote, and of that what fits into `pastBytesMax`: whole
 * writes, newest first; of a newest one that alone is too large the smallest fields.
 */
export function boundPast(past: readonly PastWrite[]): PastWrite[] {
  const seen = new Map<string, number>();
  const kept: PastWrite[] = [];
  let bytes = 2;
  for (const { write, count, fields: given } of [...past].reverse()) {
    let fields: readonly PastField[] = given.filter(({ path }) => (seen.get(path) ?? 0) < pastPerFieldMax);
    for (const path of new Set(fields.map((field) => field.path))) seen.set(path, (seen.get(path) ?? 0) + 1);
    if (kept.length === 0) fields = smallest({ write, count, fields });
    if (fields.length === 0) continue;
    bytes += sizeOf({ write, count, fields }) + 1;
    if (bytes > pastBytesMax) break;
    kept.push({ write, count, fields });
  }
  return kept.reverse();
}

function smallest({ write, count, fields }: PastWrite): readonly PastField[] {
  const sizes = new Map<string, number>();
  for (const field of fields) {
    sizes.set(field.path, (sizes.get(field.path) ?? 0) + jsonBytes(writeField(field)).length + 1);
  }
  const sized = [...sizes].sort(
    ([path, size], [other, otherSize]) => size - otherSize || (path < other ? -1 : 1),
  );
  let bytes = sizeOf({ write, count, fields: [] }) + 3;
  const kept = new Set<string>();
  for (const [path, size] of sized) {
    bytes += size;
    if (bytes <= pastBytesMax) kept.add(path);
  }
  return fields.filter(({ path }) => kept.has(path));
}

const sizeOf = (past: PastWrite): number => jsonBytes(writePast([past])).length - 2;

export function writePast(past: readonly PastWrite[]): Json {
  return past.map(({ write, count, fields }) => [write, count, fields.map(writeField)]);
}

function writeField({ path, value, was }: PastField): Json {
  const other = was?.other;
  const author =
    was === undefined
      ? null
      : [was.version, was.actor, ...(other === undefined ? [] : [other.author, other.manager, other.class])];
  return value === undefined ? [path, author] : [path, author, value];
}

const version = integer(0, versionMax);
const count = integer(0, 65_536);
const shortText = text(256);
const authorText = text(20);
const managerClass = oneOf("override", "git", "user");

/** Leaves out what it cannot read; nothing of it when it is larger than the bound. */
export function readPast(json: Json | undefined): readonly PastWrite[] {
  if (!isList(json) || json.length > pastBytesMax || canonical(json).length > pastBytesMax) return [];
  return json.flatMap((group): PastWrite[] => {
    if (!isList(group) || !isList(group[2])) return [];
    const [write, all] = [version(group[0]), count(group[1])];
    if (write === undefined || all === undefined) return [];
    return [{ write, count: all, fields: group[2].flatMap(readField) }];
  });
}

function readField(json: Json): PastField[] {
  if (!isList(json)) return [];
  const [path, author, value] = json;
  const was = author === null ? undefined : readAuthor(author);
  if (typeof path !== "string" || parsePath(path) === undefined) return [];
  if ((author !== null && was === undefined) || (value !== undefined && isPoisoned(value))) return [];
  return [{ path, value, was }];
}

function readAuthor(json: Json | undefined): PastAuthor | undefined {
  if (!isList(json)) return undefined;
  const [at, actor] = [version(json[0]), shortText(json[1])];
  if (at === undefined || actor === undefined) return undefined;
  if (json.length === 2) return { version: at, actor };
  const author = authorText(json[2]);
  const manager = shortText(json[3]);
  const rank = managerClass(json[4]);
  if (author === undefined || manager === undefined || rank === undefined) return undefined;
  return { version: at, actor, other: { author, manager, class: rank } };
}

/** Keys that would change an object's prototype when it is copied. */
export function isPoisoned(value: Json): boolean {
  if (isList(value)) return value.some(isPoisoned);
  if (!isObject(value)) return false;
  return Object.keys(value).some((key) => key === "__proto__" || isPoisoned(value[key] ?? null));
}

function authorOf(write: Write, own: { readonly author: NodeId; readonly manager: string }): PastAuthor {
  const { author, manager, rank, actor, version: at } = write;
  if (author === own.author && manager === own.manager) return { version: at, actor };
  return { version: at, actor, other: { author, manager, class: classOf(rank) } };
}

/** A write by name: it may be known only because another one overwrote it. */
export type WriteName = {
  readonly author: NodeId;
  readonly manager: string;
  readonly class: ManagerClass;
  readonly version: Version;
  readonly actor: string;
};

/** One remembered value: `by` took its place, `was` had put it there. */
export type Overwritten = {
  readonly path: string;
  readonly value: Json | undefined;
  readonly by: { readonly author: NodeId; readonly manager: string; readonly version: Version };
  readonly was: WriteName | undefined;
};

/** All that an object's records remember, oldest overwriting write first. */
export function overwrittenIn(entries: readonly IntentEntry[]): readonly Overwritten[] {
  const all = entries.flatMap(({ author, manager, version: newest, body }) =>
    (body.past ?? []).flatMap(({ write, fields }) =>
      write > newest
        ? []
        : fields.map(({ path, value, was }): Overwritten => {
            const other = was?.other ?? { author, manager, class: body.class };
            const name = was && { ...other, version: was.version, actor: was.actor };
            return { path, value, by: { author, manager, version: write }, was: name };
          }),
    ),
  );
  return all.sort((left, right) => compareBy(left, right));
}

function compareBy(left: Overwritten, right: Overwritten): number {
  const keys = ({ by, path }: Overwritten): string => `${by.author}\0${by.manager}\0${path}`;
  return left.by.version - right.by.version || (keys(left) < keys(right) ? -1 : 1);
}

/**
 * What a leaf was before any of these writes, which had not seen each other: from each side back through
 * what was overwritten, to the first value that all the other sides knew. Unknown when no side's past
 * reaches that far, or when two sides tell different stories.
 */
export function baseOf(state: ObjectState, path: string, sides: readonly Write[]): Before {
  const past = overwrittenIn(state.entries).filter((old) => old.path === path);
  const answers = sides.flatMap((side): readonly (Json | undefined)[] => {
    const others = sides.filter((other) => other !== side);
    let at: { author: NodeId; manager: string; version: Version } = side;
    for (let steps = 0; steps <= past.length; steps++) {
      if (isFirst(state, at)) return [undefined];
      const old = past.find(({ by }) => isSame(by, at));
      if (old === undefined) return [];
      const { was } = old;
      if (was === undefined || others.every((other) => knew(other, was))) return [old.value];
      at = was;
    }
    return [];
  });
  const [first] = answers;
  const agree = answers.every((answer) => canonical(answer ?? null) === canonical(first ?? null));
  return answers.length > 0 && agree ? { type: "known", value: first } : { type: "unknown" };
}

/** The same for all leaves that some edits wrote: path -> value, null where there was nothing. */
export function basesOf(
  state: ObjectState,
  edits: readonly Write[],
  counts: (path: string) => boolean,
): Before {
  const values: { [path: string]: Json } = {};
  for (const edit of edits) {
    const entry = state.entries.find((held) => held.author === edit.author && held.manager === edit.manager);
    for (const [path, field] of Object.entries(entry?.body.fields ?? {})) {
      if (entry?.body.writes[field.write]?.version !== edit.version || !counts(path)) continue;
      const before = baseOf(state, path, [edit]);
      if (before.type === "unknown") return before;
      values[path] = before.value ?? null;
    }
  }
  return { type: "known", value: Object.fromEntries(Object.entries(values).sort(byName)) };
}

const byName = ([left]: readonly [string, Json], [right]: readonly [string, Json]): number =>
  left < right ? -1 : 1;

type Named = { readonly author: NodeId; readonly manager: string; readonly version: Version };

const isSame = (left: Named, right: Named): boolean =>
  left.version === right.version && left.author === right.author && left.manager === right.manager;

/** The write that made the object: nothing was before it. */
export const isFirst = ({ life }: ObjectState, write: Named): boolean =>
  life.first !== undefined && isSame(life.first, write);

function knew(writer: Write, earlier: Named): boolean {
  if (earlier.version >= writer.version) return false;
  if (earlier.author === writer.author) return true;
  const seen = Object.hasOwn(writer.seen, earlier.author) ? writer.seen[earlier.author] : undefined;
  return seen !== undefined && seen >= earlier.version;
}
