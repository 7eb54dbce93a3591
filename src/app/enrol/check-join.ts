import { parseJson } from "../../core/kernel/json.ts";
import { fields, text } from "../../core/kernel/shape.ts";
import type { Place } from "../../core/records/scope.ts";
import type { HopReport } from "../../ports/hops.ts";
import { signerFromPem } from "../../shells/crypto-node/node-crypto.ts";
import { newRecordKey, newTlsKey } from "../../shells/identity-file/keys.ts";
import { agentVersion } from "../version.ts";
import { exitCodes, type ExitCode } from "../exit-codes.ts";
import { failed, failureIn, furthest, passed, runHops, type Hop, type HopResult } from "../hops/run-hops.ts";
import { decodeInvite, type Invite } from "./invite.ts";
import { inviteExplained, refusals } from "./join-errors.ts";
import { checkPath, proveJoin, readJoinRefusal, type JoinRefusal } from "./join-request.ts";
import { closePath, exchange, pinnedHops, pinnedPath, type PinnedPath } from "./pinned-connection.ts";

/**
 * A join that is only tried: every hop up to the enroller's yes, and nothing is changed on either side. The
 * secret is shown to the enroller alone, as in a join.
 */
export type CheckOptions = {
  readonly invite: string;
  readonly nodeName: string;
  /** More places to try, found on the local network. */
  readonly found?: readonly string[];
  readonly wall?: () => number;
};

export type JoinCheck = {
  readonly addresses: readonly { readonly address: string; readonly hops: readonly HopReport[] }[];
  readonly failing: HopReport | undefined;
  /** Where the invite places whoever comes with it; undefined when it is none. */
  readonly place: Place | undefined;
  /** What a join would end with. */
  readonly exitCode: ExitCode;
};

type Way = PinnedPath & {
  readonly nodeName: string;
  readonly wall: () => number;
  refusal?: JoinRefusal | undefined;
};

const hops: readonly Hop<Way>[] = [
  ...pinnedHops,
  { name: "version", run: compareVersions },
  { name: "clock", run: askEnroller },
  { name: "invite", run: ({ refusal }) => judged(refusal, "it is good for this node") },
];

export async function checkJoin(options: CheckOptions): Promise<JoinCheck> {
  const { nodeName, found = [], wall = Date.now } = options;
  const decoded = decodeInvite(options.invite, wall());
  if (!decoded.ok) {
    const { what, fix, exitCode } = inviteExplained(decoded.error);
    const failing: HopReport = { hop: "invite", outcome: "failed", detail: what, fix };
    return { addresses: [], failing, place: undefined, exitCode };
  }
  const invite: Invite = decoded.value;
  const place = { site: invite.site, region: invite.region };
  const addresses: { readonly address: string; readonly hops: readonly HopReport[] }[] = [];
  let exitCode: ExitCode = exitCodes.unreachable;
  for (const address of new Set([...found, ...invite.addresses])) {
    const way: Way = { ...pinnedPath(address, invite), nodeName, wall };
    const reports = await runHops(hops, way);
    closePath(way);
    addresses.push({ address, hops: reports });
    const failure = failureIn(reports);
    if (failure === undefined) return { addresses, failing: undefined, place, exitCode: exitCodes.ok };
    if (failure.hop === "fingerprint") exitCode = exitCodes.wrongMesh;
    if (way.refusal !== undefined) exitCode = refusals[way.refusal.refusal].exitCode;
  }
  return { addresses, failing: furthest(addresses.map((entry) => entry.hops)), place, exitCode };
}

const versionShape = fields({ gitVersion: text(128) });

async function compareVersions({ tls }: Way): Promise<HopResult> {
  const answer = tls && (await exchange(tls, "GET", "/version", new Uint8Array(), 16_384));
  const said = versionShape(parseJson(answer?.body ?? new Uint8Array()))?.gitVersion;
  const theirs = /\+starlight\.(.+)$/.exec(said ?? "")?.[1];
  const install = "Install the version of Starlight that the mesh runs.";
  if (theirs === undefined) return failed("whoever answers there does not say its version", install);
  const both = `this machine has Starlight ${agentVersion}, the enroller ${theirs}`;
  return majorOf(theirs) === majorOf(agentVersion) ? passed(both) : failed(both, install);
}

const majorOf = (version: string): string => version.split(".")[0] ?? "";

async function askEnroller(way: Way): Promise<HopResult> {
  const { tls, invite, nodeName, wall } = way;
  if (tls === undefined) return failed("there is no connection", "");
  const { meshId, enroller, secret } = invite;
  const claim = { meshId, enroller, secret, name: nodeName, addresses: [], clock: wall() };
  const request = proveJoin(claim, signerFromPem(newRecordKey().privatePem), newTlsKey().privatePem);
  const answer = await exchange(tls, "POST", checkPath, Buffer.from(JSON.stringify(request)), 16_384);
  way.refusal = answer.status === 200 ? undefined : (readJoinRefusal(answer.body) ?? unclear(answer.status));
  if (way.refusal?.refusal === "clock") return judged(way.refusal, "");
  return passed("within 5 minutes of the enroller's");
}

const unclear = (status: number): JoinRefusal => ({
  refusal: "malformed",
  detail: `the enroller answered ${status} to the question whether we may join`,
});

function judged(refusal: JoinRefusal | undefined, good: string): HopResult {
  if (refusal === undefined) return passed(good);
  return failed(refusal.detail, refusals[refusal.refusal].fix);
}
