import type { JWK } from "jose";
import { utf8Text } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";
import type { JwtAlgorithm } from "./jwk.ts";

/** A public key of a JWKS, and what may be signed with it. */
export interface VerifierKey {
  readonly jwk: JWK;
  /** Its own, else its thumbprint. */
  readonly kid: string;
  readonly algorithms: readonly JwtAlgorithm[];
}

const ofCurve: Readonly<Record<string, JwtAlgorithm>> = { "P-256": "ES256", "P-384": "ES384", "P-521": "ES512" };

/**
 * The keys of a JWKS (RFC 7517 section 5) or of a single JWK. Keys for something else than signatures, or of kinds that
 * no token has, are left out, as the RFC wants it.
 * @throws HsmError `JWKS_INVALID`, `JWKS_SECRET` (check-failed)
 */
export async function readJwks(content: Uint8Array, path: string): Promise<VerifierKey[]> {
  const { calculateJwkThumbprint } = await import("jose");
  const keys: VerifierKey[] = [];
  for (const jwk of jwksIn(content, path)) {
    if (jwk.d !== undefined || jwk.k !== undefined || jwk.kty === "oct") throw secret(path);
    const algorithms = algorithmsOf(jwk);
    if (algorithms.length === 0) continue;
    try {
      keys.push({ jwk, algorithms, kid: jwk.kid ?? (await calculateJwkThumbprint(jwk)) });
    } catch (cause) {
      throw invalid(path, "one of its keys is incomplete", cause);
    }
  }
  if (keys.length === 0) throw invalid(path, "it has no public key that verifies signatures");
  return keys;
}

function jwksIn(content: Uint8Array, path: string): JWK[] {
  let value: unknown;
  try {
    value = JSON.parse(utf8Text(content) ?? "");
  } catch (cause) {
    throw invalid(path, "it is no JSON", cause);
  }
  const { keys, kty } = (typeof value === "object" && value !== null ? value : {}) as { keys?: unknown; kty?: unknown };
  const list = Array.isArray(keys) ? (keys as unknown[]) : typeof kty === "string" ? [value] : [];
  if (list.length === 0) throw invalid(path, "it is neither a JWKS nor a JWK");
  const good = (one: unknown): one is JWK =>
    typeof one === "object" && one !== null && typeof (one as JWK).kty === "string";
  if (!list.every(good)) throw invalid(path, "one of its keys is none");
  return list;
}

/** From kind and curve; a key that names its own algorithm is held to it. */
function algorithmsOf({ kty, crv, alg, use, key_ops: operations }: JWK): JwtAlgorithm[] {
  if (use !== undefined && use !== "sig") return [];
  if (operations !== undefined && !operations.includes("verify")) return [];
  const possible: readonly (JwtAlgorithm | undefined)[] =
    kty === "RSA" ? ["RS256", "PS256"] : kty === "EC" && Object.hasOwn(ofCurve, crv ?? "") ? [ofCurve[crv ?? ""]] : [];
  return possible.filter((one) => one !== undefined).filter((one) => alg === undefined || alg === one);
}

function secret(path: string): HsmError {
  return new HsmError("JWKS_SECRET", "check-failed", `${path} holds a private or symmetric key`, {
    advice:
      "whoever verifies needs public keys only: make the file with `hsmadm key public KEY --jwks`, and keep this one secret",
  });
}

function invalid(path: string, problem: string, cause?: unknown): HsmError {
  return new HsmError("JWKS_INVALID", "check-failed", `${path} is no usable JWKS: ${problem}`, {
    advice: "`hsmadm key public KEY --jwks --out FILE` makes one",
    cause,
  });
}
