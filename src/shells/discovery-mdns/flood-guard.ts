/**
 * What a hostile neighbour may cost us: datagrams are counted before they are read, per sender and in all.
 * A burst, then a steady trickle.
 */
export type FloodGuard = { readonly admits: (sender: string, nowMs: number) => boolean };

const perSender = { burst: 20, perSecond: 5 };
/** A site of 500 nodes answers a question within a second. */
const overall = { burst: 600, perSecond: 200 };
const sendersMax = 1_024;

export function createFloodGuard(): FloodGuard {
  const all = bucket(overall);
  let senders = new Map<string, Bucket>();
  return {
    admits: (sender, nowMs) => {
      let own = senders.get(sender);
      if (own === undefined) {
        // Forgetting everybody is cheap: the limit for all goes on.
        if (senders.size >= sendersMax) senders = new Map();
        own = bucket(perSender);
        senders.set(sender, own);
      }
      // Who is too loud alone does not use up what is there for all.
      return own(nowMs) && all(nowMs);
    },
  };
}

type Bucket = (nowMs: number) => boolean;

function bucket({ burst, perSecond }: { readonly burst: number; readonly perSecond: number }): Bucket {
  let tokens = burst;
  let at: number | undefined;
  return (nowMs) => {
    tokens = Math.min(burst, tokens + ((nowMs - (at ?? nowMs)) / 1_000) * perSecond);
    at = nowMs;
    if (tokens < 1) return false;
    tokens--;
    return true;
  };
}
