import { startAgent, type AgentOptions } from "./agent.ts";
import { explained } from "./app-error.ts";
import { beatForSupervisor } from "./beat.ts";
import { exitCodes, type ExitCode } from "./exit-codes.ts";
import { giveBackMemoryOnceQuiet } from "./give-back-memory.ts";

/**
 * The agent as a process: until SIGTERM or SIGINT, which stop it cleanly; a second one ends it at once.
 * Anything unforeseen ends the process with a stack trace: the disk is whole at every moment, workloads go
 * on, and a supervisor starts the agent again.
 *
 * @returns the exit code; failures have been told on standard error.
 */
export async function runAgent(options: AgentOptions): Promise<ExitCode> {
  process.umask(0o077);
  // Whoever read the log may be gone; that is no reason to stop.
  process.stderr.on("error", () => {});
  const stopAsked = stopSignal();
  beatForSupervisor(options.env?.["STARLIGHT_BEAT_FILE"], () => process.kill(process.pid, "SIGTERM"));
  try {
    const agent = await startAgent(options);
    giveBackMemoryOnceQuiet();
    await stopAsked;
    await agent.stop();
    return exitCodes.ok;
  } catch (error) {
    const known = explained(error);
    if (known === undefined) throw error;
    process.stderr.write(`starlight agent: ${known.message}\n`);
    return known.exitCode;
  }
}

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    let asked = 0;
    const ask = (signal: NodeJS.Signals): void => {
      if (++asked === 1) return resolve();
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    };
    process.on("SIGTERM", ask);
    process.on("SIGINT", ask);
  });
}
