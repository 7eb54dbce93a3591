import { settledAfterMs } from "../settled.ts";
import { createNetFleet } from "../../test/support/net-fleet.ts";
import { whyNoNamespaces } from "../../test/support/netns.ts";

/**
 * What an idle agent with the settings of a real deployment sends and receives: all IP
 * packets, with TCP, TLS and HTTP/2. Needs root and `ip`.
 *
 * @param sizes Sites and how many nodes each has.
 * @param settings Of every agent, as environment variables.
 * @returns bytes a second and node, both directions added; undefined where there are no namespaces.
 */
export async function idleBytesPerSecond(
  sizes: { readonly [site: string]: number },
  settings: NodeJS.ProcessEnv,
  seconds: number,
  progress: (line: string) => void,
): Promise<{ readonly sent: number; readonly received: number } | undefined> {
  const why = whyNoNamespaces();
  if (why !== undefined) {
    progress(`idle traffic is not measured: ${why}`);
    return undefined;
  }
  const fleet = await createNetFleet("slidle", sizes, settings);
  try {
    const settledMs = settledAfterMs(Math.max(...Object.values(sizes)));
    await new Promise((resolve) => setTimeout(resolve, settledMs));
    const count = (): { sent: number; received: number } => {
      let [sent, received] = [0, 0];
      for (const node of fleet.nodes) {
        const text = fleet.topology.run(node.host, "cat", ["/proc/net/netstat"]);
        const [names = [], values = []] = text
          .split("\n")
          .filter((line) => line.startsWith("IpExt:"))
          .map((line) => line.split(" "));
        const octets = (name: string): number => Number(values[names.indexOf(name)] ?? Number.NaN);
        received += octets("InOctets");
        sent += octets("OutOctets");
      }
      return { sent, received };
    };
    const before = count();
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    const after = count();
    const each = (total: number): number => total / fleet.nodes.length / seconds;
    return { sent: each(after.sent - before.sent), received: each(after.received - before.received) };
  } finally {
    fleet.remove();
  }
}

if (process.argv[1] === import.meta.filename) {
  process.stdout.write(`${JSON.stringify(await idleBytesPerSecond({ idle: 5 }, {}, 30, console.error))}\n`);
}
