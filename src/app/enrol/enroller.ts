import { fromHex, hex } from "../../core/kernel/bytes.ts";
import { observe, tick, type HybridClock } from "../../core/kernel/hybrid-clock.ts";
import { err, ok, type Result } from "../../core/kernel/result.ts";
import type { NodeView } from "../../core/node/contract.ts";
import { detailScope, keeps, isRegion, regionRefused } from "../../core/records/scope.ts";
import { goneKey, memberKey } from "../../core/records/keys.ts";
import { sealRecord, storedBytes } from "../../core/records/seal.ts";
import { nodeIdOf, type NodeId, type RecordDraft } from "../../core/records/record.ts";
import type { Identity } from "../../ports/identity.ts";
import { nodeCrypto } from "../../shells/crypto-node/node-crypto.ts";
import { issueNodeCertificate } from "../../shells/identity-file/certificates.ts";
import { IdentityError } from "../../shells/identity-file/identity-error.ts";
import { fingerprintOf } from "../../shells/identity-file/keys.ts";
import { isEnroller, loadCaKey } from "../../shells/identity-file/load-identity.ts";
import { hostsOf, isName } from "../../shells/identity-file/names.ts";
import { clockRefusal } from "./clock-check.ts";
import { findEntry, saveEntry, type InviteEntry, type JoinEntry } from "./invite-book.ts";
import { nestingRefused } from "./region-nesting.ts";
import { proofHolds, type JoinAnswer, type JoinRefusal, type JoinRequest } from "./join-request.ts";
import { knownRegions, noteAdmission, siteRefused } from "./site-book.ts";

/** Admits and removes members, with this node's own key. */
export type Enroller = {
  /** Whether `join` would say yes now. Nothing is changed. */
  readonly check: (request: JoinRequest) => Promise<Result<undefined, JoinRefusal>>;
  readonly join: (request: JoinRequest) => Promise<Result<JoinAnswer, JoinRefusal>>;
  /** Ends a membership. Refused for ourselves (that is `leave`), strangers, and without the grant. */
  readonly revoke: (node: NodeId, reason: string) => Promise<Result<undefined, JoinRefusal>>;
};

export type EnrollerOptions = {
  readonly directory: string;
  readonly identity: Identity & { readonly createdAt: number };
  readonly view: NodeView;
  /** Gives the core a roster frame; resolves when it is stored, false when the disk refused. */
  readonly admit: (frame: Uint8Array) => Promise<boolean>;
  readonly wall: () => number;
};

/** Joins one after the other: a use is spent, and a name taken, before the next one is looked at. */
export function createEnroller(options: EnrollerOptions): Enroller {
  const clock: HybridClock = { last: 0 };
  let previous: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = previous.then(work);
    previous = result.catch(() => undefined);
    return result;
  };
  const stamp = (): number => {
    // One was stamped above all that the one it revokes had written, whatever that one's clock showed.
    observe(clock, options.view.newestBy(options.identity.node.id, "roster"));
    return tick(clock, options.view.clocks().wall);
  };
  const desk: Desk = { ...options, stamp };
  return {
    check: (request) => inTurn(() => check(desk, request).catch(storageRefusal)),
    join: (request) => inTurn(() => join(desk, request).catch(storageRefusal)),
    revoke: (node, reason) => inTurn(() => revoke(desk, node, reason)),
  };
}

/** `stamp`: by the clock that the node trusts, as its own records are stamped. */
type Desk = EnrollerOptions & { readonly stamp: () => number };
type Outcome<T> = Promise<Result<T, JoinRefusal>>;

async function join(desk: Desk, request: JoinRequest): Outcome<JoinAnswer> {
  const judged = judge(desk, request);
  if (!judged.ok) return judged;
  const { entry, id, repeated } = judged.value;
  if (repeated !== undefined) return finish(desk, entry, repeated);
  const open = await forgetUnheard(desk, entry, request.name);
  const joined = await newMember(desk, entry, request, id);
  noteAdmission(desk, entry, id);
  const updated = { ...open, joins: [...open.joins, joined] };
  saveEntry(desk.directory, updated);
  return finish(desk, updated, joined);
}

async function check(desk: Desk, request: JoinRequest): Outcome<undefined> {
  const judged = judge(desk, request);
  return judged.ok ? ok(undefined) : judged;
}

type Judged = {
  readonly entry: InviteEntry;
  readonly id: NodeId;
  /** It joined before, and asks again. */
  readonly repeated: JoinEntry | undefined;
};

/** Whether a request is to be granted; changes nothing. */
function judge(desk: Desk, request: JoinRequest): Result<Judged, JoinRefusal> {
  const { directory, identity, wall } = desk;
  const { node } = identity;
  if (request.meshId !== node.mesh.id || request.enroller !== node.id) {
    return refuse("malformed", "the request is for another mesh or another enroller");
  }
  const entry = findEntry(directory, request.secret);
  if (entry === undefined) return refuse("unknown-invite", "no invite of this node has that secret");
  if (!isEnroller(directory)) return refuse("not-an-enroller", "this node no longer holds the CA key");
  if (!proofHolds(request)) return refuse("proof", "the signatures do not match the keys");
  if (!isName(request.name)) return refuse("malformed", "the node name is not a valid name");
  const late = clockRefusal(request.clock, wall(), Math.max(entry.createdAt, identity.createdAt));
  if (late !== undefined) return err(late);
  const id = nodeIdOf(fromHex(request.signKey) ?? new Uint8Array(), nodeCrypto);
  const repeated = entry.joins.find((held) => held.node === id && held.name === request.name);
  if (repeated !== undefined) return ok({ entry, id, repeated });
  if (wall() >= entry.expiresAt) {
    return refuse("expired", `the invite expired at ${new Date(entry.expiresAt).toISOString()}`);
  }
  const lost = unheard(desk, entry, request.name);
  if (entry.joins.filter((held) => held !== lost).length >= entry.usesMax) {
    return refuse("used-up", `as many nodes as it allows (${entry.usesMax}) have joined with this invite`);
  }
  const holder = desk.view.members().find(({ member }) => member.name === request.name);
  if (holder !== undefined && holder.id !== lost?.node) {
    return refuse("name-taken", `another member of the mesh is called ${request.name}`);
  }
  // Since the invite was made others may have come.
  const misplaced = isRegion(entry.region)
    ? (siteRefused(entry, knownRegions(desk, entry.site)) ?? nestingRefused(entry.region, desk.view))
    : regionRefused("the region", entry.region);
  if (misplaced !== undefined) return refuse("region", misplaced);
  return ok({ entry, id, repeated: undefined });
}

