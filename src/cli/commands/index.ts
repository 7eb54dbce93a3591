import type { Command } from "commander";
import { getDescription } from "valibot";
import { flagOf } from "../../app/config.ts";
import { configKeys, configSchema } from "../../app/config-schema.ts";
import { addEnrolCommands } from "./enrol-commands.ts";
import { addNodeCommands } from "./node-commands.ts";

/** Options that every command inherits from the program. */
export type GlobalOptions = { readonly data: string; readonly kubeconfig?: string; readonly server?: string };

export type Action = (options: never, args: string[], globals: GlobalOptions) => Promise<void>;

/** Declares every command; the code of each is loaded when it runs, which keeps the start quick. */
export function registerCommands(program: Command): void {
  const run =
    (load: () => Promise<{ readonly action: Action }>) =>
    async (...parameters: unknown[]): Promise<void> => {
      const command = parameters.at(-1) as Command;
      const { action } = await load();
      await action(command.opts() as never, command.args, command.optsWithGlobals() as GlobalOptions);
    };
  const output = "-o, --output <format>";
  const outputHelp = "json, yaml or wide";
  const namespace = "-n, --namespace <name>";
  const wait = "--wait <who>";
  const classHelp = "user, git or override: a higher class wins over a lower one";
  const waitHelp = "until all nodes of the site, of the region, or all hold it on disk: site, region or all";
  const timeout = "--timeout <duration>";
  const timeoutHelp = "how long to --wait; then exit code 31, and the write stands (default: 10s)";

  addEnrolCommands(program, run);
  const agent = program
    .command("agent")
    .description("run the node: workloads first, then the port, then the peers")
    .option("--supervise", "start it again when it ends or hangs, where no service manager does");
  settings(agent).action(run(() => import("./agent.ts")));
  const service = program.command("service").description("run the agent as a service of this machine");
  service
    .command("unit")
    .description("print a systemd unit for this data folder")
    .action(run(() => import("./service-unit.ts")));
  service
    .command("install")
    .description("write the unit, enable and start it; needs root and systemd")
    .action(run(() => import("./service-install.ts")));
  program
    .command("apply")
    .description("apply manifests: all of them, or none")
    .requiredOption("-f, --filename <path...>", "files or folders; - is standard input")
    .option("-R, --recursive", "also folders in folders")
    .option("--force", "take over fields that other managers own")
    .option("--dry-run", "check and say what would change")
    .option("--manager <name>", "name of the field manager", "starlight")
    .option("--class <class>", classHelp, "user")
    .option(wait, waitHelp)
    .option(timeout, timeoutHelp)
    .option(output, outputHelp)
    .addHelpText("after", "\nExample:\n  starlight apply -f examples/shop.yaml --wait site\n")
    .action(run(() => import("./apply.ts")));
  program
    .command("get")
    .description("list objects, or show some")
    .argument("<kinds>", "for example pods, deploy,svc or deployment/shop")
    .argument("[names...]")
    .option("-A, --all-namespaces", "every namespace")
    .option(namespace, "namespace", "default")
    .option("-l, --selector <selector>", "only objects with these labels")
    .option("-w, --watch", "go on with every change")
    .option(output, "json, yaml, wide or name")
    .action(run(() => import("./get.ts")));
  program
    .command("describe")
    .description("everything about one object, with its events")
    .argument("<kind>", "kind or kind/name")
    .argument("[name]")
    .option(namespace, "namespace", "default")
    .action(run(() => import("./describe.ts")));
  program
    .command("delete")
    .description("delete objects")
    .argument("[kind]", "kind or kind/name")
    .argument("[names...]")
    .option(namespace, "namespace", "default")
    .option("-f, --filename <path...>", "the objects in these files")
    .option(wait, waitHelp)
    .option(timeout, timeoutHelp)
    .action(run(() => import("./delete.ts")));
  program
    .command("scale")
    .description("set the number of copies (per site for perSite workloads)")
    .argument("<workload>", "for example deployment/shop")
    .requiredOption("--replicas <count>", "copies")
    .option("--class <class>", classHelp, "user")
    .option(wait, waitHelp)
    .option(timeout, timeoutHelp)
    .option(namespace, "namespace", "default")
    .action(run(() => import("./scale.ts")));
  program
    .command("logs")
    .description("what a pod writes")
    .argument("<pod>")
    .option("-f, --follow", "go on")
    .option("-c, --container <name>", "container")
    .option("--tail <lines>", "last lines only")
    .option(namespace, "namespace", "default")
    .action(run(() => import("./logs.ts")));
  program
    .command("status")
    .description("which island is speaking: whom it sees, and how fresh")
    .option(output, outputHelp)
    .action(run(() => import("./status.ts")));
  program
    .command("doctor")
    .description("try every hop from a node to one other or to all, and name the one that fails")
    .argument("[node]", "the other end, for example node/bern-1 (default: every node)")
    .option("--from <node>", "the node that tries (default: the one that answers)")
    .option("--to <node>", "the other end")
    .option(output, outputHelp)
    .addHelpText(
      "after",
      "\nExamples:\n  starlight doctor\n  starlight doctor node/bern-1\n  starlight doctor --from bern-1 --to oslo-2\n",
    )
    .action(run(() => import("./doctor.ts")));
  program
    .command("topology")
    .description("regions, sites and nodes, and who is linked with whom")
    .option("--matrix", "every pair, with the age of what is known of it")
    .option("-o, --output <format>", "json, yaml or dot (Graphviz)")
    .addHelpText("after", "\nExample:\n  starlight topology -o dot | dot -Tsvg > mesh.svg\n")
    .action(run(() => import("./topology.ts")));
  program
    .command("why")
    .description("why a workload or a pod runs where it runs, or a node, site or region is seen as it is")
    .argument("<workload>", "for example deployment/shop, job/report, pod/shop-x-y, node/oslo-1 or region/eu")
    .option(namespace, "namespace", "default")
    .option("--record <file>", "keep all that the answer is computed from")
    .option("--replay <file>", "compute the answer again from such a file, without a node")
    .option(output, outputHelp)
    .action(run(() => import("./why.ts")));
  program
    .command("why-not")
    .description("what keeps a node from running a workload: every filter, rank and score")
    .argument("<words...>", "node/oslo-1 for deployment/shop")
    .option(namespace, "namespace", "default")
    .option(output, outputHelp)
    .action(run(() => import("./why-not.ts")));
  program
    .command("plan")
    .description("where the workloads of a file would run; nothing is applied")
    .requiredOption("-f, --filename <path...>", "files or folders; - is standard input")
    .option("-R, --recursive", "also folders in folders")
    .option("--without <place>", "as if all nodes of the site (site=oslo) or region (region=eu) were gone")
    .option("--cut-off <place>", "as both sides would have it if the site or region were cut off for long")
    .option(output, outputHelp)
    .addHelpText("after", "\nExample:\n  starlight plan -f examples/shop.yaml --cut-off site=oslo\n")
    .action(run(() => import("./plan.ts")));
  program
    .command("timeline")
    .description("what happened to a workload, as the nodes in view remember it")
    .argument("<workload>", "for example deployment/shop")
    .option(namespace, "namespace", "default")
    .option(output, outputHelp)
    .action(run(() => import("./timeline.ts")));
  program
    .command("conflicts")
    .description("edits of the same field that did not know of each other")
    .option(output, outputHelp)
    .action(run(() => import("./conflicts.ts")));
  program
    .command("resolve")
    .description("end a conflict: take a side, or give another value")
    .argument("[object]", "for example deployment/shop")
    .argument("[field]", "as `starlight conflicts` prints it")
    .option("--take <side>", "winner, loser, or the number of a side")
    .option("--value <json>", "another value, as JSON")
    .option("--all", "every conflict, or every one of the object or the namespace")
    .option("-n, --namespace <name>", "namespace (default: default; with --all every one)")
    .option("--dry-run", "check and say what would be written")
    .option(output, outputHelp)
    .addHelpText(
      "after",
      "\nExamples:\n  starlight resolve deployment/shop spec.replicas --take loser\n  starlight resolve deployment/shop spec.replicas --value 4\n  starlight resolve --all --take winner\n",
    )
    .action(run(() => import("./resolve.ts")));
  const override = program.command("override").description("fields that a higher class holds");
  override
    .command("release")
    .description("give up what overrides hold of an object: what was there before stands again")
    .argument("<object>", "for example deployment/shop")
    .argument("[name]")
    .option("--manager <name>", "only this field manager, for example override:starlight")
    .option("--class <class>", "override or git", "override")
    .option(namespace, "namespace", "default")
    .option(output, outputHelp)
    .action(run(() => import("./override-release.ts")));
  program
    .command("history")
    .description("the writes of an object that are still known, newest first")
    .argument("<object>", "for example deployment/shop")
    .argument("[name]")
    .option(namespace, "namespace", "default")
    .option(output, outputHelp)
    .action(run(() => import("./history.ts")));
  program
    .command("undo")
    .description("write back what was there before, if it is still known")
    .argument("<object>", "for example deployment/shop")
    .argument("[name]")
    .option("--field <path>", "only this field, and what lies below it")
    .option("--to <version>", "back to what was there after this write; see `starlight history`")
    .option(namespace, "namespace", "default")
    .option("--dry-run", "check and say what would be written")
    .option(output, outputHelp)
    .addHelpText(
      "after",
      "\nExamples:\n  starlight undo deployment/shop\n  starlight undo deployment/shop --field spec.replicas\n",
    )
    .action(run(() => import("./undo.ts")));
  program
    .command("health")
    .description(
      "how the nodes and other places are: what is wrong, since when, what to do; exit code 0 when all is well, else 41",
    )
    .argument("[node]", "for example node/oslo-1")
    .option(output, outputHelp)
    .addHelpText("after", "\nExamples:\n  starlight health\n  starlight health node/oslo-1 -o json\n")
    .action(run(() => import("./health.ts")));
  program
    .command("heal-report")
    .description("what happened when parts of the mesh found each other again")
    .option("--node <name>", "only this node's reports")
    .option(output, outputHelp)
    .action(run(() => import("./heal-report.ts")));
  const bundle = program
    .command("bundle")
    .description("carry records to a site without a network, in a file");
  bundle
    .command("export")
    .description("write what another site needs into a file; also from a stopped node's data folder")
    .argument("<file>")
    .option("--site <name>", "only what this site keeps (default: all that this node holds)")
    .option("--since-peer <heads>", "only what the maker of these heads lacks (see `bundle heads`)")
    .action(run(() => import("./bundle-export.ts")));
  bundle
    .command("heads")
    .description("write into a small file how far this node knows every log")
    .argument("<file>")
    .action(run(() => import("./bundle-heads.ts")));
  bundle
    .command("import")
    .description("give a file's records to the running agent, which checks every one of them")
    .argument("<file>")
    .option(output, outputHelp)
    .action(run(() => import("./bundle-import.ts")));
  bundle
    .command("show")
    .description("what is in a file, whole or heads; no node is needed")
    .argument("<file>")
    .option(output, outputHelp)
    .action(run(() => import("./bundle-show.ts")));
  bundle.addHelpText(
    "after",
    "\nExample, there and back:\n  bern$ starlight bundle heads bern.heads\n  oslo$ starlight bundle export --site bern --since-peer bern.heads oslo.bundle\n  bern$ starlight bundle import oslo.bundle\n",
  );
  program
    .command("capabilities")
    .description("what this machine is, where each value is from, and the rule that gives its tier")
    .option(output, outputHelp)
    .action(run(() => import("./capabilities.ts")));
  const config = program.command("config").description("settings of this node");
  settings(
    config
      .command("show")
      .description("every setting, its value and where it comes from")
      .option(output, outputHelp),
  ).action(run(() => import("./config-show.ts")));
  const store = program.command("store").description("this node's records on its disk");
  const mirrorPath = "--mirror-path <folder>";
  const mirrorHelp = "folder of the mirror (default: the setting mirrorPath)";
  store
    .command("check")
    .description("see whether the database is whole; the agent must not run")
    .option(mirrorPath, mirrorHelp)
    .option(output, outputHelp)
    .action(run(() => import("./store-check.ts")));
  store
    .command("repair")
    .description("make a fresh database of all that is whole; the damaged file is kept")
    .option(mirrorPath, mirrorHelp)
    .option(output, outputHelp)
    .action(run(() => import("./store-repair.ts")));
  store
    .command("backup")
    .description("copy the records into one file, also while the agent runs")
    .argument("<file>", "where to write it")
    .option("--force", "replace the file if it is there")
    .option(output, outputHelp)
    .addHelpText("after", "\nExample:\n  starlight store backup /mnt/usb/oslo-1.db\n")
    .action(run(() => import("./store-backup.ts")));
  store
    .command("restore")
    .description("take the records of a backup; the agent must not run")
    .argument("<file>", "what `starlight store backup` wrote")
    .option("--force", "replace the database that is there; it is kept beside the new one")
    .action(run(() => import("./store-restore.ts")));
  program
    .command("token")
    .description("make a bearer token for this node's API")
    .argument("<user>")
    .option("--group <name...>", "groups of the user", ["starlight:viewers"])
    .action(run(() => import("./token.ts")));
  program
    .command("kubeconfig")
    .description("make credentials for a user, good on every node; on a machine that admits others")
    .option("--out <file>", "where to write it (default: print it)")
    .option("--user <name>", "name of the user", "admin")
    .option("--group <name...>", "groups of the user", ["system:masters"])
    .option("--days <count>", "how long it is good", "365")
    .option("--renew", "replace the one in the data folder")
    .addHelpText(
      "after",
      "\nExamples:\n  starlight kubeconfig --renew\n  starlight kubeconfig --user ada --group starlight:viewers --out ada.kubeconfig\n",
    )
    .action(run(() => import("./kubeconfig.ts")));
  addNodeCommands(program, run);
  program
    .command("completion")
    .description("print a completion script")
    .argument("<shell>", "bash, zsh or fish")
    .addHelpText("after", "\nExample:\n  source <(starlight completion bash)\n")
    .action(run(() => import("./completion.ts")));
  program
    .command("demo")
    .description("a real mesh of six nodes on this machine, and a tour through what it does")
    .option("--keep", "stay up at the end, as on a terminal")
    .action(run(() => import("./demo.ts")));
  program
    .command("exit-codes")
    .description("what the exit codes mean")
    .action(run(() => import("./exit-codes.ts")));
  program
    .command("__complete", { hidden: true })
    .argument("[words...]")
    .allowUnknownOption()
    .action(run(() => import("./complete.ts")));
}

/** The settings of an agent as flags. */
function settings(command: Command): Command {
  for (const key of configKeys) {
    const value = key === "advertise" ? "<host:port...>" : "<value>";
    command.option(`${flagOf(key)} ${value}`, getDescription(configSchema.entries[key]) ?? "");
  }
  return command;
}
