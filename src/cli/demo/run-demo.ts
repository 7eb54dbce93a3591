import { paint, print, table } from "../output.ts";
import { createFleet, program, removeLeftovers, type Fleet, type FleetNode } from "./fleet.ts";
import { createTour, step, type Step } from "./tour.ts";

const layout = [
  { site: "oslo", region: "north", nodes: 2 },
  { site: "bern", region: "south", nodes: 2 },
  { site: "rome", region: "south", nodes: 2 },
];

/** The tour of `npm start`: six real agents, four things a centre would get in the way of. */
export async function runDemo({ keep }: { readonly keep: boolean }): Promise<number> {
  const startedAt = performance.now();
  say("a mesh of six nodes in three sites and two regions, each node a process of its own with its own keys");
  const removed = removeLeftovers();
  if (removed > 0)
    say(`cleaned up after ${removed} earlier run${removed === 1 ? "" : "s"} that did not end by itself`);
  const steps: Step[] = [];
  let fleet: Fleet | undefined;
  const stop = async (): Promise<void> => fleet?.stop();
  const interrupted = (): void => void stop().finally(() => process.exit(130));
  process.on("SIGINT", interrupted);
  process.on("SIGTERM", interrupted);
  try {
    fleet = await createFleet(layout, { progress: (line) => say(`  ${line}`) });
    steps.push(
      step(
        "six agents, joined by invites",
        performance.now() - startedAt,
        true,
        "mutual TLS 1.3, keys of their own",
      ),
    );
    const tour = createTour(fleet, (entry) => {
      steps.push(entry);
      say(
        `  ${entry.ok ? paint("green", "ok") : paint("red", "FAILED")}  ${entry.name}: ${entry.took}${entry.note === "" ? "" : `. ${entry.note}`}`,
      );
    });
    title(1, "every site runs its copies, and answers");
    await tour.everySiteRuns();
    title(2, "a machine dies");
    await tour.machineDies();
    title(3, "a site is cut off, and goes on");
    const before = await tour.siteIsCutOff();
    title(4, "the link is back");
    await tour.heal(before);
  } catch (error) {
    steps.push({
      name: "the tour",
      took: "-",
      ok: false,
      note: error instanceof Error ? error.message : String(error),
    });
  }
  summary(steps, performance.now() - startedAt);
  const ok = steps.every((entry) => entry.ok);
  process.off("SIGINT", interrupted);
  process.off("SIGTERM", interrupted);
  // A terminal sends Ctrl-C to everyone, npm passes it on once more: one is enough to leave, none may
  // end the clearing up.
  const stay = (): void => {};
  process.on("SIGINT", stay);
  process.on("SIGTERM", stay);
  if (keep && fleet !== undefined) await lookAround(fleet);
  await stop();
  return ok ? 0 : 1;
}

async function lookAround(fleet: Fleet): Promise<void> {
  const [first] = fleet.nodes as [FleetNode];
  print(`
the mesh stays up until Ctrl-C. In another terminal:

  export STARLIGHT_KUBECONFIG=${fleet.kubeconfig}
  ${program} status
  ${program} get pods -A -o wide
  ${program} why deployment/shop
  kubectl --kubeconfig ${fleet.kubeconfig} get nodes,pods,deployments -A

every node answers; choose one with --server:

${fleet.nodes.map(({ name, advertised, data }) => `  ${name.padEnd(8)} ${advertised.padEnd(18)} log ${data}/agent.log`).join("\n")}

the kubeconfig speaks with ${first.name}
`);
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {}, 60_000);
    const leave = (): void => {
      clearInterval(timer);
      resolve();
    };
    process.once("SIGINT", leave);
    process.once("SIGTERM", leave);
  });
  say("stopping the agents and their workloads");
}

function summary(steps: readonly Step[], total: number): void {
  print("");
  print(
    table(
      ["Step", "Time", "Verdict"],
      steps.map(({ name, took, ok }) => [name, took, ok ? paint("green", "ok") : paint("red", "FAILED")]),
    ),
  );
  for (const { name, note } of steps.filter(({ ok }) => !ok)) print(`\n${name}: ${note}`);
  const failed = steps.filter(({ ok }) => !ok).length;
  print(
    `\n${steps.length} steps in ${(total / 1000).toFixed(1)} s, ${failed === 0 ? "all as promised" : `${failed} failed`}`,
  );
}

function title(number: number, text: string): void {
  say(`\n${paint("bold", `${number}. ${text}`)}`);
}

function say(line: string): void {
  print(line);
}
