import {
  constants,
  createECDH,
  type createPrivateKey,
  generateKeyPairSync,
  privateDecrypt,
  randomBytes,
} from "node:crypto";
import { fromHex } from "../../../src/bytes/hex.ts";
import { x25519PublicKey } from "../../../src/crypto/age/x25519.ts";
import { derivedX25519 } from "../../../src/crypto/vault/derived-key.ts";
import type { Leaf, LeafKey } from "../../../src/crypto/vault/leaf.ts";
import type { KeySource, KeySourceKind, LeafMatch, LeafRef } from "../../../src/services/vault/key-source.ts";
import { leafFingerprint } from "../../../src/services/vault/leaf-key.ts";

/** Keys of every leaf kind in software, and a source that has some of them: what openers are to the vault, without a device. */
export interface SoftwareKey {
  readonly leaf: Leaf;
  readonly key: LeafKey;
}

export const leafKinds = [
  "card-ec",
  "card-ec-brainpool",
  "card-rsa",
  "card-aes",
  "fido2",
  "passphrase",
  "recovery",
] as const;
export type SoftwareKind = (typeof leafKinds)[number];

let made = 0;

export function softwareKey(kind: SoftwareKind, serial = `SOFT${made++}`): SoftwareKey {
  const card = { serial, keyLabel: "vault" };
  switch (kind) {
    case "card-ec":
      return ecKey("secp256r1", "prime256v1", card);
    case "card-ec-brainpool":
      return ecKey("brainpoolP256r1", "brainpoolP256r1", card);
    case "card-rsa":
      return rsaKey(card);
    case "recovery": {
      const secret = new Uint8Array(randomBytes(32));
      return { leaf: { kind, publicKey: x25519PublicKey(secret) }, key: { primitive: "x25519", secret } };
    }
    case "card-aes": {
      const salt = new Uint8Array(randomBytes(16));
      const { secret, publicKey } = derivedX25519(kind, new Uint8Array(randomBytes(32)), salt);
      return { leaf: { kind, publicKey, salt, card }, key: { primitive: "x25519", secret } };
    }
    case "passphrase": {
      const salt = new Uint8Array(randomBytes(16));
      const { secret, publicKey } = derivedX25519(kind, new Uint8Array(randomBytes(32)), salt);
      return {
        leaf: { kind, publicKey, scrypt: { logN: 10, r: 8, p: 1, salt } },
        key: { primitive: "x25519", secret },
      };
    }
    case "fido2": {
      const salt = new Uint8Array(randomBytes(32));
      const { secret, publicKey } = derivedX25519(kind, new Uint8Array(randomBytes(32)), salt);
      const id = new Uint8Array(randomBytes(48));
      const credential = { id, rpId: "hsmadm", salt, aaguid: new Uint8Array(16), uv: false, credProtect: 2, alg: -7 };
      return { leaf: { kind, publicKey, credential }, key: { primitive: "x25519", secret } };
    }
  }
}

function ecKey(curve: string, openssl: string, card: { readonly serial: string }): SoftwareKey {
  const ecdh = createECDH(openssl);
  const point = new Uint8Array(ecdh.generateKeys());
  return {
    leaf: { kind: "card-ec", curve, point, card },
    key: { primitive: "ecdh", agree: async (enc) => new Uint8Array(ecdh.computeSecret(enc)) },
  };
}

const rsaPairs: ReturnType<typeof createPrivateKey>[] = [];
let rsaUsed = 0;

/** Out of four pairs that are made once: making one takes long. */
function rsaKey(card: { readonly serial: string }): SoftwareKey {
  const at = rsaUsed++ % 4;
  rsaPairs[at] ??= generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  const key = rsaPairs[at];
  const { n, e } = key.export({ format: "jwk" });
  const number = (text: string | undefined) => new Uint8Array(Buffer.from(text ?? "", "base64url"));
  return {
    leaf: { kind: "card-rsa", modulus: number(n), exponent: number(e), card },
    key: {
      primitive: "rsa",
      decryptRaw: async (ciphertext) =>
        new Uint8Array(privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, ciphertext)),
    },
  };
}

export interface SoftwareSource extends KeySource {
  /** What `keys` was asked for, call by call: slot ids. */
  readonly asked: number[][];
  looked: number;
  closed: boolean;
}

export interface SourceOptions {
  readonly title?: string;
  readonly kind?: KeySourceKind;
  readonly how?: LeafMatch["how"];
  /** Thrown by `match`. */
  readonly matchError?: Error;
  /** Thrown by `keys`. */
  readonly keysError?: Error;
  /** Claims these leaves too, and has other keys for them. */
  readonly pretends?: readonly Leaf[];
}

export function softwareSource(keys: readonly SoftwareKey[], options: SourceOptions = {}): SoftwareSource {
  const first = keys[0]?.leaf ?? options.pretends?.[0];
  const kind = options.kind ?? kindOf(first);
  const byLeaf = new Map(keys.map(({ leaf, key }) => [leafFingerprint(leaf), key]));
  const pretended = new Set((options.pretends ?? []).map(leafFingerprint));
  const source: SoftwareSource = {
    title: options.title ?? `${kind} source`,
    kind,
    asked: [],
    looked: 0,
    closed: false,
    async match(leaves) {
      source.looked++;
      if (options.matchError !== undefined) throw options.matchError;
      return leaves
        .filter(({ leaf }) => byLeaf.has(leafFingerprint(leaf)) || pretended.has(leafFingerprint(leaf)))
        .map((ref) => ({ ref, how: options.how ?? (kind === "passphrase" ? "possible" : "certain") }));
    },
    async keys(refs) {
      source.asked.push(refs.map(({ slot }) => slot));
      if (options.keysError !== undefined) throw options.keysError;
      return new Map(refs.flatMap((ref) => entry(ref)));
    },
    async close() {
      source.closed = true;
    },
  };
  const entry = (ref: LeafRef): [LeafRef, LeafKey][] => {
    const key = byLeaf.get(leafFingerprint(ref.leaf));
    if (key !== undefined) return [[ref, key]];
    return [[ref, { primitive: "x25519", secret: fromHex("11".repeat(32)) }]];
  };
  return source;
}

function kindOf(leaf: Leaf | undefined): KeySourceKind {
  if (leaf === undefined || leaf.kind.startsWith("card-")) return "card";
  return leaf.kind === "fido2" || leaf.kind === "passphrase" ? leaf.kind : "recovery";
}

/** A proof that has these keys. */
export function proofOf(keys: readonly SoftwareKey[]): (leaf: Leaf) => LeafKey | undefined {
  const byLeaf = new Map(keys.map(({ leaf, key }) => [leafFingerprint(leaf), key]));
  return (leaf) => byLeaf.get(leafFingerprint(leaf));
}
