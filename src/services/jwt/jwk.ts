import { createHash } from "node:crypto";
import { algorithmIds } from "../../cards/smartcard-hsm/keys/algorithms.ts";
import { allows } from "../../cards/smartcard-hsm/keys/key-metadata.ts";
import { keyName, type TokenKey } from "../../cards/smartcard-hsm/keys/token-key.ts";
import { bitLength } from "../../crypto/curves/integers.ts";
import { type PublicJwk, type PublicKey, publicKeyJwk } from "../../crypto/keys/public-key-formats.ts";
import { HsmError } from "../../errors.ts";

/** The algorithms of JOSE (RFC 7518 section 3.1) that keys on a token sign with. */
export const jwtAlgorithms = {
  ES256: { scheme: "ecdsa", hash: "sha256" },
  ES384: { scheme: "ecdsa", hash: "sha384" },
  ES512: { scheme: "ecdsa", hash: "sha512" },
  RS256: { scheme: "pkcs1", hash: "sha256" },
  PS256: { scheme: "pss", hash: "sha256" },
} as const;
export type JwtAlgorithm = keyof typeof jwtAlgorithms;

const ofCurve: Readonly<Record<string, JwtAlgorithm>> = { secp256r1: "ES256", secp384r1: "ES384", secp521r1: "ES512" };

/** RFC 7518 section 3.3: shorter RSA keys must not be used. */
const shortestModulus = 2048;

type Limits = Pick<TokenKey, "ref" | "label" | "metadata">;

/**
 * The one algorithm of a key. It follows from the key alone, so that nobody can talk a signer or a verifier into another:
 * an RSA key signs RS256, and PS256 when the token permits it nothing but PSS.
 * @throws HsmError `JWT_KEY_UNSUITED` (not-supported), with the reason
 */
export function algorithmOf(key: Limits, publicKey: PublicKey): JwtAlgorithm {
  if (publicKey.kind === "rsa") {
    const bits = bitLength(publicKey.modulus);
    if (bits < shortestModulus) {
      throw unsuited(key, `it has ${bits} bits: JOSE wants RSA keys of ${shortestModulus} bits and more (RFC 7518)`);
    }
    const may = (...names: (keyof typeof algorithmIds)[]) =>
      names.some((name) => allows(key.metadata, algorithmIds[name]));
    const pkcs1 = may("rsa-pkcs1", "rsa-pkcs1-sha256", "rsa-raw-sign");
    return !pkcs1 && may("rsa-pss", "rsa-pss-sha256") ? "PS256" : "RS256";
  }
  const { curve } = publicKey;
  const algorithm = Object.hasOwn(ofCurve, curve) ? ofCurve[curve] : undefined;
  if (algorithm !== undefined) return algorithm;
  if (curve.startsWith("brainpool")) {
    throw unsuited(
      key,
      `it is on ${curve}: JOSE has no algorithm for brainpool curves (RFC 7518), no service could verify it`,
    );
  }
  if (curve === "secp256k1") {
    throw unsuited(key, "it is on secp256k1: ES256K (RFC 8812) is left out of the libraries that services verify with");
  }
  throw unsuited(key, `it is on ${curve}: JOSE has no algorithm for this curve`);
}

/** RFC 7638: SHA-256 over the required members in the order of their names, base64url: 43 characters. */
export function jwkThumbprint(jwk: PublicJwk): string {
  return createHash("sha256").update(JSON.stringify(jwk)).digest("base64url");
}

/** A public key as a service registers it: which key, for what, with which algorithm. */
export type RegisteredJwk = PublicJwk & {
  readonly kid: string;
  readonly use: "sig";
  readonly alg: JwtAlgorithm;
};

/** @throws HsmError as {@link algorithmOf} */
export function registeredJwk(key: Limits, publicKey: PublicKey): RegisteredJwk {
  const alg = algorithmOf(key, publicKey);
  const jwk = publicKeyJwk(publicKey);
  return { ...jwk, kid: jwkThumbprint(jwk), use: "sig", alg };
}

function unsuited(key: Limits, why: string): HsmError {
  return new HsmError("JWT_KEY_UNSUITED", "not-supported", `${keyName(key)} cannot sign JWTs: ${why}`, {
    advice: "use a key of ec:p256, ec:p384, ec:p521 or rsa:2048 and more; nothing was sent to the token",
  });
}
