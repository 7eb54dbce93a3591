import type { Explanation } from "../app-error.ts";
import { exitCodes, type ExitCode } from "../exit-codes.ts";
import type { Invite, InviteError } from "./invite.ts";
import type { JoinRefusal } from "./join-request.ts";
import type { HopFailure } from "./pinned-connection.ts";

/** What went wrong with an invite or a join, in the words of the person who typed it. */

/** Why no member was made. Nothing was written here. */
export type JoinFailure =
  | { readonly type: "hops"; readonly failures: readonly HopFailure[] }
  | { readonly type: "refused"; readonly address: string; readonly refusal: JoinRefusal }
  /** The enroller's answer does not prove what it should. */
  | { readonly type: "untrustworthy"; readonly detail: string };

const nothingHere = "Nothing was written on this machine.";

export function inviteExplained(error: InviteError): Explanation {
  switch (error.type) {
    case "not-an-invite":
      return {
        exitCode: exitCodes.inviteInvalid,
        what: `this is not an invite: ${error.detail}`,
        kept: nothingHere,
        fix: "Copy the whole line that `starlight invite` printed.",
      };
    case "damaged":
      return {
        exitCode: exitCodes.inviteInvalid,
        what: `the invite is truncated or was altered on the way: ${error.detail}`,
        kept: nothingHere,
        fix: "Copy the whole line again.",
      };
    case "newer-format":
      return {
        exitCode: exitCodes.inviteInvalid,
        what: `the invite has format ${error.format}, which this version does not know`,
        kept: nothingHere,
        fix: "Install the version of Starlight that the mesh runs.",
      };
    case "expired":
      return {
        exitCode: exitCodes.inviteSpent,
        what: `the invite expired at ${new Date(error.at).toISOString()}; this machine's clock says ${new Date(error.now).toISOString()}`,
        kept: nothingHere,
        fix: "Set the clock if it is wrong; otherwise ask for a new invite.",
      };
  }
}

export function joinExplained(failure: JoinFailure, invite: Invite): Explanation {
  switch (failure.type) {
    case "hops":
      return hopsExplained(failure.failures, invite);
    case "refused":
      return refusalExplained(failure.refusal, failure.address, invite);
    case "untrustworthy":
      return {
        exitCode: exitCodes.joinRefused,
        what: `the answer of mesh ${invite.meshName} cannot be trusted: ${failure.detail}`,
        kept: nothingHere,
        fix: "Do not use this invite; ask whoever gave it to you.",
      };
  }
}

/** One line per address. A wrong mesh says more than an address that does not answer. */
function hopsExplained(failures: readonly HopFailure[], invite: Invite): Explanation {
  const wrongMesh = failures.find(({ hop }) => hop === "fingerprint");
  if (wrongMesh !== undefined) {
    return {
      exitCode: exitCodes.wrongMesh,
      what: `${wrongMesh.address}: ${wrongMesh.detail}`,
      kept: `${nothingHere} The invite's secret was not shown to it.`,
      fix: wrongMesh.fix,
    };
  }
  const lines = failures.map(
    ({ address, hop, detail, fix }) => `  ${address}: failed at "${hop}": ${detail}\n    ${fix}`,
  );
  return {
    exitCode: exitCodes.unreachable,
    what: [`no address of mesh ${invite.meshName}'s enroller could be used:`, ...lines].join("\n"),
    kept: `${nothingHere} The invite is still good.`,
    fix: "Then run the same command again; `--check` tries every hop and changes nothing.",
  };
}

export const refusals: {
  readonly [refusal in JoinRefusal["refusal"]]: { readonly exitCode: ExitCode; readonly fix: string };
} = {
  malformed: { exitCode: exitCodes.joinRefused, fix: "Run the same version of Starlight as the mesh." },
  "unknown-invite": { exitCode: exitCodes.inviteSpent, fix: "Ask for a new invite." },
  expired: { exitCode: exitCodes.inviteSpent, fix: "Ask for a new invite." },
  "used-up": { exitCode: exitCodes.inviteSpent, fix: "Ask for a new invite." },
  "name-taken": {
    exitCode: exitCodes.nameTaken,
    fix: "Choose another name with --name; the invite is still good.",
  },
  region: { exitCode: exitCodes.joinRefused, fix: "Ask for a new invite, for another region." },
  clock: { exitCode: exitCodes.clockOff, fix: "Set the clock that is wrong and run the same command again." },
  proof: { exitCode: exitCodes.joinRefused, fix: "Run the same version of Starlight as the mesh." },
  busy: { exitCode: exitCodes.joinRefused, fix: "Run the same command again in a minute." },
  "not-an-enroller": { exitCode: exitCodes.notAllowed, fix: "Ask for an invite of another node." },
  storage: {
    exitCode: exitCodes.joinRefused,
    fix: "Look after the enroller's disk and run the same command again.",
  },
};

function refusalExplained({ refusal, detail }: JoinRefusal, address: string, invite: Invite): Explanation {
  const { exitCode, fix } = refusals[refusal];
  const what = `mesh ${invite.meshName} (at ${address}) refused: ${detail}`;
  return { exitCode, what, kept: nothingHere, fix };
}
