import type { LinkId } from "./contract.ts";
import { encodeFrame, type MembershipFrame, type Saw } from "./frames.ts";
import type { Link } from "./peer-state.ts";
import type { Step } from "./state.ts";

/** Answers that we owe to others who asked whether we hear a peer. */

/** More questions about one peer than this at once are not answered: nobody has so many. */
const dutiesMax = 64;

export function owe(link: Link, requester: LinkId, number: number): void {
  if (link.duties.length < dutiesMax) link.duties.push({ link: requester, number });
}

export function answerDuties(step: Step, link: Link, saw: Saw): void {
  for (const duty of link.duties.splice(0))
    send(step, duty.link, { type: "answer", number: duty.number, saw });
}

export function send({ state, out }: Step, link: LinkId, frame: MembershipFrame): void {
  if (state.peerByLink.has(link)) out.push({ type: "send", link, bytes: encodeFrame(frame) });
}
