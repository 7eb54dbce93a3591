import { agentPort, formatAddress, parseAddress } from "../shells/identity-file/address.ts";
import { CommandError } from "./command-error.ts";

/** `host:port` of `--server`: a host alone stands for the port where agents listen, `https://` may be before it. */
export function serverAddress(text: string): string {
  const rest = text.replace(/^https:\/\//i, "").replace(/\/$/, "");
  const address = parseAddress(rest, { portDefault: agentPort });
  if (address !== undefined) return formatAddress(address);
  const example = `write HOST or HOST:PORT, for example 10.0.0.5:${agentPort}`;
  throw new CommandError(
    "usage",
    `--server ${JSON.stringify(text)} is not the address of a node: ${example}`,
  );
}
