import { X509Certificate } from "node:crypto";
import { fromHex, hex } from "../../core/kernel/bytes.ts";
import { err, ok, type Result } from "../../core/kernel/result.ts";
import type { NodeIdentity } from "../../core/node/contract.ts";
import { nodeIdOf } from "../../core/records/record.ts";
import { nodeCrypto, signerFromPem } from "../../shells/crypto-node/node-crypto.ts";
import { spiffeIdOf } from "../../shells/identity-file/certificates.ts";
import { fingerprintOf, newRecordKey, newTlsKey, spkiOf } from "../../shells/identity-file/keys.ts";
import { isRegion, regionRefused } from "../../core/records/scope.ts";
import { checkName, hostsOf } from "../../shells/identity-file/names.ts";
import { refuseExisting, saveIdentity } from "../../shells/identity-file/save-identity.ts";
import { AppError } from "../app-error.ts";
import { trustedFrames } from "./introduction-trust.ts";
import { decodeInvite, type Invite } from "./invite.ts";
import { inviteExplained, joinExplained, type JoinFailure } from "./join-errors.ts";
import {
  answerBytesMax,
  joinPath,
  proveJoin,
  readJoinAnswer,
  readJoinRefusal,
  type JoinAnswer,
} from "./join-request.ts";
import { postPinned, type HopFailure } from "./pinned-connection.ts";

export type JoinOptions = {
  /** The line that `createInvite` made. */
  readonly invite: string;
  readonly directory: string;
  readonly nodeName: string;
  /** `host:port` others will reach this node at; they go into its certificate. May be empty. */
  readonly addresses: readonly string[];
  /** More places where the enroller may answer, found on the local network; tried first. */
  readonly found?: readonly string[];
  /** This machine's wall clock; `Date.now` when missing. */
  readonly wall?: () => number;
  /** Told what is tried, for people who wait. */
  readonly progress?: (sentence: string) => void;
};

/**
 * Makes this machine a member of the invite's mesh. Nothing is written until everything is known and
 * proven; then all of it appears at once. Throws an `AppError` or `IdentityError`; trying again is safe.
 */
export async function joinMesh(options: JoinOptions): Promise<NodeIdentity> {
  const { directory, nodeName, addresses, wall = Date.now } = options;
  checkName("the node name", nodeName);
  hostsOf(addresses);
  const decoded = decodeInvite(options.invite, wall());
  if (!decoded.ok) throw new AppError(inviteExplained(decoded.error));
  refuseExisting(directory);
  const invite = decoded.value;
  const keys = { nodeKeyPem: newRecordKey().privatePem, tlsKeyPem: newTlsKey().privatePem };
  const answered = await ask(options, invite, keys);
  if (!answered.ok) throw new AppError(joinExplained(answered.error, invite));
  const checked = checkAnswer(answered.value, invite, keys, nodeName);
  if (!checked.ok) {
    throw new AppError(joinExplained({ type: "untrustworthy", detail: checked.error }, invite));
  }
  const { node, frames } = checked.value;
  const { certificate: certificatePem, ca: caPem } = answered.value;
  saveIdentity(directory, { node, ...keys, certificatePem, caPem, frames, createdAt: wall() });
  return node;
}

type Keys = { readonly nodeKeyPem: string; readonly tlsKeyPem: string };

/** Asks at one address after the other. A lost answer is asked for once more: the request is idempotent. */
async function ask(
  { nodeName, addresses, found = [], wall = Date.now, progress = () => {} }: JoinOptions,
  invite: Invite,
  keys: Keys,
): Promise<Result<JoinAnswer, JoinFailure>> {
  const { meshId, enroller, secret } = invite;
  const signer = signerFromPem(keys.nodeKeyPem);
  const failures: HopFailure[] = [];
  const places = [...new Set([...found, ...invite.addresses])];
  for (const address of [...places, ...places]) {
    const before = failures.find((failure) => failure.address === address);
    if (before !== undefined && before.hop !== "answer") continue;
    progress(`asking ${address}`);
    const claim = { meshId, enroller, secret, name: nodeName, addresses: [...addresses], clock: wall() };
    const body = Buffer.from(JSON.stringify(proveJoin(claim, signer, keys.tlsKeyPem)));
    const posted = await postPinned(address, invite, joinPath, body, answerBytesMax);
    if (!posted.ok) {
      progress(`${address}: ${posted.error.detail}`);
      failures.push(posted.error);
      continue;
    }
    const answer = posted.value.status === 200 ? readJoinAnswer(posted.value.body) : undefined;
    if (answer !== undefined) return ok(answer);
    const refusal = readJoinRefusal(posted.value.body);
    if (refusal !== undefined) return err({ type: "refused", address, refusal });
    failures.push({
      hop: "answer",
      address,
      detail: `it answered with status ${posted.value.status} and nothing we understand`,
      fix: "Install the version of Starlight that the mesh runs.",
    });
  }
  return err({ type: "hops", failures });
}

/** The answer came from the enroller; even so it must fit the invite, our keys and the root key. */
function checkAnswer(
  answer: JoinAnswer,
  invite: Invite,
  keys: Keys,
  nodeName: string,
): Result<{ readonly node: NodeIdentity; readonly frames: readonly Uint8Array[] }, string> {
  const rootKey = fromHex(answer.mesh.rootKey);
  if (
    rootKey === undefined ||
    nodeIdOf(rootKey, nodeCrypto) !== invite.meshId ||
    answer.mesh.id !== invite.meshId
  ) {
    return err("the root key it gave is not that of the invite's mesh");
  }
  const signer = signerFromPem(keys.nodeKeyPem);
  const id = nodeIdOf(signer.publicKey, nodeCrypto);
  if (answer.node.id !== id || answer.node.name !== nodeName) return err("it admitted somebody else than us");
  const tlsKey = certifiedKey(answer, invite, id);
  if (tlsKey === undefined || tlsKey !== fingerprintOf(spkiOf(keys.tlsKeyPem))) {
    return err("the certificate it gave is not ours");
  }
  const mesh = { id: invite.meshId, name: answer.mesh.name, rootKey, detail: answer.mesh.detail ?? "mesh" };
  const { frames, members } = trustedFrames(
    answer.frames.map((frame) => new Uint8Array(Buffer.from(frame, "base64"))),
    mesh,
  );
  const member = members.get(id);
  if (member?.signKey !== hex(signer.publicKey) || member.tlsKey !== tlsKey || member.name !== nodeName) {
    return err("its roster does not hold us");
  }
  if (member.site !== answer.node.site || member.region !== answer.node.region) {
    return err("its roster puts us somewhere else");
  }
  if (!isRegion(member.region)) return err(regionRefused("the region", member.region));
  return ok({ node: { ...answer.node, mesh }, frames });
}

function certifiedKey(answer: JoinAnswer, invite: Invite, id: string): string | undefined {
  try {
    const ca = new X509Certificate(answer.ca);
    const leaf = new X509Certificate(answer.certificate);
    const names = (leaf.subjectAltName ?? "").split(", ");
    const sound =
      certificateKey(ca) === invite.ca &&
      leaf.verify(ca.publicKey) &&
      names.includes(`URI:${spiffeIdOf(invite.meshId, id)}`);
    return sound ? certificateKey(leaf) : undefined;
  } catch {
    return undefined;
  }
}

const certificateKey = (certificate: X509Certificate): string =>
  fingerprintOf(certificate.publicKey.export({ type: "spki", format: "der" }));
