import type { MemberView } from "../../core/node/contract.ts";
import type { NodeId } from "../../core/records/record.ts";
import type { Examination, HopReport } from "../../ports/hops.ts";
import { failureIn, furthest, runHops } from "../hops/run-hops.ts";
import { closePath, memberHops, memberPath, ownHops, type ExamineDeps } from "./member-hops.ts";

const addressesMax = 8;

/** Tries every hop from this node to a member. Opens no link and changes nothing. */
export async function examine(deps: ExamineDeps, peer: NodeId): Promise<Examination> {
  if (peer === deps.identity.node.id) {
    const detail = "this is the node that answers";
    return {
      before: [{ hop: "self", outcome: "ok", detail, fix: "" }],
      addresses: [],
      after: [],
      failing: undefined,
    };
  }
  const before = await runHops(ownHops, { deps, peer });
  const blocked = failureIn(before);
  const places = blocked === undefined ? deps.pathsTo(peer).addresses.slice(0, addressesMax) : [];
  const addresses = await Promise.all(
    places.map(async (address) => {
      const path = memberPath(deps, peer, address);
      const hops = await runHops(memberHops, path);
      closePath(path);
      return { address, hops };
    }),
  );
  const works = addresses.some(({ hops }) => failureIn(hops) === undefined);
  const member = deps.member(peer);
  const link = linkReport(member, works);
  const after = member === undefined ? [] : [link, relayReport(deps, member)];
  return { before, addresses, after, failing: failing() };

  function failing(): HopReport | undefined {
    // Whoever only dials out cannot be dialled, and is linked all the same.
    if (member?.evidence.link !== undefined) return undefined;
    if (blocked !== undefined) return blocked;
    return works ? failureIn([link]) : furthest(addresses.map(({ hops }) => hops));
  }
}

const unseen = { link: undefined, roundTrip: undefined, verdict: "unreachable", observations: [] } as const;

function linkReport(member: MemberView | undefined, works: boolean): HopReport {
  const { link, roundTrip, verdict, observations } = member?.evidence ?? unseen;
  const as = (outcome: HopReport["outcome"], detail: string, fix = ""): HopReport => ({
    hop: "link",
    outcome,
    detail,
    fix,
  });
  if (link !== undefined) {
    const trip = roundTrip === undefined ? "" : `, round trip ${Math.round(roundTrip * 10) / 10} ms`;
    return as("ok", `open${trip}${works ? "" : "; it dialled us, as its own addresses cannot be dialled"}`);
  }
  const said = `seen as ${verdict}: ${observations[0]?.what ?? "no reason known"}`;
  if (verdict === "alive") return as("ok", `none of our own, none is needed; ${said}`);
  if (!works) return as("failed", `none; ${said}`, "Mend the hop that fails.");
  return as(
    "failed",
    `none, though it answers; ${said}`,
    "Wait for the next dial (redialMaxMs), then look again.",
  );
}

/** Through whom its records reach us, when not directly. */
function relayReport(deps: ExamineDeps, member: MemberView): HopReport {
  const between = deps
    .members()
    .filter(({ id, self, evidence, links }) => {
      const reaches = !self && id !== member.id && evidence.link !== undefined;
      return (
        reaches && (links?.peers.includes(member.id) === true || member.links?.peers.includes(id) === true)
      );
    })
    .map((other) => other.member.name)
    .sort();
  const names = between.slice(0, 5).join(", ");
  const more = between.length > 5 ? ` and ${between.length - 5} more` : "";
  return between.length > 0
    ? { hop: "relay", outcome: "ok", detail: `${names}${more}: linked with both`, fix: "" }
    : {
        hop: "relay",
        outcome: "skipped",
        detail: "no member that we are linked with says that it is linked with it",
        fix: "",
      };
}
