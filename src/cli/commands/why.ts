import { readFileSync, writeFileSync } from "node:fs";
import type { PlacementInput, SlotExplanation } from "../../core/placement/contract.ts";
import { explain } from "../../core/placement/decide.ts";
import { slotsNamed } from "../../api/slot-names.ts";
import { askAbout } from "../ask-about.ts";
import { CommandError } from "../command-error.ts";
import { objectNamed } from "../kinds.ts";
import { age, formatOf, print, printValue, table } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

type Slot = Omit<SlotExplanation, "heldBy"> & {
  readonly heldBy: readonly { pod?: string; uid: string; node: string; note: string }[];
};

type NodeAnswer = {
  readonly name: string;
  readonly seenBy: string;
  readonly verdict: string;
  readonly verdictForMs: number;
  readonly lostBySite: boolean;
  readonly protocol: number | null;
  readonly observations: readonly { by: string; what: string; ageMs: number }[];
};

type Told = {
  readonly source: "detail" | "summary" | "parts";
  readonly nodes: number;
  readonly ready: number;
  readonly toldAgoMs: number | null;
  readonly speakers: readonly string[];
};
type Place = Told & {
  readonly region: string;
  readonly parts: readonly (Told & { readonly name: string })[];
};

type Elsewhere = {
  readonly place: string;
  readonly copies: number;
  readonly ready: number;
  readonly updated: number;
  readonly toldAgoMs: number;
  /** Why that may no longer be so. */
  readonly doubt: string | null;
};

type Answer = Partial<NodeAnswer> & {
  readonly kind?: string;
  readonly place?: Place;
  readonly name: string;
  readonly slots?: readonly Slot[];
  /** As places tell of which no detail is kept there. */
  readonly elsewhere?: readonly Elsewhere[];
  readonly unsaidBy?: readonly string[];
  /** Why it has no slots. */
  readonly message?: string;
  readonly inputs?: PlacementInput;
};

type Options = {
  readonly namespace: string;
  readonly output?: string;
  readonly record?: string;
  readonly replay?: string;
};

export async function action(options: Options, args: string[], globals: GlobalOptions): Promise<void> {
  const answer = options.replay === undefined ? await ask(options, args, globals) : replay(options, args);
  const { inputs, ...told } = answer;
  if (options.record !== undefined) {
    writeFileSync(options.record, JSON.stringify(inputs));
    print(`all that this was computed from is in ${options.record}`);
  }
  if (await printValue(told, formatOf(options.output))) return;
  if (answer.place !== undefined) {
    printPlace(answer, answer.place);
    return;
  }
  if (answer.slots === undefined) {
    printNode(answer);
    return;
  }
  print(`as ${answer.seenBy ?? ""} sees it:`);
  if (answer.message !== undefined) print(answer.message);
  else if (answer.slots.length === 0) print("  the workload wants no slot in view");
  for (const { slot, variant, heldBy, ranking, excluded } of answer.slots) {
    print(`\n${slot}${variant === undefined ? "" : ` (variant ${variant})`}`);
    for (const { node, pod, uid, note } of heldBy) print(`  runs on ${node}: ${pod ?? uid} (${note})`);
    if (heldBy.length === 0) print("  nobody runs it");
    ranking.forEach(({ node, note, points, score }, at) => {
      const liked = points === 0 ? "" : `, ${points} points`;
      print(`  ${at + 1}. ${node}: ${note}${liked}, score ${score}`);
    });
    for (const entry of excluded) print(`  not ${entry.node}: ${entry.filter}: ${entry.detail}`);
  }
  printElsewhere(answer);
}

function printElsewhere({ elsewhere = [], unsaidBy = [] }: Answer): void {
  const found = elsewhere.filter(({ copies }) => copies > 0);
  if (found.length + unsaidBy.length > 0) print("\nelsewhere, as told:");
  for (const { place, copies, ready, updated, toldAgoMs, doubt } of found) {
    const old = updated < copies ? `, ${copies - updated} of an older revision` : "";
    const lost = doubt === null ? "" : `, ${doubt}`;
    print(`  ${place}${lost}: ${ready} of ${copies} copies ready${old}; told ${age(toldAgoMs)} ago`);
  }
  for (const place of unsaidBy) print(`  ${place}: has more workloads than it tells of`);
}

async function ask(options: Options, args: string[], globals: GlobalOptions): Promise<Answer> {
  const more: { readonly [parameter: string]: string } =
    options.record === undefined ? {} : { inputs: "true" };
  return (await askAbout("why", args, options.namespace, globals, more)) as Answer;
}

/** Computes the answer again from recorded inputs, with no node. */
function replay({ replay: file = "", namespace }: Options, args: string[]): Answer {
  const { resource, name } = objectNamed(args);
  const { group, kind } = resource;
  let input: PlacementInput;
  try {
    input = JSON.parse(readFileSync(file, "utf8")) as PlacementInput;
  } catch (error) {
    throw new CommandError("usage", `${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!Array.isArray(input.nodes) || !Array.isArray(input.workloads) || !Array.isArray(input.pods))
    throw new CommandError("usage", `${file}: is not what \`starlight why --record\` wrote`);
  const slots = explain(input, { group, kind, namespace, name });
  if (slots.length === 0)
    throw new CommandError("usage", `${file}: has no ${kind} ${name} with slots in namespace ${namespace}`);
  const nameById = new Map(input.nodes.map((node) => [node.id, node.name] as const));
  const self = nameById.get(input.self) ?? input.self;
  return { name, seenBy: `${self}, recorded,`, slots: slotsNamed(slots, (id) => nameById.get(id)) };
}

function printPlace({ kind = "", name, seenBy = "" }: Answer, place: Place): void {
  const noun = kind.toLowerCase();
  const where = kind === "Site" ? ` in region ${place.region}` : "";
  print(`${noun} ${name}${where}, as ${seenBy} knows it: ${place.ready} of ${place.nodes} nodes are ready`);
  if (place.source !== "parts") print(`  ${toldOf(place)}`);
  for (const part of place.parts)
    print(`  ${part.name}: ${part.ready} of ${part.nodes} ready; ${toldOf(part)}`);
  print(`more: kubectl describe ${noun} ${name}`);
}

/** Whose word it is, and how old. */
function toldOf({ source, toldAgoMs, speakers }: Told): string {
  if (source === "detail") return "counted here: the detail of its nodes is kept here";
  const whose = speakers.length === 0 ? "" : ` by those who speak for it: ${speakers.join(", ")}`;
  return `told ${age(toldAgoMs)} ago${whose}`;
}

function printNode(answer: Partial<NodeAnswer> & { readonly name: string }): void {
  const { name, seenBy = "", verdict = "unknown", verdictForMs = 0, observations = [] } = answer;
  print(`${name} has been ${verdict} to ${seenBy} for ${age(verdictForMs)}:`);
  const rows = observations.map(({ by, what, ageMs }) => [`${age(ageMs)} ago`, by, what]);
  print(table(["When", "Observer", "What"], rows));
  if (typeof answer.protocol === "number") print(`our link to it speaks protocol ${answer.protocol}`);
  if (answer.lostBySite === true)
    print("most of its site is in view and nobody there has a link to it: it is off, or cut off alone");
}
