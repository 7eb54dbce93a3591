import { runAgent } from "./run-agent.ts";
import type { AgentParts } from "./agent.ts";
import { bareParts } from "./testbed.ts";

/** `node testbed-agent.ts FOLDER`: the agent as a process, without workloads. */
const [directory = ""] = process.argv.slice(2);

const hanging: AgentParts = {
  ...bareParts,
  runtime: (options) => ({
    ...bareParts.runtime(options),
    detach: () => {
      process.stderr.write("Detaching, for ever\n");
      return new Promise(() => setInterval(() => {}, 1_000));
    },
  }),
};
const parts = process.env["TEST_DETACH_HANGS"] === "1" ? hanging : bareParts;
process.exitCode = await runAgent({ directory, env: process.env, parts });
