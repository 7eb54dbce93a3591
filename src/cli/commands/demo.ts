import { runDemo } from "../demo/run-demo.ts";

export async function action(options: { readonly keep?: true }): Promise<void> {
  process.exitCode = await runDemo({
    keep: options.keep === true || (process.stdout.isTTY && process.stdin.isTTY),
  });
}
