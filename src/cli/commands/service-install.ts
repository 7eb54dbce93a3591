import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { writeDurably } from "../../shells/identity-file/durable-files.ts";
import { loadIdentity } from "../../shells/identity-file/load-identity.ts";
import { CommandError } from "../command-error.ts";
import { print } from "../output.ts";
import { systemdUnit, unitName, unitPath } from "../systemd-unit.ts";
import type { GlobalOptions } from "./index.ts";

export async function action(_options: object, _args: string[], { data }: GlobalOptions): Promise<void> {
  loadIdentity(data);
  // As sd_booted(3) finds out whether systemd is the init of this machine.
  if (!existsSync("/run/systemd/system")) {
    throw new CommandError(
      "failed",
      `systemd does not run this machine. Let its own init start: starlight agent --supervise --data ${data}`,
    );
  }
  if (process.getuid?.() !== 0) throw new CommandError("notAllowed", `only root writes ${unitPath}`);
  writeDurably(unitPath, systemdUnit(data));
  for (const args of [["daemon-reload"], ["enable", "--now", unitName]]) {
    const ran = spawnSync("systemctl", args, { encoding: "utf8" });
    if (ran.status !== 0) {
      throw new CommandError("failed", `systemctl ${args.join(" ")}: ${(ran.stderr ?? "").trim()}`);
    }
  }
  print(`${unitPath} is enabled and started; see: journalctl -u ${unitName}`);
  await Promise.resolve();
}
