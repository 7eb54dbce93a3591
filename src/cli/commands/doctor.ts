import { exitCodes } from "../../app/exit-codes.ts";
import type { Examination } from "../../ports/hops.ts";
import { connect } from "../client.ts";
import { CommandError } from "../command-error.ts";
import { printHops } from "../hops.ts";
import { formatOf, paint, print, printable, printValue, table } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

type Way = Omit<Examination, "failing"> & {
  readonly name: string;
  readonly site: string;
  readonly verdict: string;
  readonly failing: NonNullable<Examination["failing"]> | null;
};
type Report = {
  readonly seenBy: string;
  readonly site: string;
  readonly of: number;
  readonly ways: readonly Way[];
  /** How far the detail of nodes travels, and who speaks for other places; agents of earlier builds do not say. */
  readonly detail?: "site" | "region" | "mesh";
  readonly elsewhere?: readonly { readonly place: string; readonly nodes: readonly string[] }[];
};
type Options = { readonly from?: string; readonly to?: string; readonly output?: string };

const timeoutMs = 60_000;

/** The ways from one node to one other or to all, each hop tried by that node itself. */
export async function action(options: Options, [target]: string[], globals: GlobalOptions): Promise<void> {
  const to = options.to ?? target?.replace(/^nodes?\//, "");
  if (options.to !== undefined && target !== undefined)
    throw new CommandError("usage", "name the other end once: as an argument, or with --to");
  const query = new URLSearchParams();
  if (options.from !== undefined) query.set("from", options.from.replace(/^nodes?\//, ""));
  if (to !== undefined) query.set("to", to.replace(/^nodes?\//, ""));
  const client = await connect(globals);
  const { text } = await client.call("GET", `/starlight/v1/doctor?${query.toString()}`, undefined, {
    timeoutMs,
  });
  const report = JSON.parse(text) as Report;
  if (report.ways.some(({ failing }) => failing !== null)) process.exitCode = exitCodes.hopFails;
  if (await printValue(report, formatOf(options.output))) return;
  if (to === undefined) printMesh(report);
  else for (const way of report.ways) printWay(report.seenBy, way);
}

function printWay(from: string, { name, verdict, before, addresses, after, failing }: Way): void {
  printHops(`${from} -> ${name} (seen as ${verdict})`, before);
  for (const { address, hops } of addresses) printHops(`at ${address}`, hops);
  printHops("in all", after);
  print(
    failing === null
      ? `\nnothing fails between ${from} and ${name}`
      : `\nit fails at ${paint("bold", failing.hop)}: ${printable(failing.detail)}`,
  );
}

function printMesh(report: Report): void {
  const { seenBy, of, ways, detail = "mesh" } = report;
  if (of === 0) {
    const where = detail === "mesh" ? "" : ` of its ${detail}`;
    print(`nothing was tried: ${seenBy} knows no other node${where}`);
    return printElsewhere(report);
  }
  print(`as ${seenBy} finds it:\n`);
  const rows = ways.map(({ name, site, verdict, failing, after }) => [
    name,
    site,
    verdict,
    failing?.hop ?? "ok",
    printable(failing?.detail ?? after.find(({ hop }) => hop === "link")?.detail ?? ""),
  ]);
  print(table(["Node", "Site", "Seen as", "Fails at", "Detail"], rows));
  for (const { name, failing } of ways) {
    if (failing !== null) print(`\n${name}: ${printable(failing.fix)}`);
  }
  if (ways.length < of) print(`\n${of - ways.length} nodes were not tried: name them one by one`);
  printElsewhere(report);
}

/** Whom to ask of nodes that this one does not know. */
function printElsewhere({ detail = "mesh", elsewhere = [] }: Report): void {
  if (detail === "mesh") return;
  print(`\ndetail stays in ${detail}s: of other nodes ask one there (--server ADDRESS)`);
  for (const { place, nodes } of elsewhere) print(`  ${place}: ${printable(nodes.join(", "))}`);
}
