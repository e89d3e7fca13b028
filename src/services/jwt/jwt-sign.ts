import { utf8Bytes } from "../../bytes/bytes.ts";
import { keyName, type TokenKey } from "../../cards/smartcard-hsm/keys/token-key.ts";
import type { SmartCardHsm } from "../../cards/smartcard-hsm/smartcard-hsm.ts";
import { curveByName } from "../../crypto/curves/curves.ts";
import { derToPlain } from "../../crypto/curves/ecdsa.ts";
import { type PublicKey, publicKeyJwk } from "../../crypto/keys/public-key-formats.ts";
import { HsmError, messageOf } from "../../errors.ts";
import type { Claims } from "./claims.ts";
import { type JwtAlgorithm, jwkThumbprint, jwtAlgorithms } from "./jwk.ts";

export interface NewJwt {
  readonly key: TokenKey;
  readonly publicKey: PublicKey;
  /** From `algorithmOf`, never from outside. */
  readonly alg: JwtAlgorithm;
  readonly typ: string;
  readonly claims: Claims;
  readonly now: Date;
}

/**
 * Makes a JWT (RFC 7519) as a compact JWS (RFC 7515) and verifies it as a service would, with `jose`, before anybody sees it.
 * Needs a login.
 * @throws HsmError `SIGNATURE_NOT_OF_KEY` (check-failed), and as `SmartCardHsm.sign`
 */
export async function signJwt(card: Pick<SmartCardHsm, "sign">, jwt: NewJwt): Promise<string> {
  const { key, publicKey, alg, typ, claims, now } = jwt;
  const kid = jwkThumbprint(publicKeyJwk(publicKey));
  const signed = [{ alg, typ, kid }, claims].map((part) => base64Url(utf8Bytes(JSON.stringify(part)))).join(".");
  const answer = await card.sign(key, jwtAlgorithms[alg], utf8Bytes(signed));
  const token = `${signed}.${base64Url(joseSignature(answer, publicKey))}`;
  const { importJWK, jwtVerify } = await import("jose");
  try {
    const verifier = await importJWK({ ...publicKeyJwk(publicKey) }, alg);
    // A token that begins later is checked as of then.
    const begin = typeof claims["nbf"] === "number" ? new Date(Math.max(now.getTime(), claims["nbf"] * 1000)) : now;
    await jwtVerify(token, verifier, { algorithms: [alg], currentDate: begin, typ });
  } catch (cause) {
    throw new HsmError(
      "SIGNATURE_NOT_OF_KEY",
      "check-failed",
      `the token that ${keyName(key)} signed does not hold under the public key beside it: ${messageOf(cause)}`,
      {
        advice:
          "the certificate or request beside the key is that of another key; `hsmadm key show` tells what is there",
        cause,
      },
    );
  }
  return token;
}

/** A card answers ECDSA in DER; JOSE wants both halves as long as the order (RFC 7518 section 3.4). */
export function joseSignature(answer: Uint8Array, publicKey: PublicKey): Uint8Array {
  if (publicKey.kind === "rsa") return answer;
  return derToPlain(answer, curveByName(publicKey.curve)?.orderBytes ?? 0);
}

function base64Url(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");
}
