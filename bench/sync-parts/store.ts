import type { Json } from "../../src/core/kernel/json.ts";
import { generateKeyPairSync } from "node:crypto";
import { draftRecord, nodeIdOf, type MeshRecord } from "../../src/core/records/record.ts";
import { emptyStore, putRecord, sealNext, type RecordStore } from "../../src/core/records/store.ts";
import { nodeCrypto, signerFromPem } from "../../src/shells/crypto-node/node-crypto.ts";
import { records } from "../sync-peers/workload.ts";

/** A store with the bench's records, signed by `writers` authors with real keys. */
export function filledStore(count: number, writers = 2): { store: RecordStore; records: MeshRecord[] } {
  const store = emptyStore();
  const all: MeshRecord[] = [];
  const items = records({ seed: 1, records: count, writers });
  for (let writer = 0; writer < writers; writer++) {
    const { privateKey } = generateKeyPairSync("ed25519");
    const signer = signerFromPem(String(privateKey.export({ format: "pem", type: "pkcs8" })));
    const id = nodeIdOf(signer.publicKey, nodeCrypto);
    const own = items
      .filter(({ author }) => author === writer)
      .map(({ key, value }, at) =>
        draftRecord(
          { scope: "mesh", key, kind: "fact", version: at + 1, body: value as unknown as Json },
          id,
          nodeCrypto,
        ),
      );
    for (const record of own) putRecord(store, record);
    sealNext(store, own, true, signer, nodeCrypto);
    all.push(...own);
  }
  return { store, records: all };
}
