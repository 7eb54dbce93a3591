import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { done, type Ran } from "./support/command.ts";
import { kubectlFleet } from "./support/kubectl-fleet.ts";
import { kubectlBinary } from "./support/kubectl.ts";
import { deployment } from "./support/manifests.ts";
import { eventually } from "./support/poll.ts";

/** The real kubectl against real agents: any node answers, the one that was asked as well as its neighbour. */

const { fleet, at, apply } = kubectlFleet(2);

test("kubectl gets nodes, pods and deployments of all namespaces in one table each", async () => {
  const nodes = done(await at("lab-1", ["get", "nodes"]));
  assert.match(nodes, /^NAME\s+STATUS\s+SITE\s+REGION\s+AGE\s+VERSION/);
  assert.match(nodes, /lab-1\s+Ready/);
  assert.match(nodes, /lab-2\s+Ready/);
  done(await at("lab-1", ["get", "nodes,pods,deployments", "-A"]));
  const wide = done(await at("lab-2", ["get", "nodes", "-o", "wide"]));
  assert.match(wide, /INTERNAL-IP/);
});

test("kubectl applies, scales and deletes a Deployment, each step at another node", async () => {
  assert.match(
    done(await apply("lab-1", deployment("echo", "echo hello; exec sleep 1000", 2))),
    /echo created/,
  );
  await eventually("two pods run", async () => {
    const out = done(await at("lab-2", ["get", "pods", "-l", "app=echo", "--no-headers"]));
    return out.split("\n").filter((line) => /\bRunning\b/.test(line)).length === 2;
  });
  assert.match(done(await at("lab-2", ["scale", "deployment/echo", "--replicas=3"])), /scaled/);
  await eventually("three pods run", async () => {
    const out = done(await at("lab-1", ["get", "deployment", "echo", "--no-headers"]));
    return /echo\s+3\/3\s+3\s+3/.test(out);
  });
  assert.match(
    done(await at("lab-1", ["rollout", "status", "deployment/echo", "--timeout=10s"])),
    /rolled out/,
  );
  done(await at("lab-1", ["delete", "deployment", "echo"]));
  await eventually("no pod is left", async () => {
    const ran = await at("lab-2", ["get", "pods", "-l", "app=echo", "--no-headers"]);
    return ran.out.trim() === "" && /No resources found/.test(ran.err);
  });
});

test("applying the same manifest again says unchanged, another one configured", async () => {
  const first = deployment("twice", "exec sleep 1000", 1);
  assert.match(done(await apply("lab-1", first)), /created/);
  assert.match(done(await apply("lab-1", first)), /unchanged/);
  assert.match(done(await apply("lab-1", deployment("twice", "exec sleep 1001", 1))), /configured/);
  const applied = done(
    await apply("lab-2", deployment("twice", "exec sleep 1002", 1), "--server-side", "--force-conflicts"),
  );
  assert.match(applied, /serverside-applied/);
  done(await at("lab-2", ["delete", "deployment", "twice", "--wait=false"]));
});

test("kubectl logs reads a pod's output through the other node, and follows it", async () => {
  done(
    await apply(
      "lab-1",
      deployment("clock", 'i=0; while :; do i=$((i+1)); echo "line $i"; sleep 0.2; done', 1),
    ),
  );
  const pod = await eventually("the pod runs", async () => {
    const out = done(
      await at("lab-1", [
        "get",
        "pods",
        "-l",
        "app=clock",
        "-o",
        "jsonpath={.items[0].metadata.name}/{.items[0].status.phase}/{.items[0].spec.nodeName}",
      ]),
    );
    return out.includes("/Running/") ? out.split("/") : undefined;
  });
  const [name = "", , node = ""] = pod;
  const other = node === "lab-1" ? "lab-2" : "lab-1";
  await eventually("lines appear", async () => /line 2/.test(done(await at(other, ["logs", name]))));
  assert.match(done(await at(other, ["logs", name, "--tail=1"])), /^line \d+\n$/);
  const { kubeconfig, directory, node: nodeNamed } = fleet();
  const server = `https://${nodeNamed(other).advertised}`;
  const follow = spawn(
    kubectlBinary(),
    ["--kubeconfig", kubeconfig, "--server", server, "logs", "-f", name, "--tail=1"],
    { env: { ...process.env, HOME: directory }, stdio: ["ignore", "pipe", "inherit"] },
  );
  let seen = "";
  follow.stdout.on("data", (chunk: Buffer) => (seen += chunk.toString()));
  await eventually("followed lines arrive", () => seen.split("\n").length > 4);
  follow.kill();
  done(await at("lab-1", ["delete", "deployment", "clock", "--wait=false"]));
});

