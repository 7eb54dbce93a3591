import { exitCodes } from "../../app/exit-codes.ts";
import { print, table } from "../output.ts";

const meanings: { readonly [name in keyof typeof exitCodes]: string } = {
  ok: "done",
  failed: "refused or failed; the message says why",
  usage: "wrong arguments, a wrong setting, or a manifest with errors; nothing was done",
  notInitialised: "the data folder holds no identity: `starlight init` or `starlight join` comes first",
  portTaken: "the port cannot be opened",
  dataLocked: "another agent works on the data folder",
  storageCorrupt: "the database is damaged; it was left as it is",
  diskFull: "the disk is full; nothing was half-written",
  identityBroken: "keys or certificates are damaged",
  alreadyInitialised: "the data folder already belongs to a node",
  storageNewer: "the database was written by a newer version",
  dataUnusable: "files of the data folder cannot be read or written",
  inviteInvalid: "not an invite, or not all of it",
  inviteSpent: "the invite has expired, is used up, or is not known",
  wrongMesh: "the address of the invite, or the bundle, belongs to another mesh",
  clockOff: "the clocks of the two machines differ too much",
  unreachable: "no node could be reached",
  nameTaken: "another member has this name",
  joinRefused: "the mesh refused the newcomer; the message says why",
  notAllowed: "this node or user may not do that",
  bundleDamaged: "not a file that `starlight bundle` wrote, or not as it was written; nothing of it was used",
  waitNotReached: "written, but not all nodes that --wait named hold it yet",
  hopFails: "the doctor found a way between two nodes that fails; it says which hop",
  notWell:
    "`starlight health` found a node with troubles, or a node or another place out of reach; it says which",
};

export async function action(): Promise<void> {
  const rows = Object.entries(meanings).map(([name, means]) => [
    String(exitCodes[name as keyof typeof exitCodes]),
    name,
    means,
  ]);
  print(table(["Code", "Name", "Meaning"], rows));
  await Promise.resolve();
}
