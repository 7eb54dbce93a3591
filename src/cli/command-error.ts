import { AppError } from "../app/app-error.ts";
import { exitCodes } from "../app/exit-codes.ts";

/** A command that cannot be carried out: one message for people, one code for scripts. */
export class CommandError extends AppError {
  constructor(exit: keyof typeof exitCodes, what: string) {
    super({ exitCode: exitCodes[exit], what, kept: "", fix: "" });
  }
}
