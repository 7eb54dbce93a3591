import { connect } from "../../src/cli/client.ts";

/**
 * Writes ConfigMaps to one node as fast as it answers, and prints the name of each that it acknowledged:
 * `writer.ts KUBECONFIG HOST:PORT PREFIX`. Runs inside a machine of a test network, until it is killed.
 */
const [kubeconfig = "", server = "", prefix = ""] = process.argv.slice(2);
for (let number = 1; ; number++) {
  const name = `${prefix}-${number}`;
  try {
    const client = await connect({ data: "/", kubeconfig, server });
    await client.call("POST", "/api/v1/namespaces/default/configmaps", {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name, namespace: "default" },
      data: { number: String(number) },
    });
    process.stdout.write(`${name}\n`);
  } catch {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
