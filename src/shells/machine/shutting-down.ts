import { execFile } from "node:child_process";
import { existsSync } from "node:fs";

const timeoutMs = 500;

/**
 * Whether the whole machine is going down, and what it runs with it, as far as systemd says so; false where
 * there is no systemd. (`is-system-running` in systemctl(1).)
 */
export function isShuttingDown(command = "systemctl", running = "/run/systemd/system"): Promise<boolean> {
  if (!existsSync(running)) return Promise.resolve(false);
  return new Promise((resolve) => {
    execFile(command, ["is-system-running"], { timeout: timeoutMs }, (_error, out) =>
      resolve(out.trim() === "stopping"),
    );
  });
}