/**
 * A newcomer that was killed before it saved its keys comes again with new ones. It gets its use and its
 * name back, as long as nobody ever heard of the first keys' node.
 */
async function forgetUnheard(desk: Desk, entry: InviteEntry, name: string): Promise<InviteEntry> {
  // Of a site whose detail stays there, silence says nothing.
  if (!keeps(desk.identity.node, detailScope(desk.identity.node.mesh.detail, entry))) return entry;
  const lost = unheard(desk, entry, name);
  if (lost === undefined) return entry;
  await revoke(desk, lost.node, "never came up; its name joins again with the same invite");
  const left = { ...entry, joins: entry.joins.filter((held) => held !== lost) };
  saveEntry(desk.directory, left);
  return left;
}

function unheard({ view }: Desk, { joins }: InviteEntry, name: string): JoinEntry | undefined {
  const lost = joins.find((held) => held.name === name);
  return lost !== undefined && view.member(lost.node)?.status === undefined ? lost : undefined;
}

async function newMember(
  desk: Desk,
  entry: InviteEntry,
  request: JoinRequest,
  id: NodeId,
): Promise<JoinEntry> {
  const { directory, identity, wall } = desk;
  const tlsSpki = Buffer.from(request.tlsKey, "base64");
  const tlsKey = fingerprintOf(tlsSpki);
  const certificate = await issueNodeCertificate(
    { caPem: identity.tls.caPem, caKeyPem: loadCaKey(directory) },
    { mesh: identity.node.mesh.id, node: id, name: request.name, hosts: hostsOf(request.addresses), tlsSpki },
  );
  const body = {
    name: request.name,
    site: entry.site,
    region: entry.region,
    signKey: request.signKey.toLowerCase(),
    tlsKey,
    grants: [...entry.grants],
    labels: {},
    joinedAt: wall(),
  };
  const scope = detailScope(identity.node.mesh.detail, entry);
  const draft = { scope, key: memberKey(id), version: desk.stamp(), kind: "roster", body } as const;
  const frame = Buffer.from(seal(desk, draft)).toString("base64");
  return { node: id, name: request.name, signKey: body.signKey, tlsKey, certificate, frame };
}

/** The use is spent on disk; a crash before this ends is mended by the newcomer asking again. */
async function finish(desk: Desk, entry: InviteEntry, joined: JoinEntry): Outcome<JoinAnswer> {
  const { identity, view } = desk;
  const frame = Buffer.from(joined.frame, "base64");
  if (!(await desk.admit(frame))) return refuse("storage", "the enroller's disk refused; try again");
  if (view.memberBody(joined.node) === undefined) {
    const why = "this node has no right to admit members any more, or the membership was ended since";
    return refuse("not-an-enroller", why);
  }
  const { mesh } = identity.node;
  const frames = [frame, ...view.introduction()].map((bytes) => Buffer.from(bytes).toString("base64"));
  return ok({
    certificate: joined.certificate,
    ca: identity.tls.caPem,
    mesh: { id: mesh.id, name: mesh.name, rootKey: hex(mesh.rootKey), detail: mesh.detail },
    node: { id: joined.node, name: joined.name, site: entry.site, region: entry.region },
    frames: [...new Set(frames)],
  });
}

async function revoke(desk: Desk, node: NodeId, reason: string): Outcome<undefined> {
  const { identity, view } = desk;
  if (node === identity.node.id) return refuse("malformed", "a node leaves by itself: `starlight leave`");
  const unknown = view.memberBody(node) === undefined;
  if (unknown && identity.node.mesh.detail === "mesh") return refuse("malformed", `${node} is not a member`);
  const grants = view.member(identity.node.id)?.member.grants ?? [];
  if (!grants.includes("enrol")) return refuse("not-an-enroller", "this node has not the grant `enrol`");
  const body = { how: "revoked", reason: reason.slice(0, 1024) };
  // What we have of the node was written before, whatever its clock and ours say.
  const version = Math.max(desk.stamp(), view.newestBy(node) + 1);
  const draft = { scope: "mesh", key: goneKey(node), version, kind: "roster", body } as const;
  const stored = await desk.admit(seal(desk, draft));
  return stored ? ok(undefined) : refuse("storage", "the disk refused; try again");
}

function seal({ identity }: Desk, draft: RecordDraft): Uint8Array {
  return storedBytes(sealRecord(draft, identity.node.id, identity.signer, nodeCrypto), nodeCrypto);
}

function storageRefusal(error: unknown): Result<never, JoinRefusal> {
  if (!(error instanceof IdentityError)) throw error;
  const { failure } = error;
  return failure.type === "invalid"
    ? refuse("malformed", error.message)
    : refuse("storage", `the enroller's data folder: ${failure.type}`);
}

function refuse(refusal: JoinRefusal["refusal"], detail: string): Result<never, JoinRefusal> {
  return err({ refusal, detail });
}
