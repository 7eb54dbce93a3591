import type { Command } from "commander";
import type { Action } from "./index.ts";

type Run = (load: () => Promise<{ readonly action: Action }>) => (...parameters: unknown[]) => Promise<void>;

/** Commands about whole machines: taken out of use for a while, and for good. */
export function addNodeCommands(program: Command, run: Run): void {
  const node = "<node>";
  const nodeHelp = "its name";
  const cordon = (unschedulable: boolean) => async (): Promise<{ readonly action: Action }> => {
    const { cordonAs } = await import("./cordon.ts");
    return { action: cordonAs(unschedulable) as Action };
  };
  program
    .command("cordon")
    .description("give a node no new pods")
    .argument(node, nodeHelp)
    .action(run(cordon(true)));
  program
    .command("uncordon")
    .description("give a node new pods again")
    .argument(node, nodeHelp)
    .action(run(cordon(false)));
  program
    .command("drain")
    .description("cordon a node, and move its pods to others")
    .argument(node, nodeHelp)
    .option("--force", "end the pods at once, against disruption budgets and maintenance windows")
    .option("--timeout <duration>", "how long to wait until they are gone", "5m")
    .action(run(() => import("./drain.ts")));
  program
    .command("leave")
    .description("take the node that answers out of its mesh, for good")
    .option("--reason <text>", "for the record", "left by its operator")
    .option("--timeout <duration>", "how long its pods may take to move to other nodes", "2m")
    .option("--now", "end its pods at once")
    .action(run(() => import("./leave.ts")));
  program
    .command("revoke")
    .description("end another node's membership")
    .argument(node, "its name or id")
    .option("--reason <text>", "for the record", "revoked by an administrator")
    .action(run(() => import("./revoke.ts")));
}
