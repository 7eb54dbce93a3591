import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import type { Bench, Metric } from "./metric.ts";

const here = import.meta.dirname;

/** Every bench is a file beside this one; these are not. */
const helpers = new Set(["main.ts", "metric.ts", "settled.ts"]);

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const names = readdirSync(here)
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts") && !helpers.has(file))
    .map((file) => file.replace(/\.ts$/, ""))
    .sort();
  const [name] = positionals;
  if (values.help || name === undefined) {
    process.stdout.write(`npm run bench -- NAME [--json]\n\n${await catalogue(names)}`);
    return values.help ? 0 : 2;
  }
  if (!names.includes(name)) {
    process.stderr.write(`no bench is called ${JSON.stringify(name)}; there are: ${names.join(", ")}\n`);
    return 2;
  }
  const bench = await load(name);
  const metrics = await bench.run((line) => process.stderr.write(`${line}\n`));
  process.stdout.write(
    values.json ? `${JSON.stringify(report(name, metrics), undefined, 2)}\n` : table(metrics),
  );
  return metrics.every(({ ok }) => ok) ? 0 : 1;
}

async function load(name: string): Promise<Bench> {
  return ((await import(`./${name}.ts`)) as { readonly bench: Bench }).bench;
}

async function catalogue(names: readonly string[]): Promise<string> {
  const lines = await Promise.all(
    names.map(async (name) => `  ${name.padEnd(12)} ${(await load(name)).about}\n`),
  );
  return lines.join("");
}

function report(bench: string, metrics: readonly Metric[]): object {
  const [cpu] = cpus();
  const machine = `${cpus().length} x ${cpu?.model.trim() ?? "unknown"}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`;
  return { bench, machine, commit: commit(), metrics };
}

function commit(): string {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: here, encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}

function table(metrics: readonly Metric[]): string {
  return metrics
    .map(({ name, value, unit, goal, peer, peerValue, ok }) => {
      const versus = peer === undefined ? "" : `  ${peer} ${peerValue} ${unit}`;
      return `${ok ? "ok  " : "MISS"} ${name.padEnd(56)} ${String(value).padStart(10)} ${unit.padEnd(6)} goal ${goal}${versus}\n`;
    })
    .join("");
}

process.exitCode = await main();
