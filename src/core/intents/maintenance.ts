import { err, ok, type Result } from "../kernel/result.ts";
import type { Duration, WallTime } from "../kernel/time.ts";
import { latestRun, nextRun, parseCron, type Cron } from "./cron.ts";
import { parseDuration } from "./quantity.ts";

/** When a node may be touched: a schedule in UTC, and how long each window lasts. */
export type Maintenance = { readonly cron: Cron; readonly lasts: Duration };

export const maintenanceAnnotation = "starlight.dev/maintenance";
export const maintenanceExample = '"0 2 * * 6 for 4h" (Saturdays from 2:00 to 6:00 UTC)';

const lastsMax: Duration = 31 * 86_400_000;

/** `SCHEDULE for DURATION`. */
export function parseMaintenance(text: string): Result<Maintenance, string> {
  const [schedule = "", length = "", ...rest] = text.split(/\s+for\s+/);
  const lasts = parseDuration(length.trim());
  if (rest.length > 0 || lasts === undefined || lasts <= 0 || lasts > lastsMax)
    return err("is not a schedule, `for`, and a duration of at most 744h");
  const cron = parseCron(schedule);
  return cron.ok ? ok({ cron: cron.value, lasts }) : err(`has a schedule that ${cron.error}`);
}

/** Whether a window is open, and when that changes; Infinity when it never does. */
export function windowAt(
  { cron, lasts }: Maintenance,
  wall: WallTime,
): { readonly open: boolean; readonly until: WallTime } {
  const opened = latestRun(cron, wall, wall - lasts + 1);
  const next = nextRun(cron, wall) ?? Number.POSITIVE_INFINITY;
  if (opened === undefined) return { open: false, until: next };
  // Windows that touch are one, as far as is looked at here.
  return { open: true, until: Math.min(opened + lasts, next) };
}
