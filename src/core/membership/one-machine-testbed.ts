import type { Instant } from "../kernel/time.ts";
import type { LinkEnd, LinkId, Membership, MembershipEffect, MembershipEvent, Peer } from "./contract.ts";
import { createMembership } from "./create-membership.ts";
import { decodeFrame, encodeFrame, type MembershipFrame } from "./frames.ts";
import { config, idOf, peerOf } from "./testbed.ts";

/** One machine between its neighbours 0 and 2 (it is 1), so that it decides towards 2 and not towards 0. */
export class Machine {
  now: Instant = 0;
  readonly machine: Membership = createMembership({ self: idOf(1), ...config });

  constructor(peers: readonly number[] = [0, 2]) {
    this.peers(peers);
  }

  tell(event: MembershipEvent): readonly MembershipEffect[] {
    return this.machine.handle(event, { now: this.now, wall: 0, random: () => 0.5 });
  }

  /** @param contacts Of other places. */
  peers(members: readonly number[], contacts: readonly number[] = []): readonly MembershipEffect[] {
    const peers: Peer[] = [
      ...members.map((at) => peerOf(at)),
      ...contacts.map((at): Peer => ({ ...peerOf(at, "bern"), contact: "wanted" })),
    ];
    return this.tell({ type: "peers", peers, place: { site: "oslo", region: "north" } });
  }

  open(link: LinkId, peer: number): readonly MembershipEffect[] {
    return this.tell({ type: "link-opened", link, peer: idOf(peer), outbound: true });
  }

  close(link: LinkId, end: LinkEnd): readonly MembershipEffect[] {
    return this.tell({ type: "link-closed", link, end });
  }

  refuse(peer: number, why: "refused" | "unreachable"): readonly MembershipEffect[] {
    return this.tell({ type: "dial-failed", peer: idOf(peer), why, detail: "" });
  }

  frame(link: LinkId, frame: MembershipFrame): readonly MembershipEffect[] {
    return this.tell({ type: "frame", link, bytes: encodeFrame(frame) });
  }

  /** Its host refuses for longer than a restart takes. */
  refuseOn(peer: number): readonly MembershipEffect[] {
    this.refuse(peer, "refused");
    this.now += 500;
    return this.refuse(peer, "refused");
  }

  wakeAfter(duration: number): readonly MembershipEffect[] {
    this.now += duration;
    return this.tell({ type: "wake" });
  }

  /** Time passes, and every deadline is kept to the millisecond. */
  run(duration: number): readonly MembershipEffect[] {
    const end = this.now + duration;
    const effects: MembershipEffect[] = [];
    while (this.machine.wake().at <= end) {
      this.now = Math.max(this.now, this.machine.wake().at);
      effects.push(...this.tell({ type: "wake" }));
    }
    this.now = end;
    return effects;
  }

  verdict(peer: number): string | undefined {
    return this.machine.evidence(idOf(peer))?.verdict;
  }

  linkTo(peer: number): LinkId | undefined {
    return this.machine.evidence(idOf(peer))?.link;
  }
}

/** Effects in short: type, and the link or the peer's number; a frame by its own type. */
export function short(effects: readonly MembershipEffect[]): string[] {
  return effects.map((effect) => {
    if (effect.type === "send") return `${decodeFrame(effect.bytes)?.type} ${effect.link}`;
    if (effect.type === "links-changed")
      return ["links", effect.peers.map(Number).join(), effect.gone.map(Number).join()].join(" ").trim();
    if (effect.type === "close") return `close ${effect.link} ${effect.end}`;
    if (effect.type === "peer-up" || effect.type === "peer-down") return `${effect.type} ${effect.link}`;
    if (effect.type === "verdict-changed") return `${effect.from} -> ${effect.to}`;
    return `${effect.type} ${Number(effect.peer)}`;
  });
}

export const dialsOf = (effects: readonly MembershipEffect[]): readonly string[] =>
  short(effects).filter((effect) => effect.startsWith("dial"));
