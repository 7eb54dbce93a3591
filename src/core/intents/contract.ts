import type { Json, JsonObject } from "../kernel/json.ts";
import type { Version } from "../kernel/hybrid-clock.ts";
import type { WallTime } from "../kernel/time.ts";
import type { ObjectRef } from "../records/keys.ts";
import type { NodeId } from "../records/record.ts";

/** The class of a manager: a higher class wins over a lower one whatever the time. */
export type ManagerClass = "override" | "git" | "user";

/**
 * One author's part of one manager's configuration of one object: the body of an intent record.
 *
 * It holds the leaves that this author wrote last, each with the write it belongs to. A write carries
 * what its author had seen of the object (`seen`: the newest write per other author), so that real
 * concurrency can be told from "wrote later" (dotted version vectors; Preguica et al. 2010).
 * The JSON layout is the intents folder's own business; `readIntentBody` checks it.
 */
export type IntentBody = {
  readonly class: ManagerClass;
  readonly writes: readonly IntentWrite[];
  /** Leaf path (see path.ts) -> what was written there. */
  readonly fields: { readonly [path: string]: IntentField };
  /** What the author's later writes overwrote, oldest first, within bounds (past.ts); only for people. */
  readonly past?: readonly PastWrite[];
};

/** What one write overwrote. */
export type PastWrite = {
  /** The write of this record that overwrote it. */
  readonly write: Version;
  /** How many values it overwrote; larger than the number of `fields` when some were forgotten. */
  readonly count: number;
  readonly fields: readonly PastField[];
};

export type PastField = {
  readonly path: string;
  /** What was there; undefined when the field was not there. */
  readonly value: Json | undefined;
  /** Who had put it there; undefined when nobody had written the field. */
  readonly was: PastAuthor | undefined;
};

export type PastAuthor = {
  readonly version: Version;
  readonly actor: string;
  /** Absent when it is a write of the same record: same author, manager and class. */
  readonly other?: { readonly author: NodeId; readonly manager: string; readonly class: ManagerClass };
};

export type IntentWrite = {
  readonly version: Version;
  /** `author -> newest version of the object` the author had seen from it. */
  readonly seen: { readonly [author: NodeId]: Version };
  /** Who asked for it (the authenticated user), for people to read. */
  readonly actor: string;
  /** Present on a write that deletes the whole object. */
  readonly deletes?: true;
};

/**
 * `set`: the manager owns the leaf with this value.
 * `release`: the manager no longer applies it (server-side apply); another owner's value stays.
 * `remove`: the leaf is taken away whoever owned it (an update or a patch removed it).
 */
export type IntentField =
  | { readonly op: "set"; readonly write: number; readonly value: Json }
  | { readonly op: "release" | "remove"; readonly write: number };

/** A decoded intent record. */
export type IntentEntry = {
  readonly author: NodeId;
  /** As in the record's key: the operation and the manager's name, see manager.ts. */
  readonly manager: string;
  readonly version: Version;
  readonly body: IntentBody;
};

/** One side of a conflict. */
export type ConflictSide = {
  readonly value: Json | undefined;
  readonly author: NodeId;
  /** The manager's name, without its operation. */
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly class: ManagerClass;
  readonly actor: string;
  readonly version: Version;
};

/** What a field was before: `value` is undefined when it was not there. */
export type Before =
  | { readonly type: "known"; readonly value: Json | undefined }
  /** The records do not tell any more. */
  | { readonly type: "unknown" };

/** Two or more writes of the same leaf (or a delete and an edit), none of which had seen the other. */
export type FieldConflict = {
  /** `(object)` for a delete that raced with an edit. */
  readonly path: string;
  readonly winner: ConflictSide;
  readonly losers: readonly ConflictSide[];
  /** What the field was before any side wrote it; path -> value for an item or the object. */
  readonly base: Before;
};

/** What everybody sees: the field-wise merge of an object's configurations. */
export type MergedObject = {
  readonly ref: ObjectRef;
  /** False when the deletion won; the entry is then kept only for its conflicts and its tombstone. */
  readonly exists: boolean;
  /** apiVersion, kind, metadata (name, namespace, labels, annotations), spec/data: what people wrote. */
  readonly value: JsonObject;
  /** Stable for one life of the object; the same on every node that holds the same records. */
  readonly uid: string;
  readonly createdAt: WallTime;
  /** Newest write in it. */
  readonly version: Version;
  /** Kubernetes' `metadata.managedFields` (operation Apply or Update, fieldsV1), computed. */
  readonly managedFields: readonly JsonObject[];
  readonly conflicts: readonly FieldConflict[];
};

/** A wish of one user about one object. */
export type Change =
  /** Server-side apply: `config` is all that the manager wants to own. */
  | {
      readonly type: "apply";
      readonly ref: ObjectRef;
      readonly config: JsonObject;
      readonly manager: string;
      readonly class: ManagerClass;
      /** Take over fields that other managers own with other values. */
      readonly force: boolean;
    }
  /** Create, replace or the result of a patch: `value` is the whole object as it shall be. */
  | {
      readonly type: "update";
      readonly ref: ObjectRef;
      readonly value: JsonObject;
      readonly manager: string;
      readonly class: ManagerClass;
      /** `create` fails when it exists, `replace` when it does not. */
      readonly mode: "create" | "replace" | "upsert";
    }
  /**
   * Leaves by their path (see path.ts), written also where they have that value already: it ends a
   * conflict or takes a write back. An undefined value removes the leaf, or the item as a whole.
   */
  | {
      readonly type: "set";
      readonly ref: ObjectRef;
      readonly fields: readonly { readonly path: string; readonly value: Json | undefined }[];
      readonly manager: string;
      readonly operation: "Apply" | "Update";
      readonly class: ManagerClass;
    }
  /** The manager gives up all that it holds: what the others have there stands again. */
  | {
      readonly type: "release";
      readonly ref: ObjectRef;
      readonly manager: string;
      readonly operation: "Apply" | "Update";
      readonly class: ManagerClass;
    }
  | {
      readonly type: "delete";
      readonly ref: ObjectRef;
      readonly manager: string;
      readonly class: ManagerClass;
    };

/** A field that another manager holds with another value. */
export type HeldField = {
  readonly path: string;
  readonly manager: string;
  readonly operation: "Apply" | "Update";
};

/** Why a change is refused. Nothing is changed by a refused one. */
export type ChangeError =
  /** 422: the object breaks its schema. */
  | { readonly type: "invalid"; readonly ref: ObjectRef; readonly problems: readonly FieldProblem[] }
  /** 409: other managers own these fields with other values (apply without force). */
  | {
      readonly type: "conflict";
      readonly ref: ObjectRef;
      readonly fields: readonly HeldField[];
    }
  | { readonly type: "already-exists" | "not-found"; readonly ref: ObjectRef };

/** A field a user has to mend: where, what is there, what would be right. */
export type FieldProblem = {
  /** Kubernetes notation: `spec.template.spec.containers[0].image`. */
  readonly field: string;
  /** The offending value as JSON text, shortened; empty when it is missing. */
  readonly value: string;
  readonly problem: string;
  readonly fix: string;
};
