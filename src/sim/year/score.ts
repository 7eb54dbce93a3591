/** The first hour is for starting. */
export const warmUpS = 3_600;

/** What came of one workload in one site, measured over the whole time. */
export type Score = {
  readonly wanted: number;
  seconds: number;
  /** With at least one copy that answers. */
  servedS: number;
  /** Of all copies that were wanted, those that answered: copy-seconds. */
  copyS: number;
  /** More copies running than wanted. */
  duplicateS: number;
  /** Longest stretch of it. */
  duplicateMaxS: number;
  /** Copies started on another machine than before. */
  moves: number;
  /** Starts of any kind. */
  starts: number;
  /** Stretches without any copy that answers, in seconds. */
  readonly gapsS: number[];
};

export type Counter = {
  readonly score: Score;
  /** From now on so many copies run, of which so many answer. */
  readonly set: (atS: number, running: number, ready: number) => void;
  readonly end: (atS: number) => Score;
};

/** Counts from a moment on: what was before, the first start for example, does not count. */
export function countFrom(wanted: number, startS: number): Counter {
  const score: Score = {
    wanted,
    seconds: 0,
    servedS: 0,
    copyS: 0,
    duplicateS: 0,
    duplicateMaxS: 0,
    moves: 0,
    starts: 0,
    gapsS: [],
  };
  let sinceS = startS;
  let running = 0;
  let ready = 0;
  let gapFromS: number | undefined;
  let duplicateFromS: number | undefined;
  const pass = (atS: number): void => {
    const passed = Math.max(0, atS - sinceS);
    score.seconds += passed;
    if (ready > 0) score.servedS += passed;
    score.copyS += Math.min(ready, wanted) * passed;
    if (running > wanted) score.duplicateS += passed;
    sinceS = Math.max(sinceS, atS);
  };
  const close = (atS: number): void => {
    if (gapFromS !== undefined && atS > gapFromS) score.gapsS.push(atS - gapFromS);
    if (duplicateFromS !== undefined)
      score.duplicateMaxS = Math.max(score.duplicateMaxS, atS - duplicateFromS);
    gapFromS = undefined;
    duplicateFromS = undefined;
  };
  return {
    score,
    set: (reachedS, runningNow, readyNow) => {
      const atS = Math.max(startS, reachedS);
      pass(atS);
      if (readyNow > 0 && gapFromS !== undefined) {
        if (atS > gapFromS) score.gapsS.push(atS - gapFromS);
        gapFromS = undefined;
      } else if (readyNow === 0) gapFromS ??= atS;
      if (runningNow <= wanted && duplicateFromS !== undefined) {
        score.duplicateMaxS = Math.max(score.duplicateMaxS, atS - duplicateFromS);
        duplicateFromS = undefined;
      } else if (runningNow > wanted) duplicateFromS ??= atS;
      running = runningNow;
      ready = readyNow;
    },
    end: (atS) => {
      pass(atS);
      close(atS);
      return score;
    },
  };
}
