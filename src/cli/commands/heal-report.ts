import { connect } from "../client.ts";
import { age, formatOf, print, printValue } from "../output.ts";
import type { HealReport } from "../../core/records/bodies.ts";
import type { GlobalOptions } from "./index.ts";

export async function action(
  options: { readonly node?: string; readonly output?: string },
  _args: string[],
  globals: GlobalOptions,
): Promise<void> {
  const client = await connect(globals);
  const query = options.node === undefined ? "" : `?node=${encodeURIComponent(options.node)}`;
  const { text } = await client.call("GET", `/starlight/v1/heal-report${query}`);
  const answer = JSON.parse(text) as {
    nodes: readonly { node: string; site: string; reports: readonly HealReport[] }[];
  };
  if (await printValue(answer, formatOf(options.output))) return;
  // Those to whom nothing happened write none when a few of many return.
  if (answer.nodes.every(({ reports }) => reports.length === 0))
    return print("no report is kept; see `kubectl get events`");
  for (const { node, site, reports } of answer.nodes) {
    for (const report of reports) {
      print(`${node} (site ${site}), ${new Date(report.at).toISOString()}`);
      for (const { name, awayMs } of report.returned) print(`  back     ${name} after ${age(awayMs)}`);
      print(`  crossed  ${report.received} records received, ${report.sent} sent`);
      for (const { object, field } of report.conflicts) print(`  conflict ${object} ${field}`);
      for (const { pod, reason } of report.stopped) print(`  stopped  ${pod}: ${reason}`);
      print(`  ran on   ${report.untouched} pods untouched\n`);
    }
  }
}
