import { createPublicKey, verify } from "node:crypto";
import * as v from "valibot";
import { fromHex, hex } from "../../core/kernel/bytes.ts";
import { versionAt } from "../../core/kernel/hybrid-clock.ts";
import type { NodeView } from "../../core/node/contract.ts";
import { memberKey } from "../../core/records/keys.ts";
import { nodeIdOf, sealRecord } from "../../core/records/record.ts";
import type { Identity } from "../../ports/identity.ts";
import { nodeCrypto } from "../../shells/crypto-node/node-crypto.ts";
import { loadCaKey } from "../../shells/identity-file/load-identity.ts";
import { fingerprintOf } from "../../shells/identity-file/keys.ts";
import { hostsOf, isName } from "../../shells/identity-file/names.ts";
import { findInvite, useInvite } from "./invites.ts";

/** What a newcomer sends. The proof is a signature over the request by its record key. */
export const joinSchema = v.strictObject({
  secret: v.pipe(v.string(), v.maxLength(64)),
  name: v.pipe(v.string(), v.maxLength(63)),
  signKey: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  /** SubjectPublicKeyInfo of the TLS key, base64. */
  tlsSpki: v.pipe(v.string(), v.maxLength(1024)),
  addresses: v.pipe(v.array(v.pipe(v.string(), v.maxLength(300))), v.maxLength(16)),
  clock: v.number(),
  proof: v.pipe(v.string(), v.maxLength(200)),
});
export type JoinRequest = v.InferOutput<typeof joinSchema>;

export type JoinAnswer = {
  readonly certificatePem: string;
  readonly caPem: string;
  readonly mesh: { readonly id: string; readonly name: string; readonly rootKey: string };
  readonly node: { readonly id: string; readonly site: string; readonly region: string };
  /** Record frames, base64: roster and addresses. */
  readonly frames: readonly string[];
  readonly clock: number;
};

/** Why a newcomer is refused, as the exit code's name and a sentence. */
export type JoinRefusal = {
  readonly exit: "inviteExpired" | "clockOff" | "refused" | "inviteInvalid";
  readonly message: string;
};

export const clockSkewMaxMs = 300_000;

export const proofText = (request: Omit<JoinRequest, "proof">): string =>
  `starlight join\n${request.secret}\n${request.name}\n${request.signKey}\n${request.tlsSpki}\n${request.clock}`;

export type Admitter = {
  readonly data: string;
  readonly identity: Identity;
  readonly view: NodeView;
  readonly enrolled: (frame: Uint8Array) => void;
  readonly now: () => number;
};

/** Admits a newcomer: certificate, roster record, introduction. A lost answer may be asked for again. */
export async function admit(admitter: Admitter, request: JoinRequest): Promise<JoinAnswer | JoinRefusal> {
  const { data, identity, view } = admitter;
  const now = admitter.now();
  const skew = request.clock - now;
  if (Math.abs(skew) > clockSkewMaxMs) {
    const message = `the clocks differ by ${Math.round(Math.abs(skew) / 1000)} s: here it is ${new Date(now).toISOString()}, there ${new Date(request.clock).toISOString()}; set the wrong one right and join again`;
    return { exit: "clockOff", message };
  }
  const invite = findInvite(data, request.secret, request.signKey, now);
  if (typeof invite === "string") {
    const why = { unknown: "is not known to this node", expired: "has expired", used: "was used up" }[invite];
    return { exit: "inviteExpired", message: `the invite ${why}: ask for a new one` };
  }
  const signKey = fromHex(request.signKey) ?? new Uint8Array(0);
  const spki = Buffer.from(request.tlsSpki, "base64");
  if (!isProven(request, signKey))
    return { exit: "refused", message: "the request is not signed by the key it names" };
  if (!isName(request.name))
    return { exit: "refused", message: `${JSON.stringify(request.name)} is not a node name` };
  const id = nodeIdOf(signKey, nodeCrypto);
  const taken = view.members().find(({ member }) => member.name === request.name);
  if (taken !== undefined && taken.id !== id) {
    return {
      exit: "refused",
      message: `the name ${request.name} is taken in this mesh; choose another with --name`,
    };
  }
  const { mesh } = identity.node;
  const { issueNodeCertificate } = await import("../../shells/identity-file/certificates.ts");
  const authority = { caPem: identity.tls.caPem, caKeyPem: loadCaKey(data) };
  const subject = {
    mesh: mesh.id,
    node: id,
    name: request.name,
    hosts: hostsOf(request.addresses),
    tlsSpki: spki,
  };
  const certificatePem = await issueNodeCertificate(authority, subject);
  const body = {
    name: request.name,
    site: invite.site,
    region: invite.region,
    signKey: hex(signKey),
    tlsKey: fingerprintOf(spki),
    grants: ["write"],
    labels: {},
    joinedAt: now,
  };
  const draft = { scope: "mesh", key: memberKey(id), version: versionAt(now), kind: "roster", body } as const;
  const record = sealRecord(draft, identity.node.id, identity.signer, nodeCrypto);
  useInvite(data, request.secret, request.signKey);
  admitter.enrolled(record.bytes);
  return {
    certificatePem,
    caPem: identity.tls.caPem,
    mesh: { id: mesh.id, name: mesh.name, rootKey: hex(mesh.rootKey) },
    node: { id, site: invite.site, region: invite.region },
    frames: [...view.introduction(), record.bytes].map((frame) => Buffer.from(frame).toString("base64")),
    clock: now,
  };
}

function isProven({ proof, ...request }: JoinRequest, signKey: Uint8Array): boolean {
  const x = Buffer.from(signKey).toString("base64url");
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  return verify(null, Buffer.from(proofText(request)), key, Buffer.from(proof, "base64"));
}
