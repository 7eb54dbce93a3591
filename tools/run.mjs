// Installs, builds and runs: `node tools/run.mjs demo|test|verify|build|sim|bench|mutate|fuzz|freeze|soak|format [arguments]`.
// Plain JavaScript without dependencies, for the system's own Node (20 or newer) and an empty checkout.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, "node_modules");
const stamp = join(modules, ".starlight-installed");
const startedAt = Date.now();
process.chdir(root);

const tasks = {
  demo: async (args) => run(node(), ["bin/starlight.mjs", "demo", ...args]),
  test: async (args) => run(node(), testArguments(args)),
  verify,
  build: async () => 0,
  sim: async (args) => run(node(), ["dist/sim/main.js", ...args]),
  bench: async (args) => run(node(), ["--disable-warning=ExperimentalWarning", "bench/main.ts", ...args]),
  mutate: async (args) =>
    run(node(), ["--disable-warning=ExperimentalWarning", "test/mutations.ts", ...args]),
  soak: async (args) => run(node(), ["--disable-warning=ExperimentalWarning", "test/soak.ts", ...args]),
  fuzz: async (args) => run(node(), ["--disable-warning=ExperimentalWarning", "test/fuzz.ts", ...args]),
  freeze: async () => run(node(), ["--disable-warning=ExperimentalWarning", "test/fixtures/freeze.ts"]),
  format: async () => run(tool("oxfmt"), []),
};

const [task = "", ...args] = process.argv.slice(2);
if (!Object.hasOwn(tasks, task)) {
  process.stderr.write(`usage: node tools/run.mjs ${Object.keys(tasks).join("|")} [arguments]\n`);
  process.exit(2);
}
await install();
if (task !== "format") build();
process.exit(await tasks[task](args));

/** Installs what package-lock.json asks for, once; an interrupted install is done again. */
async function install() {
  const wanted = createHash("sha256").update(readFileSync("package-lock.json")).digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  say("installing what is missing, once; this takes about 15 seconds");
  const lock = join(root, ".starlight-install");
  for (let waited = 0; !tryLock(lock); waited++) {
    if (waited === 0) say("another install is running here, waiting for it");
    await new Promise((resolve) => setTimeout(resolve, 500));
    if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  }
  const timer = setInterval(() => say(`installing, ${seconds()} s`), 5000);
  // Not `npm ci`: it refuses a lock file without the optional packages of every other platform.
  const flags = ["--no-audit", "--no-fund", "--no-save", "--loglevel=error"];
  const code = await run("npm", ["install", ...flags], { quiet: true });
  clearInterval(timer);
  if (code === 0) writeFileSync(stamp, wanted);
  rmSync(lock, { force: true });
  if (code === 0) return say(`installed in ${seconds()} s`);
  process.stderr.write("npm install failed: is the npm registry reachable? Only node_modules was touched.\n");
  process.exit(code);
}

/** A file with our process id as a lock; that of a process which is gone does not count. */
function tryLock(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch {
    if (!isAlive(Number(readFileSync(lock, "utf8")))) rmSync(lock, { force: true });
    return false;
  }
}

function isAlive(pid) {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Compiles src/ to dist/ when a source is newer than the last build. */
function build() {
  const built = "dist/.built";
  const sources = ["tsconfig.base.json", "tsconfig.build.json", ...filesBelow("src")];
  const newest = Math.max(...sources.map((file) => statSync(file).mtimeMs));
  const list = createHash("sha256").update(sources.join("\n")).digest("hex");
  const fresh = existsSync(built) && statSync(built).mtimeMs > newest && readFileSync(built, "utf8") === list;
  if (fresh) return;
  rmSync("dist", { recursive: true, force: true });
  const { status } = spawnSync(tool("tsc"), ["-p", "tsconfig.build.json"], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
  writeFileSync(built, list);
}

function testArguments(args) {
  const patterns = args.filter((arg) => !arg.startsWith("-"));
  const flags = args.filter((arg) => arg.startsWith("-"));
  const files = patterns.length > 0 ? patterns : ["src/**/*.test.ts", "test/**/*.test.ts"];
  return [
    "--disable-warning=ExperimentalWarning",
    "--test",
    "--test-reporter=spec",
    "--test-concurrency=2",
    ...flags,
    ...files,
  ];
}

/** Everything that must be right before a commit. */
async function verify() {
  const steps = [
    ["format", tool("oxfmt"), ["--check"]],
    ["lint", tool("oxlint"), ["--deny-warnings"]],
    ["types", tool("tsc"), ["-p", "tsconfig.json"]],
    ["types of the core", tool("tsc"), ["-p", "src/core/tsconfig.json"]],
    ["tests", node(), testArguments([])],
    [
      "simulator, fixed seeds",
      node(),
      ["dist/sim/main.js", "--seeds", "10", "--nodes", "8", "--storm-s", "60", "--calm-s", "60"],
    ],
    [
      "simulator, a random seed",
      node(),
      ["dist/sim/main.js", "--seed", String(Date.now() % 1_000_000_000), "--nodes", "8"],
    ],
  ];
  for (const [name, command, commandArguments] of steps) {
    say(name);
    const code = await run(command, commandArguments);
    if (code !== 0) {
      say(`${name}: failed`);
      return code;
    }
  }
  say(`all is well, ${seconds()} s`);
  return 0;
}

/** This Node when it is new enough, else the one that npm brought. */
function node() {
  if (Number(process.versions.node.split(".")[0]) >= 24) return process.execPath;
  const brought = join(modules, `node-${process.platform}-${process.arch}`, "bin", "node");
  if (existsSync(brought)) return brought;
  process.stderr.write(
    `Node 24 or newer is needed; this is ${process.versions.node}, and npm has none for ${process.platform}-${process.arch}\n`,
  );
  return process.exit(2);
}

function tool(name) {
  return join(modules, ".bin", name);
}

function run(command, commandArguments, { quiet = false } = {}) {
  const path = `${dirname(nodeOrSelf())}:${join(modules, ".bin")}:${process.env.PATH}`;
  return new Promise((resolve) => {
    const child = spawn(command, commandArguments, {
      stdio: quiet ? ["ignore", "ignore", "inherit"] : "inherit",
      env: { ...process.env, PATH: path },
    });
    const forward = ["SIGINT", "SIGTERM", "SIGHUP"].map((signal) => [signal, () => child.kill(signal)]);
    for (const [signal, handler] of forward) process.on(signal, handler);
    child.on("error", (error) => {
      process.stderr.write(`${command}: ${error.message}\n`);
      resolve(1);
    });
    child.on("exit", (code, signal) => {
      for (const [name, handler] of forward) process.off(name, handler);
      resolve(signal === null ? (code ?? 1) : 130);
    });
  });
}

function nodeOrSelf() {
  return existsSync(join(modules, ".bin")) ? node() : process.execPath;
}

function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

function say(line) {
  process.stderr.write(`starlight: ${line}\n`);
}

function seconds() {
  return Math.round((Date.now() - startedAt) / 1000);
}
