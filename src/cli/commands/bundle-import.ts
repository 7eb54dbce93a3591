import { json } from "node:stream/consumers";
import { exitCodes } from "../../app/exit-codes.ts";
import { checkKind } from "../../app/bundle/make-bundle.ts";
import { checkFrames, type ImportReport } from "../../app/bundle/take-bundle.ts";
import { isOffline, readBundle, streamOf } from "../bundle-file.ts";
import { connect } from "../client.ts";
import { CommandError } from "../command-error.ts";
import { formatOf, print, printable, printValue, table } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

const refusalsShown = 20;

export async function action(
  options: { readonly output?: string },
  [file = ""]: string[],
  globals: GlobalOptions,
): Promise<void> {
  const format = formatOf(options.output);
  await readBundle(file, async (bundle) => {
    checkKind(bundle.header, "bundle");
    await checkFrames(bundle);
  });
  if (isOffline(globals)) {
    throw new CommandError(
      "unreachable",
      `${file} is whole, but no agent runs on ${globals.data}, and only an agent checks and takes records: start it with \`starlight agent\`, then import again`,
    );
  }
  const client = await connect(globals);
  const response = await client.exchange("/starlight/v1/bundle/import", streamOf(file));
  const report = (await json(response)) as ImportReport;
  if (!(await printValue(report, format))) print(sentences(file, report));
  // What is right was taken all the same; a script should look at what was not.
  if (report.refused > 0) process.exitCode = exitCodes.failed;
}

function sentences(file: string, report: ImportReport): string {
  const { header, records, fresh, known, setAside, waiting, elsewhere, refused, refusals, now } = report;
  const made = new Date(header.madeAtMs).toISOString();
  const lines = [
    `${file}, made by ${header.by.name} of site ${header.by.site} at ${made}`,
    `${records} records: ${fresh} new, ${known} already known, ${refused} refused, ${setAside + waiting} set aside`,
  ];
  if (waiting > 0) lines.push(`${waiting} of them are by authors that the roster here does not know yet`);
  if (setAside > 0) lines.push(`${setAside} of them are stamped ahead of this node's clock`);
  if (elsewhere > 0)
    lines.push(`${elsewhere} records belong to sites or regions that this node does not keep`);
  if (refused > 0) {
    const rows = refusals
      .slice(0, refusalsShown)
      .map(({ key, author, why }) => [printable(key), author, printable(why)]);
    lines.push("", table(["Refused", "Author", "Because"], rows), "");
  }
  lines.push(knows(report), `${now.records} records are held here now`);
  return lines.join("\n");
}

/** What the node knows after it, in words. */
function knows({ header, vouched, gaps, complete, same }: ImportReport): string {
  const { name } = header.by;
  if (same) return `this node holds exactly what ${name} held`;
  if (complete) return `this node knows everything that ${name} knew, and more`;
  if (!vouched)
    return `${name} is not a member here: its records were judged one by one, its word that nothing is missing was not taken`;
  if (gaps > 0)
    return `something before this file is missing in ${gaps} logs: export again with fresh heads of this node, or without --since-peer`;
  return `this node does not know everything that ${name} knew yet`;
}
