import { sealRecord } from "../core/records/seal.ts";
import { versionAt } from "../core/kernel/hybrid-clock.ts";
import { hex } from "../core/kernel/bytes.ts";
import { pick, type Random } from "../core/kernel/random.ts";
import { goneKey, memberKey, podKey, statusKey } from "../core/records/keys.ts";
import { nodeIdOf, type MeshRecord, type RecordDraft } from "../core/records/record.ts";
import { asRecordsFrame } from "../core/node/links.ts";
import type { Machine } from "./machine.ts";
import type { World } from "./world.ts";

/**
 * Someone stole a machine's key and speaks over its links. They can lie about that machine, and nothing
 * else: every record sent here must be refused by every honest node, which check 3 looks for on the disks.
 */
export function sendForgeries(world: World, random: Random): void {
  // Whoever may admit members could really do all this.
  const thief = pick(
    random,
    world.machines.filter((machine) => !world.enrollers.has(machine)),
  );
  const victim = pick(
    random,
    world.machines.filter((machine) => machine !== thief),
  );
  if (thief === undefined || victim === undefined) return;
  world.trace.add(
    world.now,
    "FAULT",
    `someone with the key of ${thief.name} forges records of ${victim.name}`,
  );
  thief.inject(asRecordsFrame(forgeries(world, thief, victim), world.crypto));
}

function forgeries(world: World, thief: Machine, victim: Machine): MeshRecord[] {
  const { crypto } = world;
  const target = victim.identity.id;
  const stranger = crypto.signer("stranger");
  const newcomer = {
    name: "mole",
    site: victim.identity.site,
    region: victim.identity.region,
    signKey: hex(stranger.publicKey),
    tlsKey: hex(crypto.sha256(stranger.publicKey)),
    grants: ["write", "enrol"],
    labels: {},
    joinedAt: world.trueTime(),
  };
  const version = versionAt(world.trueTime()) + 1;
  const draft = (key: string, kind: RecordDraft["kind"], body: RecordDraft["body"]): RecordDraft => ({
    scope: "mesh",
    key,
    version,
    kind,
    body,
  });
  const gone = { how: "revoked", reason: "forged" };
  const byThief: readonly RecordDraft[] = [
    draft(statusKey(target), "fact", { addresses: [] }),
    draft(podKey(target, "forged"), "fact", undefined),
    draft(goneKey(target), "roster", gone),
    draft(memberKey(nodeIdOf(stranger.publicKey, crypto)), "roster", newcomer),
    // A fact dressed as another kind must not slip past the rule of its kind.
    draft(statusKey(target), "intent", { addresses: [] }),
  ];
  const inNameOfVictim: readonly RecordDraft[] = [
    draft(statusKey(target), "fact", { addresses: [] }),
    draft(goneKey(target), "roster", gone),
    draft("intent/apps/Deployment/default/web/update:forger", "intent", { fields: [] }),
  ];
  return [
    ...byThief.map((each) => sealRecord(each, thief.identity.id, thief.signer, crypto)),
    ...inNameOfVictim.map((each) => sealRecord(each, target, thief.signer, crypto)),
    sealRecord(
      draft("intent/apps/Deployment/default/web/update:stranger", "intent", { fields: [] }),
      nodeIdOf(stranger.publicKey, crypto),
      stranger,
      crypto,
    ),
  ];
}
