import { constants, createHash, createPublicKey, createVerify } from "node:crypto";
import type { HashName } from "../../cards/smartcard-hsm/keys/algorithms.ts";
import { type KeyInUse, keyName } from "../../cards/smartcard-hsm/keys/token-key.ts";
import { curveByName } from "../../crypto/curves/curves.ts";
import { derToPlain, ecdsaVerify } from "../../crypto/curves/ecdsa.ts";
import { type PublicKey, publicKeyPem } from "../../crypto/keys/public-key-formats.ts";
import { HsmError } from "../../errors.ts";

export type SignatureScheme = "pkcs1" | "pss" | "ecdsa";

/**
 * How a key signs: as asked, else PKCS#1 v1.5 for RSA and ECDSA for EC.
 * @throws HsmError `KEY_KIND_WRONG`, `SCHEME_MISSING` (usage)
 */
export function chooseScheme(
  key: Pick<KeyInUse, "kind" | "ref" | "label">,
  wanted: SignatureScheme | undefined,
): SignatureScheme {
  const usual = { rsa: "pkcs1", ec: "ecdsa", aes: undefined, unknown: undefined } as const;
  if (key.kind === "aes") throw wrongKind(`${keyName(key)} is an AES key, which makes no signatures`);
  const scheme = wanted ?? usual[key.kind];
  if (scheme === undefined) {
    throw new HsmError("SCHEME_MISSING", "usage", `nothing tells what kind of key ${keyName(key)} is`, {
      advice: "give --scheme pkcs1, pss or ecdsa",
    });
  }
  if (key.kind === "rsa" && scheme === "ecdsa") throw wrongKind(`${keyName(key)} is an RSA key: it signs pkcs1 or pss`);
  if (key.kind === "ec" && scheme !== "ecdsa") throw wrongKind(`${keyName(key)} is an EC key: it signs ecdsa`);
  return scheme;
}

/** Takes a message in pieces and tells whether a signature of it holds; no token is asked. */
export interface SignatureCheck {
  update(piece: Uint8Array): void;
  /** Nonsense of any kind is `false`. @param signature RSA: as long as the modulus; ECDSA: DER */
  holds(signature: Uint8Array): boolean;
}

export function checkSignature(key: PublicKey, scheme: SignatureScheme, hash: HashName): SignatureCheck {
  return key.kind === "rsa" ? rsaCheck(key, scheme, hash) : ecdsaCheck(key, hash);
}

function rsaCheck(key: PublicKey, scheme: SignatureScheme, hash: HashName): SignatureCheck {
  const verifier = createVerify(hash);
  const padding =
    scheme === "pss"
      ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO }
      : { padding: constants.RSA_PKCS1_PADDING };
  return {
    update: (piece) => verifier.update(piece),
    holds(signature) {
      try {
        return verifier.verify({ key: createPublicKey(publicKeyPem(key)), ...padding }, signature);
      } catch {
        return false;
      }
    },
  };
}

function ecdsaCheck(key: PublicKey & { readonly kind: "ec" }, hash: HashName): SignatureCheck {
  const digest = createHash(hash);
  return {
    update: (piece) => digest.update(piece),
    holds(signature) {
      const curve = curveByName(key.curve);
      if (curve === undefined) return false;
      try {
        const plain = derToPlain(signature, curve.orderBytes);
        return ecdsaVerify(curve, key.point, new Uint8Array(digest.digest()), "none", plain);
      } catch (error) {
        if (error instanceof HsmError) return false;
        throw error;
      }
    },
  };
}

function wrongKind(message: string): HsmError {
  return new HsmError("KEY_KIND_WRONG", "usage", message, { advice: "nothing was sent to the token" });
}
