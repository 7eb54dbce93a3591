import { fromHex } from "../kernel/bytes.ts";
import type { Crypto } from "../kernel/crypto.ts";
import { sealHolds } from "../records/seal.ts";
import { bodyOf, nodeIdOf, type MeshRecord, type NodeId, type RecordKind } from "../records/record.ts";
import { goneBody, memberBody, type Grant, type MemberBody } from "../records/bodies.ts";
import { regionSummaryBody, siteSummaryBody } from "../records/summaries.ts";
import { partsOf, type KeyParts } from "../records/keys.ts";
import { detailScope, isWithin, scopeAround, type Detail, type Place, type Scope } from "../records/scope.ts";
import type { Version } from "../kernel/hybrid-clock.ts";

/** What a node needs to know of the roster to judge a record. */
export type TrustView = {
  /** The mesh root: its key signs the first members. */
  readonly root: { readonly id: NodeId; readonly publicKey: Uint8Array };
  readonly member: (id: NodeId) => MemberBody | undefined;
  /** How far detail travels in this mesh. */
  readonly detail: Detail;
  /** The stamp of the record that ended a membership; its author's later records are void. */
  readonly goneSince: (id: NodeId) => Version | undefined;
};

export type Refusal =
  /** We do not know the author (yet): the record may be offered again once the roster has it. */
  | { readonly type: "unknown-author" }
  /** Final: this author may never write this record, or the signature is wrong. */
  | {
      readonly type: "forbidden";
      readonly why: string;
      /** Wrong under any roster: whoever passes it on did not check it. */
      readonly forged: boolean;
    };

/**
 * Whether an author may write a record: pure, the same on every node that holds the same roster.
 *
 * - `roster/member/<id>`: the root, or a member with the grant `enrol`; the key must hash to the id.
 * - `roster/gone/<id>`: the same, or the member itself. Nobody ends the root, whose id is the mesh's.
 * - `node/<id>/...`: that node.
 * - `intent/...`: a member with the grant `write`.
 * - `site/<name>/summary`, `region/<name>/summary`: a node that stands there.
 * - A key of a later version: whoever may write its neighbours under `node/`, `intent/` and `roster/`, and
 *   records of its kind; elsewhere any member. A version that knows the key judges it by its own rule.
 *
 * Each in one scope, which follows from the key, the author's place and the mesh's `detail`: nobody writes
 * into another site's scope, or into that of a region it does not stand in.
 *
 * @returns undefined when it may.
 */
export function refusalOf(record: MeshRecord, trust: TrustView, crypto: Crypto): Refusal | undefined {
  const parts = partsOf(record.key);
  const publicKey = keyOf(record.author, trust);
  if (publicKey === undefined) return { type: "unknown-author" };
  const gone = trust.goneSince(record.author);
  if (gone !== undefined && endsWith(record, gone)) return forbidden("the author left or was revoked before");
  if (parts !== undefined && record.kind !== kindOfKey(parts))
    return forged(`a ${kindOfKey(parts)} key on another kind of record`);
  const broken =
    parts === undefined
      ? laterRuleBroken(record, trust)
      : (ruleBroken(record, parts, trust, crypto) ?? scopeBroken(record, parts, trust));
  if (broken !== undefined) return broken;
  if (!sealHolds(record, publicKey, crypto)) return forged("the signature does not match the author's key");
  return undefined;
}

/**
 * Whether a record ends with its author's membership: all that is stamped later, and what was only ever true
 * of a member, such as where it is reached, what it runs, or that a fact of it is no more. Nobody speaks for a
 * place who does not belong any more; of a place without members nothing is told. Its intents, the ends of
 * jobs that it saw and its word on tombstones stand.
 */
export function endsWith({ key, kind, version, body }: MeshRecord, gone: Version): boolean {
  const type = partsOf(key)?.type;
  const stands = type === undefined || type === "job" || type === "floors" || type === "mesh-floors";
  return version > gone || (kind === "fact" && (!stands || body.length === 0));
}

function kindOfKey({ type }: KeyParts): RecordKind {
  if (type === "intent") return "intent";
  return type === "member" || type === "gone" ? "roster" : "fact";
}

