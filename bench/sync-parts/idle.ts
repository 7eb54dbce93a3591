import { createNetFleet } from "../../test/support/net-fleet.ts";
import { whyNoNamespaces } from "../../test/support/netns.ts";

/**
 * What an idle agent with the settings of a real deployment sends and receives: everything that passes
 * its network card, TCP, TLS and HTTP/2 included. Needs root and `ip`.
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
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    const count = (): { sent: number; received: number } => {
      let [sent, received] = [0, 0];
      for (const node of fleet.nodes) {
        const text = fleet.topology.run(node.host, "cat", ["/proc/net/dev"]);
        const fields = /eth0:\s*(.*)/.exec(text)?.[1]?.trim().split(/\s+/).map(Number) ?? [];
        received += fields[0] ?? 0;
        sent += fields[8] ?? 0;
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
