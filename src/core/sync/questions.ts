import type { SyncFrame } from "./frames.ts";
import type { Step } from "./state.ts";

/** What makes us look things up and answer, and what that costs: such frames wait for a budget. */

/** Questions of one peer that wait: an honest one asks one thing at a time, or a few after a search. */
export const questionsMax = 16;
const questions: ReadonlySet<SyncFrame["type"]> = new Set([
  "compare",
  "heads",
  "heads-want",
  "offer",
  "symbols-want",
  "symbols",
  "items-want",
]);
/** The work of any frame, in the unit of budget.ts. */
export const frameWork = 20;

export const isQuestion = ({ type }: SyncFrame): boolean => questions.has(type);

/** What answering costs, about, in the unit of budget.ts: look-ups go through all logs, or all records. */
export function workOf({ env }: Step, frame: SyncFrame): number {
  const { logs, bySlot } = env.store;
  switch (frame.type) {
    case "heads":
      return frameWork + logs.size + frame.scopes.reduce((sum, scope) => sum + scope.logs.length, 0);
    case "offer":
      return frameWork + frame.logs.length;
    case "symbols-want":
      return 10 * frameWork + frame.count;
    case "symbols":
      return 10 * frameWork + frame.bytes.length / 8;
    case "items-want":
      return frameWork + bySlot.size / 10 + frame.items.length;
    default:
      return frameWork + logs.size;
  }
}