function ruleBroken(
  record: MeshRecord,
  parts: KeyParts,
  trust: TrustView,
  crypto: Crypto,
): Refusal | undefined {
  switch (parts.type) {
    case "member":
      if (!mayEnrol(record.author, trust))
        return forbidden("only the mesh root or an enroller admits members");
      return memberBroken(record, parts.node, trust, crypto);
    case "gone":
      if (parts.node === trust.root.id) return forged("nobody ends the mesh root");
      if (record.author !== parts.node && !mayEnrol(record.author, trust)) {
        return forbidden("only the member itself or an enroller ends a membership");
      }
      return goneBody(bodyOf(record)) === undefined ? forged("not a valid end of membership") : undefined;
    case "intent":
      return holds(record.author, "write", trust)
        ? undefined
        : forbidden("the author has no grant to write intents");
    case "site-summary":
    case "region-summary":
      return summaryBroken(record, parts, trust);
    default:
      return parts.node === record.author ? undefined : forged(`only ${parts.node} may write its own facts`);
  }
}

function laterRuleBroken({ key, kind, author }: MeshRecord, trust: TrustView): Refusal | undefined {
  const [root, owner] = key.split("/");
  if (root === "node" && owner !== author) return forged(`only ${owner ?? "a node"} may write its own facts`);
  if ((root === "roster" || kind === "roster") && !mayEnrol(author, trust))
    return forbidden("only the mesh root or an enroller writes the roster");
  if ((root === "intent" || kind === "intent") && !holds(author, "write", trust))
    return forbidden("the author has no grant to write intents");
  return undefined;
}

function memberBroken(record: MeshRecord, id: NodeId, trust: TrustView, crypto: Crypto): Refusal | undefined {
  const body = memberBody(bodyOf(record));
  if (body === undefined) return forged("not a valid member");
  if (record.author === trust.root.id && (body.detail ?? "mesh") !== trust.detail) {
    const said = body.detail ?? "mesh";
    return forbidden(`the mesh root says that detail travels as far as the ${said}, not the ${trust.detail}`);
  }
  const key = fromHex(body.signKey);
  if (key === undefined || key.length !== 32) return forged("signKey is not 32 bytes of hex");
  return nodeIdOf(key, crypto) === id ? undefined : forged("the signing key does not belong to this node id");
}

function summaryBroken(
  record: MeshRecord,
  parts: Extract<KeyParts, { type: "site-summary" | "region-summary" }>,
  trust: TrustView,
): Refusal | undefined {
  const place = trust.member(record.author);
  const stands =
    parts.type === "site-summary"
      ? place?.site === parts.place
      : place !== undefined && isWithin(place.region, parts.place);
  if (!stands) return forbidden("only a node that stands there speaks for a place");
  const body = bodyOf(record);
  if (parts.type === "region-summary")
    return regionSummaryBody(body) === undefined ? forged("not a valid summary of a region") : undefined;
  const summary = siteSummaryBody(body);
  if (summary === undefined) return forbidden("not a valid summary of a site");
  return summary.region === place?.region ? undefined : forbidden("the site stands in another region");
}

function scopeBroken(record: MeshRecord, parts: KeyParts, trust: TrustView): Refusal | undefined {
  const scope = scopeOf(record, parts, trust);
  if (scope === undefined)
    return forbidden(`${record.key} is not written where detail travels as far as the mesh`);
  if (record.scope === scope) return undefined;
  return forbidden(`the scope is ${record.scope}; its author may write this record into ${scope}`);
}

/** The one scope that a record belongs into; undefined where this mesh has no such records. */
function scopeOf(record: MeshRecord, parts: KeyParts, { detail, member }: TrustView): Scope | undefined {
  const place: Place | undefined =
    parts.type === "member" ? memberBody(bodyOf(record)) : member(record.author);
  switch (parts.type) {
    case "intent":
    case "gone":
      return "mesh";
    case "mesh-floors":
      return detail === "mesh" ? undefined : "mesh";
    case "region-summary":
      return detail === "mesh" ? undefined : scopeAround(parts.place);
    case "site-summary":
      return detail === "site" && place !== undefined ? `region:${place.region}` : undefined;
    default:
      return place === undefined ? "mesh" : detailScope(detail, place);
  }
}

function mayEnrol(author: NodeId, trust: TrustView): boolean {
  return author === trust.root.id || holds(author, "enrol", trust);
}

function holds(author: NodeId, grant: Grant, trust: TrustView): boolean {
  return trust.member(author)?.grants.includes(grant) ?? false;
}

function keyOf(author: NodeId, trust: TrustView): Uint8Array | undefined {
  if (author === trust.root.id) return trust.root.publicKey;
  const member = trust.member(author);
  return member === undefined ? undefined : fromHex(member.signKey);
}

/** As our roster is today; another node's may be older or newer. */
function forbidden(why: string): Refusal {
  return { type: "forbidden", why, forged: false };
}

function forged(why: string): Refusal {
  return { type: "forbidden", why, forged: true };
}
