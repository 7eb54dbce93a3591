import { seconds, type Duration } from "../kernel/time.ts";
import type { LinkId } from "../membership/contract.ts";
import type { NodeId } from "../records/record.ts";
import type { Cover } from "../sync/contract.ts";
import { whoMax } from "./introduction-frames.ts";
import { detailOf } from "./levels.ts";
import type { Turn } from "./turn.ts";

/** What came of authors that are not known yet: noted here, tended at the end of the turn (strangers.ts). */

const askAgainAfter: Duration = seconds(5);
const askedMax = 4_096;
const coversMax = 4_096;
const coversPerAuthor = 64;
const heldUpMax: Duration = seconds(2);
const heldUpEvery: Duration = seconds(20);

/** An author that we do not know: whoever sent its record holds its credentials, also when it is gone. */
export function askWho({ state, env }: Turn, link: LinkId | undefined, author: NodeId): void {
  const { levels } = state;
  if (link === undefined || detailOf(state) === "mesh") return;
  const name = `${link} ${author}`;
  if (env.now < (levels.askedAt.get(name) ?? Number.NEGATIVE_INFINITY) + askAgainAfter) return;
  if (levels.askedAt.size >= askedMax) levels.askedAt.clear();
  levels.askedAt.set(name, env.now);
  const asks = levels.asks.get(link) ?? new Set<NodeId>();
  levels.asks.set(link, asks);
  if (asks.size < whoMax) asks.add(author);
  // Who sends one stranger's records after another holds nothing up for long.
  if (env.now > levels.placeFrom + heldUpEvery) levels.placeFrom = env.now + heldUpMax;
}

/** What a link covered of the log of an author that is not known yet: it counts when its records do. */
export function coverLater({ state }: Turn, cover: Cover): void {
  const { covers } = state.levels;
  if (detailOf(state) === "mesh" || covers.size >= coversMax) return;
  const held = covers.get(cover.author) ?? [];
  if (held.length < coversPerAuthor) covers.set(cover.author, [...held, cover]);
}
