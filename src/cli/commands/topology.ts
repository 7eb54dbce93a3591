import { connect } from "../client.ts";
import { CommandError } from "../command-error.ts";
import { age, formatOf, print, printValue } from "../output.ts";
import { dotOf, matrixOf, treeOf, type Topology } from "../topology.ts";
import type { GlobalOptions } from "./index.ts";

type Options = { readonly matrix?: boolean; readonly output?: string };

const matrixMax = 60;

export async function action(options: Options, _args: string[], globals: GlobalOptions): Promise<void> {
  const format = formatOf(options.output, ["json", "yaml", "dot"]);
  const client = await connect(globals);
  const { text } = await client.call("GET", "/starlight/v1/topology");
  const topology = JSON.parse(text) as Topology;
  if (format === "dot") return print(dotOf(topology, age));
  if (await printValue(topology, format)) return;
  if (options.matrix !== true) return print(treeOf(topology, age));
  if (topology.nodes.length > matrixMax) {
    const why = `${topology.nodes.length} nodes are too many for a matrix (${matrixMax}): use -o json or -o dot`;
    throw new CommandError("usage", why);
  }
  print(matrixOf(topology, age));
}
