import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../bin/starlight.mjs", import.meta.url));

export const unitName = "starlight.service";
export const unitPath = `/etc/systemd/system/${unitName}`;

/**
 * A unit for an agent. Nothing waits for the network: a node works alone. `KillMode=process` leaves the
 * workloads running when the agent is stopped or updated; the supervisor in between hands on the signal.
 */
export function systemdUnit(data: string): string {
  return `[Unit]
Description=Starlight agent
After=local-fs.target

[Service]
Type=notify
NotifyAccess=all
ExecStart=${[process.execPath, program, "agent", "--supervise", "--data", data].map(quoted).join(" ")}
Restart=always
RestartSec=1
RestartPreventExitStatus=2 10
WatchdogSec=90
TimeoutStartSec=300
TimeoutStopSec=30
KillMode=process
Delegate=yes
OOMScoreAdjust=-900
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
`;
}

/** As systemd splits command lines: quotes, with backslashes, percent and dollar signs doubled. */
function quoted(word: string): string {
  const escaped = word
    .replace(/[\\"]/g, String.raw`\$&`)
    .replace(/%/g, "%%")
    .replace(/\$/g, "$$$$");
  return /[\s"'\\;]/.test(word) ? `"${escaped}"` : escaped;
}
