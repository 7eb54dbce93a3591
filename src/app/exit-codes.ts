/**
 * What the process's exit code says. Scripts rely on these: a number is never given a second meaning.
 */
export const exitCodes = {
  ok: 0,
  /** Anything without a code of its own. */
  failed: 1,
  /** A wrong flag, argument, environment variable or configuration file. */
  usage: 2,

  /** The data folder holds no identity: `starlight init` or `starlight join` comes first. */
  notInitialised: 10,
  /** The port cannot be opened: another program listens there, or this user may not. */
  portTaken: 11,
  /** Another agent works on this data folder. */
  dataLocked: 12,
  /** The database does not hold what was written to it. */
  storageCorrupt: 13,
  diskFull: 14,
  /** Keys or certificates are missing or do not belong together. */
  identityBroken: 15,
  /** The data folder already belongs to a node. */
  alreadyInitialised: 16,
  /** The database was written by a newer version of Starlight. */
  storageNewer: 17,
  /** Files of the data folder cannot be read or written. */
  dataUnusable: 18,

  /** Not an invite, or not all of it. */
  inviteInvalid: 20,
  /** The invite has expired, is used up, or is not known to the node that is said to have made it. */
  inviteSpent: 21,
  /** The node at the invite's address, or the bundle, belongs to another mesh. */
  wrongMesh: 22,
  /** The clocks of this machine and of the mesh are too far apart. */
  clockOff: 23,
  /** None of the invite's addresses could be reached. */
  unreachable: 24,
  /** Another member has this name. */
  nameTaken: 25,
  /** The mesh refused for another reason, which the message names. */
  joinRefused: 26,
  /** This node may not do that: it is not an enroller, or was not given the grant. */
  notAllowed: 27,

  /** Not a file that `starlight bundle` wrote, or not as it was written. Nothing of it was used. */
  bundleDamaged: 30,
  /** The write is done and stands; not all nodes that `--wait` named hold it yet. */
  waitNotReached: 31,

  /** `starlight doctor` found a way that fails; it says which hop, and what to do. */
  hopFails: 40,
  /** `starlight health` found a node that is not well; it says which, and what to do. */
  notWell: 41,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
