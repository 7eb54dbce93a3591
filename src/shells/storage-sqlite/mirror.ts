import { Worker } from "node:worker_threads";
import type { Commit } from "./apply-commit.ts";
import type { MirrorAnswer, MirrorOrder } from "./mirror-worker.ts";
import type { Row } from "./rows.ts";
import type { StorageNote } from "./sqlite-storage.ts";

/**
 * The copy of a store on a second disk. It is written by a thread of its own, so that a disk that hangs
 * does not hold up the agent: a write waits for it for at most a second, then goes on without.
 */
export type Mirror = {
  /** Undefined when there is nothing to wait for; else resolves when the mirror has it, or has failed. */
  readonly commit: (commit: Commit) => Promise<void> | undefined;
  readonly close: () => Promise<void>;
};

export type MirrorOptions = {
  readonly path: string;
  readonly note: StorageNote;
  readonly retryMs?: number | undefined;
  /** Which store this is a mirror of. */
  readonly lineage: string;
  /** The last commit of the primary. */
  readonly generation: () => number;
  /** All of the primary, for a mirror that is behind. */
  readonly rows: () => readonly Row[];
};

const waitMsMax = 1_000;
/** Closing waits this long for a mirror that is behind; what is missing then comes at the next opening. */
const closeMsMax = 5_000;
const openMsMax = 30_000;
const catchUpMsMax = 300_000;
const retryDefaultMs = 30_000;

type Asked = { readonly answered: (answer: MirrorAnswer) => void; readonly timer: NodeJS.Timeout };

export function createMirror(options: MirrorOptions): Mirror {
  const { path, note, lineage, retryMs = retryDefaultMs } = options;
  let worker: Worker | undefined;
  let state: "opening" | "behind" | "following" | "failed" | "closed" = "failed";
  let isNoted = false;
  let asked: Asked[] = [];
  let retry: NodeJS.Timeout | undefined;
  /** It follows or has failed; after an opening, writes wait for that, but not for long. */
  const decided = Promise.withResolvers<void>();
  const grace = Promise.race([decided.promise, after(waitMsMax)]);

  const ask = (order: MirrorOrder, msMax: number, answered: Asked["answered"]): void => {
    const timer = setTimeout(() => fail(`no answer in ${msMax / 1000} s`), msMax);
    timer.unref();
    asked.push({ answered, timer });
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
    worker?.postMessage(order);
  };

  /** Everyone who waits goes on, in the order in which they asked. */
  const letGo = (answer: MirrorAnswer): void => {
    const waiting = asked;
    asked = [];
    for (const { answered, timer } of waiting) {
      clearTimeout(timer);
      answered(answer);
    }
  };

  const fail = (detail: string): void => {
    if (state === "failed" || state === "closed") return;
    state = "failed";
    letGo({ ok: false, detail });
    decided.resolve();
    void worker?.terminate();
    if (!isNoted) {
      note("warning", "MirrorFailed", `${path}: ${detail}; writes go on without it, it is tried again`);
    }
    isNoted = true;
    retry = setTimeout(start, retryMs);
    retry.unref();
  };

  const follow = (): void => {
    state = "following";
    decided.resolve();
    if (isNoted) note("info", "MirrorFollows", `${path} holds everything again`);
    isNoted = false;
  };

  const catchUp = (): void => {
    state = "behind";
    try {
      const meta = { lineage, generation: options.generation() };
      ask({ type: "contents", rows: options.rows(), meta }, catchUpMsMax, (answer) => {
        if (state === "behind" && answer.ok) follow();
      });
    } catch (error) {
      fail(error instanceof Error ? error.message : String(error));
    }
  };

  /** Not while an earlier thread still hangs in its disk. */
  const start = (): void => {
    if (state === "closed") return;
    if (worker !== undefined) {
      retry = setTimeout(start, retryMs);
      retry.unref();
      return;
    }
    state = "opening";
    const suffix = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const made = new Worker(new URL(`./mirror-worker.${suffix}`, import.meta.url), {
      workerData: path,
      execArgv: [],
    });
    worker = made;
    made.unref();
    made.on("error", (error) => fail(error instanceof Error ? error.message : String(error)));
    made.on("exit", () => {
      worker = undefined;
      fail("its thread ended");
    });
    made.on("message", (answer: MirrorAnswer) => {
      if (made !== worker || state === "failed") return;
      if (!answer.ok) return fail(answer.detail);
      const first = asked.shift();
      clearTimeout(first?.timer);
      first?.answered(answer);
    });
    ask({ type: "open", lineage, generation: options.generation() }, openMsMax, (answer) => {
      if (!answer.ok || state !== "opening") return;
      // Equal numbers mean equal content; a commit may have come since we asked.
      if (answer.generation === options.generation()) follow();
      else catchUp();
    });
  };
  start();

  return {
    commit: (commit) => {
      if (state === "opening") return grace;
      if (state !== "behind" && state !== "following") return undefined;
      const msMax = state === "following" ? waitMsMax : catchUpMsMax;
      const done = new Promise<void>((resolve) => {
        ask({ type: "commit", commit }, msMax, () => resolve());
      });
      return state === "following" ? done : Promise.race([done, grace]);
    },
    close: async () => {
      if (state === "opening" || state === "behind") {
        await Promise.race([decided.promise, after(closeMsMax)]);
      }
      clearTimeout(retry);
      const running = worker;
      if (running !== undefined && (state === "following" || state === "behind")) {
        await new Promise<void>((resolve) => ask({ type: "close" }, waitMsMax, () => resolve()));
      }
      state = "closed";
      letGo({ ok: false, detail: "closed" });
      clearTimeout(retry);
      void running?.terminate();
    },
  };
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
