import type { Version } from "../kernel/hybrid-clock.ts";
import type { NodeId } from "../records/record.ts";
import type { IntentEntry } from "./contract.ts";
import { rankOf } from "./manager.ts";

/** One write of an object, found in a record. */
export type Write = {
  readonly author: NodeId;
  /** As in the record: see manager.ts. */
  readonly manager: string;
  readonly rank: number;
  readonly version: Version;
  readonly seen: { readonly [author: NodeId]: Version };
  readonly actor: string;
  readonly deletes: boolean;
};

export type Deletion = {
  readonly write: Write;
  /** Edits that neither saw the deletion nor were seen by it. */
  readonly concurrent: readonly Write[];
  /** False when one of those is newer: then the whole object lives on. */
  readonly effective: boolean;
};

/**
 * Which writes of an object count.
 *
 * A deletion that no concurrent edit outlived takes every write away that had not seen it; what was
 * written in knowledge of it is the next life of the object.
 */
export type Life = {
  readonly deletions: readonly Deletion[];
  readonly alive: readonly Write[];
  /** The first write of this life; undefined when the object does not exist. */
  readonly first: Write | undefined;
};

/**
 * Whether the author of `later` knew of `earlier` when writing. A stamp is larger than everything its
 * author had seen, so a claim to have seen something newer is a lie and does not count.
 */
export function sees(later: Write, earlier: Write): boolean {
  if (earlier.version >= later.version) return false;
  if (earlier.author === later.author) return true;
  const seen = Object.hasOwn(later.seen, earlier.author) ? later.seen[earlier.author] : undefined;
  return seen !== undefined && seen >= earlier.version;
}

export const concurrent = (one: Write, other: Write): boolean =>
  one !== other && !sees(one, other) && !sees(other, one);

/** Version order: the stamp, then the author; the manager only to be total. */
export function compareWrites(left: Write, right: Write): number {
  if (left.version !== right.version) return left.version - right.version;
  if (left.author !== right.author) return left.author < right.author ? -1 : 1;
  return left.manager === right.manager ? 0 : left.manager < right.manager ? -1 : 1;
}

/**
 * The writes of an entry, by their index. A write stamped later than its record would get around the
 * bound on clock drift, so it does not count.
 */
export function writesOf(entry: IntentEntry): readonly (Write | undefined)[] {
  const rank = rankOf(entry.body.class);
  return entry.body.writes.map(({ version, seen, actor, deletes }) =>
    version > entry.version
      ? undefined
      : {
          author: entry.author,
          manager: entry.manager,
          rank,
          version,
          seen,
          actor,
          deletes: deletes === true,
        },
  );
}

export function lifeOf(writes: readonly Write[]): Life {
  const edits = writes.filter((write) => !write.deletes);
  const deletions = writes
    .filter((write) => write.deletes)
    .map((write): Deletion => {
      const unaware = edits.filter((edit) => concurrent(edit, write));
      return {
        write,
        concurrent: unaware,
        effective: unaware.every((edit) => compareWrites(edit, write) < 0),
      };
    });
  const effective = deletions.filter((deletion) => deletion.effective);
  const alive = edits.filter((edit) => effective.every((deletion) => sees(edit, deletion.write)));
  let first: Write | undefined;
  for (const write of alive) if (first === undefined || compareWrites(write, first) < 0) first = write;
  return { deletions, alive, first };
}
