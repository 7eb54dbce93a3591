import { exitCodes } from "../../app/exit-codes.ts";
import { connect } from "../client.ts";
import { CommandError } from "../command-error.ts";
import { age, formatOf, paint, print, printable, printValue, table } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

type Trouble = {
  readonly type: string;
  readonly since: string;
  readonly message: string;
  readonly toDo: string;
};
type Answer = {
  readonly seenBy: string;
  readonly well: boolean;
  readonly nodes: readonly {
    readonly node: string;
    readonly site: string;
    readonly state: string;
    readonly factAgeMs: number | null;
    readonly troubles: readonly Trouble[];
  }[];
  /** Of which the node is told; missing from an agent of an earlier build. */
  readonly places?: readonly {
    readonly place: string;
    readonly state: string;
    readonly troubles: readonly Trouble[];
  }[];
};

export async function action(
  options: { readonly output?: string },
  args: string[],
  globals: GlobalOptions,
): Promise<void> {
  const format = formatOf(options.output);
  const client = await connect(globals);
  const [wanted] = args;
  const query = wanted === undefined ? "" : `?node=${encodeURIComponent(nodeNamed(wanted))}`;
  const { text } = await client.call("GET", `/starlight/v1/health${query}`);
  const answer = JSON.parse(text) as Answer;
  if (!answer.well) process.exitCode = exitCodes.notWell;
  if (await printValue(answer, format)) return;
  const { nodes, places = [] } = answer;
  const lost = places.filter(({ state }) => state !== "ok");
  const lines = [...nodes, ...lost.map((place) => ({ ...place, node: place.place, site: "" }))];
  const rows = lines.flatMap(({ node, site, state, troubles }) =>
    troubles.length === 0
      ? [[node, site, state, "", "", ""]]
      : troubles.map(({ since, type, message, toDo }, at) => {
          const name = at === 0 ? [node, site, state] : ["", "", ""];
          const lasts = age(Math.max(0, Date.now() - Date.parse(since)));
          return [...name, lasts, printable(`${type}: ${message}`), toDo];
        }),
  );
  print(table(["Node", "Site", "State", "Since", "What is wrong", "What to do"], rows));
  const { length } = nodes.filter(({ state }) => state !== "ok");
  const notWell = [
    ...(length > 0 || lost.length === 0 ? [`${length} of ${nodes.length} nodes`] : []),
    ...(lost.length > 0 ? [`${lost.length} of ${places.length} other places`] : []),
  ];
  const summary = answer.well
    ? paint("green", "all is well")
    : paint("yellow", `not well: ${notWell.join(" and ")}`);
  print(`${summary}, as ${answer.seenBy} sees it`);
}

/** `node/NAME` or `NAME`. */
function nodeNamed(text: string): string {
  const [kind = "", name] = text.split("/");
  if (name === undefined) return kind;
  if (/^(node|nodes|no)$/.test(kind) && name !== "") return name;
  throw new CommandError("usage", `${text}: name a node, for example starlight health node/oslo-1`);
}
