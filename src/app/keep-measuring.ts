import type { Machine } from "../shells/machine/create-machine.ts";
import type { Driver } from "./driver.ts";
import type { createMeasure } from "./measure.ts";

/** A change of addresses is not waited for: see `watchNetwork`. */
const measureEveryMs = 30_000;

/**
 * Addresses, memory, power and the way out change while an agent runs: a cable is pulled, a limit is raised.
 * Only a change is told.
 */
export function keepMeasuring(
  driver: Driver,
  machine: Machine,
  measure: ReturnType<typeof createMeasure>,
): { readonly now: () => void; readonly stop: () => void } {
  let last = "";
  const now = (): void => {
    const status = measure(machine.look());
    const text = JSON.stringify(status);
    if (text !== last) driver.handle({ type: "measured", status });
    last = text;
  };
  const ask = async (): Promise<void> => {
    if (await machine.ask()) now();
  };
  const tick = (): void => {
    now();
    void ask();
  };
  tick();
  const timer = setInterval(tick, measureEveryMs);
  timer.unref();
  return { now, stop: () => clearInterval(timer) };
}
