import { Command, CommanderError } from "commander";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { explained } from "../app/app-error.ts";
import { exitCodes } from "../app/exit-codes.ts";
import { version } from "./version.ts";
import { serverAddress } from "./server-address.ts";
import { registerCommands } from "./commands/index.ts";

/** Where a node keeps its data when nobody says otherwise. */
const defaultData =
  process.env["STARLIGHT_DATA"] ??
  (process.getuid?.() === 0 ? "/var/lib/starlight" : join(homedir(), ".local/share/starlight"));

/** Runs a command line; resolves to the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const program = createProgram();
  // `| head` and the like: nobody reads on, so there is nothing left to do.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(exitCodes.ok);
    throw error;
  });
  try {
    await program.parseAsync([...argv], { from: "user" });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
    const known = explained(error);
    if (known !== undefined) {
      process.stderr.write(`starlight: ${known.message}\n`);
      return known.exitCode;
    }
    process.stderr.write(
      `starlight: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    return exitCodes.failed;
  }
}

export function createProgram(): Command {
  const program = new Command("starlight")
    .description("An edge orchestrator without a centre: every node is complete, in every island.")
    .version(version)
    .option("--data <folder>", "data folder of this node", (folder) => resolve(folder), resolve(defaultData))
    .option("--kubeconfig <file>", "credentials to talk to a node with (default: the data folder's)")
    .option("--server <host[:port]>", "the node to talk to (default: the kubeconfig's)", serverAddress)
    .exitOverride()
    .configureHelp({ sortSubcommands: false, showGlobalOptions: true })
    .showHelpAfterError("(starlight help shows what there is)");
  registerCommands(program);
  return program;
}
