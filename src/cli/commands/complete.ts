import { resources } from "../../api/resources.ts";
import { connect } from "../client.ts";
import { pathOf, resourcesNamed } from "../kinds.ts";
import { createProgram } from "../main.ts";
import { print } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

const takesKind = new Set([
  "get",
  "describe",
  "delete",
  "scale",
  "why",
  "why-not",
  "timeline",
  "resolve",
  "history",
  "undo",
]);

/** Candidates for the last word, one a line. */
export async function action(_options: object, words: string[], globals: GlobalOptions): Promise<void> {
  const typed = words.slice(0, -1).filter((word) => !word.startsWith("-"));
  const last = words.at(-1) ?? "";
  const program = createProgram();
  const [name = "", kind = ""] = typed;
  const command = program.commands.find((candidate) => candidate.name() === name);
  if (command === undefined) {
    const names = program.commands
      .map((candidate) => candidate.name())
      .filter((candidate) => !candidate.startsWith("__"));
    return print(names.join("\n"));
  }
  if (last.startsWith("-")) return print(command.options.map(({ long }) => long ?? "").join("\n"));
  if (command.commands.length > 0 && kind === "")
    return print(command.commands.map((candidate) => candidate.name()).join("\n"));
  if (name === "completion") return print("bash\nzsh\nfish");
  if (name === "logs") return print((await namesOf("pods", globals)).join("\n"));
  if (["cordon", "uncordon", "drain", "revoke"].includes(name))
    return print((await namesOf("nodes", globals)).join("\n"));
  if (name === "doctor" || name === "health")
    return print((await namesOf("nodes", globals)).map((found) => `node/${found}`).join("\n"));
  if (!takesKind.has(name)) return;
  if (last.includes("/")) {
    const [prefix = ""] = last.split("/");
    return print((await namesOf(prefix, globals)).map((found) => `${prefix}/${found}`).join("\n"));
  }
  print(
    kind === ""
      ? resources.map(({ plural }) => plural).join("\n")
      : (await namesOf(kind, globals)).join("\n"),
  );
}

async function namesOf(kind: string, globals: GlobalOptions): Promise<string[]> {
  const [resource] = resourcesNamed(kind);
  if (resource === undefined) return [];
  const client = await connect(globals);
  const { text } = await client.call("GET", pathOf(resource, "default"), undefined, { timeoutMs: 2_000 });
  return (JSON.parse(text) as { items: { metadata: { name: string } }[] }).items.map(
    ({ metadata }) => metadata.name,
  );
}
