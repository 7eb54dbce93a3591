/** What the process says with its exit code; `starlight help exit-codes` prints this table. */
export const exitCodes = {
  ok: { code: 0, means: "done" },
  failed: { code: 1, means: "the request was refused or failed; the message says why" },
  usage: { code: 2, means: "wrong arguments, a wrong setting or a manifest with errors; nothing was done" },
  notInitialised: {
    code: 10,
    means: "the data folder holds no identity: run `starlight init` or `starlight join`",
  },
  portTaken: { code: 11, means: "the port cannot be opened" },
  locked: { code: 12, means: "another agent uses the data folder" },
  corrupt: { code: 13, means: "the database is damaged; it was left as it is" },
  diskFull: { code: 14, means: "the disk is full; nothing was half-written" },
  identityBroken: { code: 15, means: "the identity files are damaged or cannot be read" },
  exists: { code: 16, means: "the data folder already belongs to a node" },
  inviteInvalid: { code: 20, means: "the invite is not one, or is damaged" },
  inviteExpired: { code: 21, means: "the invite has expired, was used up or is not known" },
  wrongMesh: { code: 22, means: "the address of the invite belongs to another mesh" },
  clockOff: { code: 23, means: "the clocks of the two machines differ too much" },
  unreachable: { code: 24, means: "no node could be reached" },
  refused: { code: 25, means: "the mesh refused the newcomer, for example because the name is taken" },
} as const;

export type ExitName = keyof typeof exitCodes;

/** An expected failure of a command: one message for people, one code for scripts. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly exit: ExitName;

  constructor(exit: ExitName, message: string) {
    super(message);
    this.exit = exit;
  }
}
