import { constants, createHash, createPrivateKey, createPublicKey, type KeyObject, privateDecrypt } from "node:crypto";
import { readFileSync } from "node:fs";
import { bigEndian, concat, utf8Bytes } from "../../../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../../../src/bytes/hex.ts";
import { x25519PublicKey } from "../../../../src/crypto/age/x25519.ts";
import { curveByName } from "../../../../src/crypto/curves/curves.ts";
import { multiplyPoint, privateScalar, publicPointOf } from "../../../../src/crypto/curves/ec-keys.ts";
import { derivedX25519 } from "../../../../src/crypto/vault/derived-key.ts";
import type { Leaf, LeafKey, LeafKind } from "../../../../src/crypto/vault/leaf.ts";

/** A leaf together with its owner, all in memory: what devices are in life. */
export interface SoftwareKey {
  readonly leaf: Leaf;
  readonly key: LeafKey;
  /** How often the owner was asked. */
  readonly used: () => number;
}

export type Random = (length: number) => Uint8Array;

/** The same bytes for the same seed, in every run. */
export function repeatable(seed: string): Random {
  let counter = 0;
  return (length) => {
    const blocks = Array.from({ length: Math.ceil(length / 32) }, () =>
      createHash("sha256")
        .update(concat(utf8Bytes(seed), bigEndian(counter++, 4)))
        .digest(),
    );
    return concat(...blocks).slice(0, length);
  };
}

export const leafKinds: readonly LeafKind[] = ["card-ec", "card-rsa", "card-aes", "fido2", "passphrase", "recovery"];

export const curves = [
  "secp256r1",
  "secp384r1",
  "secp521r1",
  "brainpoolP256r1",
  "brainpoolP384r1",
  "brainpoolP512r1",
  "secp256k1",
] as const;

/** @param variant among curves for `card-ec`, among three fixed keys for `card-rsa` */
export function softwareKey(kind: LeafKind, random: Random, variant = 0): SoftwareKey {
  if (kind === "card-ec") return softwareEc(curves[variant % curves.length] ?? "secp256r1", random);
  if (kind === "card-rsa") return softwareRsa(variant % 3);
  if (kind === "recovery") {
    const secret = random(32);
    return counted({ kind, publicKey: x25519PublicKey(secret) }, { primitive: "x25519", secret });
  }
  const salt = random(kind === "fido2" ? 32 : 16);
  const { secret, publicKey } = derivedX25519(kind, random(32), salt);
  const key: LeafKey = { primitive: "x25519", secret };
  if (kind === "card-aes") return counted({ kind, publicKey, salt, card: { serial: "DENK0100001" } }, key);
  if (kind === "passphrase") return counted({ kind, publicKey, scrypt: { logN: 10, r: 8, p: 1, salt } }, key);
  const credential = { id: random(48), rpId: "hsmadm", salt, aaguid: random(16), uv: true, credProtect: 2, alg: -7 };
  return counted({ kind, publicKey, credential }, key);
}

export function softwareEc(name: string, random: Random): SoftwareKey {
  const curve = curveByName(name);
  if (curve === undefined) throw new Error(`no curve ${name}`);
  const scalar = privateScalar(curve, random);
  const card = {
    serial: "DENK0102296",
    keyLabel: "vault",
    keyRef: 3,
    ckaId: random(20),
    deviceKeyHash: random(16),
  };
  return counted(
    { kind: "card-ec", curve: name, point: publicPointOf(curve, scalar), card },
    {
      primitive: "ecdh",
      agree: async (enc) => multiplyPoint(curve, scalar, enc).slice(1, 1 + curve.fieldBytes),
    },
  );
}

export function rsaPrivateKey(index: number): KeyObject {
  const { rsa } = JSON.parse(
    readFileSync(new URL("../../../vectors/vault-test-keys.json", import.meta.url), "utf8"),
  ) as { rsa: string[] };
  return createPrivateKey(rsa[index] ?? "");
}

export function softwareRsa(index: number): SoftwareKey {
  const key = rsaPrivateKey(index);
  const { n, e } = createPublicKey(key).export({ format: "jwk" });
  const raw = (text: string | undefined) => new Uint8Array(Buffer.from(text ?? "", "base64url"));
  return counted(
    { kind: "card-rsa", modulus: raw(n), exponent: raw(e), card: {} },
    {
      primitive: "rsa",
      decryptRaw: async (ciphertext) => {
        const block = belowModulus(ciphertext, raw(n));
        return new Uint8Array(privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, block));
      },
    },
  );
}

/** A ciphertext for somebody else's key may be above this modulus, which OpenSSL refuses and a test must not depend on. */
function belowModulus(ciphertext: Uint8Array, modulus: Uint8Array): Uint8Array {
  const rest = BigInt(`0x${toHex(ciphertext)}`) % BigInt(`0x${toHex(modulus)}`);
  return fromHex(rest.toString(16).padStart(2 * modulus.length, "0"));
}

function counted(leaf: Leaf, key: LeafKey): SoftwareKey {
  let count = 0;
  const ask = <T>(answer: T): T => {
    count++;
    return answer;
  };
  const used = () => count;
  switch (key.primitive) {
    case "ecdh":
      return { leaf, used, key: { primitive: "ecdh", agree: (enc) => ask(key.agree(enc)) } };
    case "rsa":
      return { leaf, used, key: { primitive: "rsa", decryptRaw: (ciphertext) => ask(key.decryptRaw(ciphertext)) } };
    case "x25519":
      return { leaf, used, key: { primitive: "x25519", secret: key.secret } };
  }
}