test("kubectl edits labels and annotations, describes, watches and explains", async () => {
  done(
    await apply("lab-1", {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "note", namespace: "default" },
      data: { a: "1" },
    }),
  );
  done(await at("lab-1", ["label", "configmap", "note", "team=till"]));
  done(await at("lab-2", ["annotate", "configmap", "note", "why=test"]));
  await eventually("both edits are seen at both nodes", async () => {
    const text = done(await at("lab-1", ["get", "configmap", "note", "-o", "json"]));
    const { metadata } = JSON.parse(text) as {
      metadata: { labels?: object; annotations?: { why?: string } };
    };
    return metadata.annotations?.why === "test" && JSON.stringify(metadata.labels).includes("till");
  });
  done(await at("lab-1", ["patch", "configmap", "note", "--type=merge", "-p", '{"data":{"b":"2"}}']));
  assert.match(done(await at("lab-1", ["describe", "configmap", "note"])), /b:\n----\n2/);
  assert.match(done(await at("lab-1", ["describe", "node", "lab-2"])), /Ready/);
  assert.match(done(await at("lab-1", ["explain", "deployment.spec.replicas"])), /replicas/);
  assert.match(done(await at("lab-1", ["auth", "can-i", "create", "deployments"])), /yes/);
  assert.match(done(await at("lab-1", ["api-resources"])), /deployments\s+deploy\s+apps\/v1/);
  done(await at("lab-1", ["delete", "configmap", "note"]));
});

test("what is not supported is refused by name, and nothing of it is applied", async () => {
  const unknown = await apply("lab-1", {
    apiVersion: "batch/v1beta1",
    kind: "CronJob",
    metadata: { name: "x" },
    spec: {},
  });
  assert.notEqual(unknown.code, 0);
  assert.match(unknown.err, /CronJob/);
  const bad = deployment("bad", "exit 0", 2) as {
    spec: { template: { spec: { [field: string]: unknown } } };
  };
  bad.spec.template.spec["hostIPC"] = true;
  const refused = await apply("lab-1", bad);
  assert.notEqual(refused.code, 0);
  assert.match(refused.err, /hostIPC/);
  const ran = await at("lab-1", ["get", "deployment", "bad"]);
  assert.match(ran.err, /NotFound/);
});

test("kubectl --as is refused with what to do instead, and deletes nothing", async () => {
  done(await apply("lab-1", deployment("kept", "exec sleep 1000", 1)));
  const refused = await at("lab-1", ["--as", "ada", "delete", "deployment", "kept"]);
  assert.notEqual(refused.code, 0);
  assert.match(refused.err, /impersonation is not supported.*starlight kubeconfig --user ada --group/s);
  done(await at("lab-1", ["get", "deployment", "kept"]));
  done(await at("lab-1", ["delete", "deployment", "kept", "--wait=false"]));
});

test("kubectl overrides by the name of its field manager, users meet its conflict, and an empty apply releases it", async () => {
  const map = (data: object): object => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "prices", namespace: "default" },
    ...(Object.keys(data).length === 0 ? {} : { data }),
  });
  const serverSide = (manager: string, data: object, ...more: string[]): Promise<Ran> =>
    apply("lab-1", map(data), "--server-side", `--field-manager=${manager}`, ...more);
  done(await serverSide("till", { coffee: "3", tea: "2" }));
  done(await serverSide("override:night", { coffee: "5" }));
  assert.match(
    done(await at("lab-1", ["get", "configmap", "prices", "-o", "jsonpath={.data.coffee}"])),
    /^5$/,
  );
  for (const force of [[], ["--force-conflicts"]]) {
    const refused = await serverSide("till", { coffee: "4", tea: "2" }, ...force);
    assert.notEqual(refused.code, 0);
    assert.match(refused.err, /conflict with "override:night": \.data\.coffee/);
  }
  const patched = await at("lab-1", ["patch", "configmap", "prices", "-p", '{"data":{"coffee":"4"}}']);
  assert.match(patched.err, /conflict with "override:night": \.data\.coffee/);
  const shown = done(
    await at("lab-1", ["get", "configmap", "prices", "-o", "yaml", "--show-managed-fields"]),
  );
  assert.match(shown, /manager: override:night/);
  done(await serverSide("override:night", {}));
  assert.match(
    done(await at("lab-1", ["get", "configmap", "prices", "-o", "jsonpath={.data.coffee}"])),
    /^3$/,
  );
  done(await serverSide("till", { coffee: "4", tea: "2" }));
  done(await at("lab-1", ["delete", "configmap", "prices"]));
});
