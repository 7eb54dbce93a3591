import { err, ok, type Result } from "../kernel/result.ts";
import type { WallTime } from "../kernel/time.ts";

/**
 * Five fields as Kubernetes reads them: minute, hour, day of the month, month, day of the week, always in UTC.
 * Another time zone would need its table, of which two nodes may have different editions: they would start the
 * same run at different minutes.
 */
export type Cron = {
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly days: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  readonly weekdays: ReadonlySet<number>;
  /** Both kinds of day are restricted: one of them is enough (crontab(5)). */
  readonly eitherDay: boolean;
};

const minuteMs = 60_000;
const dayMs = 86_400_000;
/** The 29th of February comes again within so many days, also around 2100. */
const daysMax = 8 * 366 + 1;

const macros: { readonly [name: string]: string } = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};

type Field = { readonly name: string; readonly min: number; readonly max: number; readonly names: string };
const fieldsInOrder: readonly Field[] = [
  { name: "minute", min: 0, max: 59, names: "" },
  { name: "hour", min: 0, max: 23, names: "" },
  { name: "day of the month", min: 1, max: 31, names: "" },
  { name: "month", min: 1, max: 12, names: "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC" },
  { name: "day of the week", min: 0, max: 6, names: "SUNMONTUEWEDTHUFRISAT" },
];

/** @returns The error completes the sentence "the schedule ...". */
export function parseCron(text: string): Result<Cron, string> {
  const parts = (macros[text.trim()] ?? text.trim()).split(/\s+/);
  if (parts.length !== 5) return err(`has ${parts.length} fields, and 5 are needed`);
  const read: ReadonlySet<number>[] = [];
  for (const [at, field] of fieldsInOrder.entries()) {
    const values = readField(parts[at] ?? "", field);
    if (values === undefined) {
      return err(`has ${JSON.stringify(parts[at])} as ${field.name} (${field.min} to ${field.max})`);
    }
    read.push(values);
  }
  const [minutes = none, hours = none, days = none, months = none, weekdays = none] = read;
  const cron = {
    minutes,
    hours,
    days,
    months,
    weekdays,
    eitherDay: !isStar(parts[2]) && !isStar(parts[4]),
  };
  if (nextRun(cron, 0) === undefined) return err("names a day that never comes");
  return ok(cron);
}

const none: ReadonlySet<number> = new Set();

/** The first run after a moment; undefined when there is none. */
export function nextRun(cron: Cron, after: WallTime): WallTime | undefined {
  const from = (Math.floor(after / minuteMs) + 1) * minuteMs;
  const today = Math.floor(from / dayMs) * dayMs;
  for (let day = 0; day <= daysMax; day++) {
    const start = today + day * dayMs;
    if (!isRunDay(cron, start)) continue;
    for (const at of timesOf(cron)) if (start + at >= from) return start + at;
  }
  return undefined;
}

/** The latest run at a moment or before, not before `since`; undefined when there is none. */
export function latestRun(cron: Cron, at: WallTime, since: WallTime): WallTime | undefined {
  const today = Math.floor(at / dayMs) * dayMs;
  for (let day = 0; day <= daysMax; day++) {
    const start = today - day * dayMs;
    if (start + dayMs <= since) return undefined;
    if (!isRunDay(cron, start)) continue;
    const times = timesOf(cron);
    for (let of = times.length - 1; of >= 0; of--) {
      const run = start + (times[of] ?? 0);
      if (run <= at) return run >= since ? run : undefined;
    }
  }
  return undefined;
}

function isRunDay({ days, months, weekdays, eitherDay }: Cron, start: WallTime): boolean {
  const date = new Date(start);
  if (!months.has(date.getUTCMonth() + 1)) return false;
  const [byDay, byWeekday] = [days.has(date.getUTCDate()), weekdays.has(date.getUTCDay())];
  return eitherDay ? byDay || byWeekday : byDay && byWeekday;
}

const timesByCron = new WeakMap<Cron, readonly number[]>();

/** The moments of a day, from its start, in order. */
function timesOf(cron: Cron): readonly number[] {
  const known = timesByCron.get(cron);
  if (known !== undefined) return known;
  const sorted = (values: ReadonlySet<number>): number[] => [...values].sort((left, right) => left - right);
  const minutes = sorted(cron.minutes);
  const times = sorted(cron.hours).flatMap((hour) =>
    minutes.map((minute) => (hour * 60 + minute) * minuteMs),
  );
  timesByCron.set(cron, times);
  return times;
}

/** As the library of Kubernetes has it: a star with a step is a restriction. */
const isStar = (text: string | undefined): boolean => /(^|,)[*?](\/1)?(,|$)/.test(text ?? "");

/** `*`, `5`, `1-5`, `*\/15`, `10/15`, `1-30/5`, names, and lists of these. */
function readField(text: string, field: Field): ReadonlySet<number> | undefined {
  const values = new Set<number>();
  for (const part of text.split(",")) {
    const match = /^([*?]|\w+)(?:-(\w+))?(?:\/(\d{1,3}))?$/.exec(part);
    if (match === null) return undefined;
    const [, first = "", last, stepText] = match;
    const whole = first === "*" || first === "?";
    if (whole && last !== undefined) return undefined;
    const from = whole ? field.min : numberOf(first, field);
    const step = Number(stepText ?? 1);
    const open = whole || (last === undefined && stepText !== undefined);
    const to = open ? field.max : last === undefined ? from : numberOf(last, field);
    if (from === undefined || to === undefined || from > to || step === 0) return undefined;
    for (let value = from; value <= to; value += step) values.add(value);
  }
  return values;
}

function numberOf(text: string, { min, max, names }: Field): number | undefined {
  const named = /^[A-Za-z]{3}$/.test(text) ? names.indexOf(text.toUpperCase()) : -1;
  if (named >= 0 && named % 3 === 0) return min + named / 3;
  if (!/^\d{1,2}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= min && value <= max ? value : undefined;
}
