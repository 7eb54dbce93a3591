import { fromHex } from "../kernel/bytes.ts";
import { logName } from "../records/log.ts";
import { slotOf, type MeshRecord } from "../records/record.ts";
import { keeps } from "../records/scope.ts";
import { coverAndHold } from "./held.ts";
import { bundleToSign, type BundleMaker } from "../sync/bundle.ts";
import { refusalOf } from "../trust/authorise.ts";
import { admitRecords } from "./admission.ts";
import type { BundleReport, NodeEvent } from "./contract.ts";
import { coverOwnLogs, headsMoved } from "./heads.ts";
import { absorb } from "./links.ts";
import { belongs, memberOf, trustView } from "./trust-view.ts";
import type { Turn } from "./turn.ts";

/** Records that came in a file: judged one by one, like those of a peer. */

const refusedListed = 100;

type Fate = "known" | "fresh" | "setAside" | "waiting" | "elsewhere" | { readonly why: string };

export function bundleArrived(turn: Turn, event: Extract<NodeEvent, { type: "bundle" }>): void {
  const { request, records, maker } = event;
  const { state } = turn;
  const known = new Set(records.filter((record) => isKnown(turn, record)));
  const admitted = admitRecords(turn, records, undefined);
  // How far a log is complete is the maker's word: a member's, or nobody's. It may have come with these records.
  const vouched = isVouched(turn, maker);
  const covers = vouched ? event.covers.filter(({ scope }) => keeps(state.identity, scope)) : [];
  for (const log of covers) if (!turn.voided.has(logName(log))) coverAndHold(turn, log);
  absorb(turn, admitted, undefined);
  if (vouched && event.whole) coverOwnLogs(turn);
  if (covers.length > 0) headsMoved(turn);
  const fates = records.map((record) => ({
    record,
    fate: known.has(record) ? "known" : fateOf(turn, record),
  }));
  const count = (wanted: Fate): number => fates.filter(({ fate }) => fate === wanted).length;
  const refused = fates.flatMap(({ record: { key, author }, fate }) =>
    typeof fate === "string" ? [] : [{ key, author, why: fate.why }],
  );
  const report: BundleReport = {
    records: records.length,
    fresh: count("fresh"),
    known: count("known"),
    setAside: count("setAside"),
    waiting: count("waiting"),
    elsewhere: count("elsewhere"),
    refused: refused.length,
    refusals: refused.slice(0, refusedListed),
    vouched,
  };
  turn.out.push({ type: "bundle-taken", request, report });
}

/** Whether we hold this record, or a newer one in its place. */
function isKnown({ state }: Turn, record: MeshRecord): boolean {
  const held = state.store.bySlot.get(slotOf(record));
  if (held === undefined || held.version < record.version) return false;
  return held.version > record.version || held.hash.every((byte, at) => byte === record.hash[at]);
}

/** What became of a record that was new here. */
function fateOf(turn: Turn, record: MeshRecord): Fate {
  const { state, env } = turn;
  const slot = slotOf(record);
  if (record.live) return "fresh";
  if (!keeps(state.identity, record.scope)) return "elsewhere";
  if ((state.setAside.get(slot)?.version ?? -1) >= record.version) return "setAside";
  if ((state.pending.get(slot)?.record.version ?? -1) >= record.version) return "waiting";
  const refusal = refusalOf(record, trustView(state), env.crypto);
  if (refusal?.type === "forbidden") return { why: refusal.why };
  if (isKnown(turn, record)) return "known";
  const other = state.store.bySlot.get(slot);
  if (other?.version === record.version) return { why: "its author signed another record with this stamp" };
  return { why: "too many records wait for their time or their author" };
}

function isVouched({ state, env }: Turn, { node, digest, signature }: BundleMaker): boolean {
  const member = memberOf(state, node);
  if (member === undefined || !belongs(state, node)) return false;
  const publicKey = fromHex(member.signKey);
  return publicKey !== undefined && env.crypto.verify(publicKey, bundleToSign(digest), signature);
}
