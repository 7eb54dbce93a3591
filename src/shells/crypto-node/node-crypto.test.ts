import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { nodeCrypto, signerFromPem } from "./node-crypto.ts";

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));
const hexOf = (found: Uint8Array): string => Buffer.from(found).toString("hex");

/** RFC 8032, section 7.1. */
const vectors = [
  {
    name: "TEST 1",
    secret: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    key: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    message: "",
    signature:
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
  },
  {
    name: "TEST 2",
    secret: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    key: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    message: "72",
    signature:
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  },
  {
    name: "TEST 3",
    secret: "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
    key: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    message: "af82",
    signature:
      "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
  },
] as const;

for (const { name, secret, key, message, signature } of vectors) {
  test(`${name} of RFC 8032 section 7.1 is reproduced, and one flipped bit anywhere fails`, () => {
    const signer = signerFromPem(pemOf(secret));
    assert.equal(hexOf(signer.publicKey), key);
    assert.equal(hexOf(signer.sign(bytes(message))), signature);
    assert.ok(nodeCrypto.verify(bytes(key), bytes(message), bytes(signature)));
    assert.ok(!nodeCrypto.verify(bytes(key), bytes(`${message}00`), bytes(signature)));
    assert.ok(!nodeCrypto.verify(flipped(key), bytes(message), bytes(signature)));
    assert.ok(!nodeCrypto.verify(bytes(key), bytes(message), flipped(signature)));
  });
}

test("SHA-256 of 'abc' is the value of FIPS 180-4", () => {
  assert.equal(
    hexOf(nodeCrypto.sha256(new TextEncoder().encode("abc"))),
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
});

test("hostile lengths and keys that are no point verify nothing and throw nothing", () => {
  const signature = bytes(vectors[0].signature);
  for (const length of [0, 1, 31, 33, 64]) {
    assert.equal(nodeCrypto.verify(new Uint8Array(length), bytes(""), signature), false);
  }
  for (const length of [0, 3, 63, 65, 4096]) {
    assert.equal(nodeCrypto.verify(bytes(vectors[0].key), bytes(""), new Uint8Array(length)), false);
  }
  for (const filler of [0x00, 0x02, 0xff]) {
    assert.equal(nodeCrypto.verify(new Uint8Array(32).fill(filler), bytes("00"), signature), false);
  }
});

test("a signature still verifies after 9,000 other keys went through the cache of 8,192", () => {
  const { key, message, signature } = vectors[1];
  const verifies = (): boolean => nodeCrypto.verify(bytes(key), bytes(message), bytes(signature));
  assert.ok(verifies());
  const stranger = new Uint8Array(32);
  for (let at = 0; at < 9_000; at++) {
    new DataView(stranger.buffer).setUint32(0, at);
    nodeCrypto.verify(stranger, bytes(message), bytes(signature));
  }
  assert.ok(verifies());
});

test("a key that is not Ed25519 is refused by name", () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pem = String(privateKey.export({ format: "pem", type: "pkcs8" }));
  assert.throws(() => signerFromPem(pem), /not an Ed25519 key but ec/);
});

function pemOf(secret: string): string {
  const der = Buffer.from(`302e020100300506032b657004220420${secret}`, "hex");
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  return String(key.export({ format: "pem", type: "pkcs8" }));
}

function flipped(hex: string): Uint8Array {
  const changed = bytes(hex);
  changed[5] = (changed[5] ?? 0) ^ 1;
  return changed;
}
