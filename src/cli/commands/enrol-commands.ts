import type { Command } from "commander";
import type { Action } from "./index.ts";

type Run = (load: () => Promise<{ readonly action: Action }>) => (...parameters: unknown[]) => Promise<void>;

const nesting = "dots nest regions: eu.de.south is within eu.de, and that within eu";
const siteDefault =
  "default: where the site stands, and for a new one the enroller's region if the detail of the mesh is mesh";

/** Commands that make a mesh and let machines into it. */
export function addEnrolCommands(program: Command, run: Run): void {
  program
    .command("init")
    .description("make a new mesh with this machine as its first node")
    .requiredOption("--site <name>", "the site this machine stands in, for example a shop")
    .option("--mesh <name>", "name of the mesh", "mesh")
    .option("--name <name>", "name of this node (default: the host name)")
    .option("--region <name>", `region of the site; ${nesting}`, "default")
    .option(
      "--detail <how far>",
      "how far the detail of a node travels: mesh (right up to about 100 nodes), region or site; never changed later",
      "mesh",
    )
    .option(
      "--advertise <host:port...>",
      "where other nodes reach this one; without a port 7443 (default: its addresses, port 7443)",
    )
    .addHelpText(
      "after",
      "\nExample:\n  starlight init --mesh shops --site oslo --region north\n  starlight agent\n",
    )
    .action(run(() => import("./init.ts")));
  program
    .command("invite")
    .description("make an invite: one line that lets a machine join")
    .requiredOption("--site <name>", "site of the newcomer")
    .option("--region <name>", `region of the site, when it is new; ${siteDefault}; ${nesting}`)
    .option("--ttl <duration>", "how long it is good for", "24h")
    .option("--uses <count>", "how many machines may use it", "1")
    .option("--file <path>", "write it into a file that only you can read")
    .option("--qr", "also as a QR code, for a telephone or a scanner")
    .option("-o, --output <format>", "json, yaml or wide")
    .addHelpText("after", "\nExample:\n  starlight invite --site bern --region south\n")
    .action(run(() => import("./invite.ts")));
  program
    .command("join")
    .description("join a mesh with an invite")
    .argument("[invite]", "the line that `starlight invite` printed")
    .option("-f, --filename <path>", "the file that `starlight invite --file` wrote; - is standard input")
    .option("--discover", "look for the mesh on the local network; without an invite, list the meshes there")
    .option("--check", "try every hop up to the enroller's yes, and change nothing")
    .option("--name <name>", "name of this node (default: the host name)")
    .option(
      "--advertise <host:port...>",
      "where other nodes reach this one (default: its addresses, port 7443)",
    )
    .action(run(() => import("./join.ts")));
}
