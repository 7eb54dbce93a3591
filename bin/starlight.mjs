#!/usr/bin/env node
// Finds a Node that is new enough and runs the command line with it. Plain JavaScript for old Nodes.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import * as nodeModule from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const neededMajor = 24;

if (Number(process.versions.node.split(".")[0]) >= neededMajor) {
  nodeModule.enableCompileCache?.();
  const built = join(here, "../dist/cli/main.js");
  const { main } = await import(existsSync(built) ? built : "../src/cli/main.ts");
  process.exitCode = await main(process.argv.slice(2));
} else {
  runWith(newerNode());
}

function newerNode() {
  const name = `node-${process.platform}-${process.arch}/bin/node`;
  try {
    return nodeModule.createRequire(import.meta.url).resolve(name);
  } catch {
    process.stderr.write(
      `starlight needs Node ${neededMajor} or newer; this is ${process.versions.node}, and the package brought none for ${process.platform}-${process.arch}.\n` +
        `Install Node ${neededMajor}, or run: npm install node-${process.platform}-${process.arch}@${neededMajor}\n`,
    );
    process.exit(2);
  }
}

function runWith(node) {
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
