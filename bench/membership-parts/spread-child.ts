import { connect } from "../../src/cli/client.ts";

/**
 * Runs inside a host of the network: watches every agent's API, writes to one, and prints for each round how
 * many ms passed from the request until the slowest watch had shown it.
 *
 * `node spread-child.ts DATA KUBECONFIG ROUNDS ADDRESS...`
 */
const [data = "", kubeconfig = "", rounds = "1", ...servers] = process.argv.slice(2);
const path = "/api/v1/namespaces/default/configmaps";
const clients = await Promise.all(servers.map((server) => connect({ data, kubeconfig, server })));
const seen = new Map<string, Map<number, number>>();

clients.forEach((client, at) => {
  let text = "";
  client
    .stream(`${path}?watch=true`, (chunk) => {
      text += chunk;
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) {
        const { object } = JSON.parse(line) as { object: { metadata: { name: string } } };
        const times = seen.get(object.metadata.name) ?? new Map<number, number>();
        seen.set(object.metadata.name, times);
        if (!times.has(at)) times.set(at, performance.now());
      }
    })
    .catch((error: unknown) => process.stderr.write(`${String(error)}\n`));
});
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
await sleep(1_000 + 50 * servers.length);

const times: number[] = [];
for (let round = 0; round < Number(rounds); round++) {
  const name = `spread-${round}-${process.pid}`;
  const client = clients[(round * 7) % clients.length];
  const from = performance.now();
  await client?.call("POST", path, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: "default" },
    data: { round: String(round) },
  });
  while (performance.now() < from + 8_000 && (seen.get(name)?.size ?? 0) < servers.length) await sleep(2);
  const all = [...(seen.get(name)?.values() ?? [])];
  times.push(all.length === servers.length ? Math.max(...all) - from : 8_000);
  await sleep(200);
}
process.stdout.write(JSON.stringify(times));
process.exit(0);
