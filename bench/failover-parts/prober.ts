import { get } from "node:http";
import { connect } from "../../src/cli/client.ts";

/**
 * Runs on a machine of the site: watches the pods at its node's API and asks each new copy until it answers.
 * One line of JSON for each copy that answered.
 *
 *     node prober.ts KUBECONFIG HOST:PORT
 */
export type Probed = {
  readonly type: "answered";
  readonly app: string;
  readonly node: string;
  readonly at: number;
};

type Pod = {
  readonly metadata: { readonly uid: string; readonly labels?: { readonly app?: string } };
  readonly spec: {
    readonly nodeName?: string;
    readonly containers: readonly { readonly ports?: readonly { readonly hostPort?: number }[] }[];
  };
  readonly status: { readonly phase: string; readonly podIP?: string };
};

const [kubeconfig = "", server = ""] = process.argv.slice(2);
const asked = new Set<string>();

function tell(line: Probed): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function seen(type: string, pod: Pod): void {
  const { uid } = pod.metadata;
  const app = pod.metadata.labels?.app ?? "";
  const port = pod.spec.containers[0]?.ports?.[0]?.hostPort;
  if (type === "DELETED" || port === undefined || pod.status.podIP === undefined) return;
  if (pod.status.phase !== "Running" || asked.has(uid)) return;
  asked.add(uid);
  ask(pod.status.podIP, port, () =>
    tell({ type: "answered", app, node: pod.spec.nodeName ?? "", at: Date.now() }),
  );
}

function ask(host: string, port: number, answered: () => void): void {
  const again = (): void => void setTimeout(() => ask(host, port, answered), 10);
  const request = get({ host, port, path: "/", timeout: 1_000, agent: false }, (response) => {
    response.resume();
    if (response.statusCode === 200) answered();
    else again();
  });
  request.on("timeout", () => request.destroy());
  request.on("error", again);
}

const client = await connect({ data: "/nonexistent", kubeconfig, server });
let text = "";
await client.stream("/api/v1/namespaces/default/pods?watch=true", (chunk) => {
  text += chunk;
  const lines = text.split("\n");
  text = lines.pop() ?? "";
  for (const line of lines) {
    const { type, object } = JSON.parse(line) as { readonly type: string; readonly object: Pod };
    if (type !== "BOOKMARK") seen(type, object);
  }
});
