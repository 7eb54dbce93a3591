import type { ManagerClass } from "../core/intents/contract.ts";
import { CommandError } from "./command-error.ts";

/** `--class`: in which class a write is made. */
export function classFlag(given: string): ManagerClass {
  if (given === "user" || given === "git" || given === "override") return given;
  throw new CommandError("usage", `--class ${given}: use user, git or override`);
}
