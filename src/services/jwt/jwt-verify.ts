import { utf8Text } from "../../bytes/bytes.ts";
import { HsmError, messageOf } from "../../errors.ts";
import type { Claims } from "./claims.ts";
import type { JwtAlgorithm } from "./jwk.ts";
import type { VerifierKey } from "./jwks.ts";

export interface JwtExpectations {
  /** One of these must be in `aud`; empty: not checked. */
  readonly audience: readonly string[];
  readonly issuer?: string | undefined;
  readonly subject?: string | undefined;
  readonly typ?: string | undefined;
  /** Seconds that clocks may differ. */
  readonly leeway: number;
  readonly now: Date;
}

export interface VerifiedJwt {
  readonly alg: JwtAlgorithm;
  readonly kid: string;
  readonly typ: string | null;
  readonly claims: Claims;
}

/** Far beyond what a header of HTTP takes. */
const longest = 65_536;

interface Header {
  readonly alg?: unknown;
  readonly kid?: unknown;
  readonly typ?: unknown;
}

/**
 * Verifies a compact JWT. Which algorithm holds is decided by the key, never by the token: what the token says must agree.
 * @throws HsmError (check-failed) `JWT_MALFORMED`, `JWT_ALG_NONE`, `JWT_ALG_UNKNOWN`, `JWT_KEY_UNKNOWN`, `JWT_ALG_MISMATCH`,
 *   `JWT_SIGNATURE_WRONG`, `JWT_EXPIRED`, `JWT_NOT_YET_VALID`, `JWT_AUDIENCE_WRONG`, `JWT_ISSUER_WRONG`,
 *   `JWT_CLAIM_MISSING`, `JWT_CLAIM_WRONG`
 */
export async function verifyJwt(
  token: string,
  keys: readonly VerifierKey[],
  expected: JwtExpectations,
): Promise<VerifiedJwt> {
  const header = headerOf(token);
  const { alg } = header;
  if (typeof alg === "string" && alg.toLowerCase() === "none") {
    throw wrong(
      "JWT_ALG_NONE",
      'the token says alg "none": nobody has signed it',
      "refuse it: anybody could have written it",
    );
  }
  if (!isKnown(alg)) {
    throw wrong("JWT_ALG_UNKNOWN", `the token says alg ${shown(alg)}, which keys on a token do not sign with`);
  }
  const key = keyFor(header.kid, keys);
  if (!key.algorithms.includes(alg)) {
    throw wrong(
      "JWT_ALG_MISMATCH",
      `the token says ${alg}, its key (kid ${shown(key.kid)}) signs ${key.algorithms.join(" or ")}`,
    );
  }
  const { audience, issuer, subject, typ, leeway, now } = expected;
  const { importJWK, jwtVerify } = await import("jose");
  try {
    const { payload, protectedHeader } = await jwtVerify(token, await importJWK(key.jwk, alg), {
      algorithms: [alg],
      currentDate: now,
      clockTolerance: leeway,
      requiredClaims: ["exp"],
      ...(audience.length === 0 ? {} : { audience: [...audience] }),
      ...(issuer === undefined ? {} : { issuer }),
      ...(subject === undefined ? {} : { subject }),
      ...(typ === undefined ? {} : { typ }),
    });
    refuseFuture(payload, now, leeway);
    return { alg, kid: key.kid, typ: protectedHeader.typ ?? null, claims: payload };
  } catch (cause) {
    throw cause instanceof HsmError ? cause : refusalOf(cause);
  }
}

function headerOf(token: string): Header {
  const parts = token.split(".");
  const [head = ""] = parts;
  if (token.length > longest || parts.length !== 3 || !parts.every((part) => /^[A-Za-z0-9_-]*$/.test(part))) {
    throw malformed("it does not have three parts of base64url with dots between");
  }
  try {
    const bytes = Uint8Array.from(atob(head.replaceAll("-", "+").replaceAll("_", "/")), (letter) =>
      letter.charCodeAt(0),
    );
    const header: unknown = JSON.parse(utf8Text(bytes) ?? "");
    if (typeof header === "object" && header !== null && !Array.isArray(header)) return header;
  } catch (cause) {
    throw malformed("its header is no JSON", cause);
  }
  throw malformed("its header is no JSON object");
}

function isKnown(alg: unknown): alg is JwtAlgorithm {
  return alg === "ES256" || alg === "ES384" || alg === "ES512" || alg === "RS256" || alg === "PS256";
}

function keyFor(kid: unknown, keys: readonly VerifierKey[]): VerifierKey {
  const found = kid === undefined ? keys : keys.filter((key) => key.kid === kid);
  const [key] = found;
  if (key !== undefined && found.length === 1) return key;
  if (kid === undefined) {
    throw wrong("JWT_KEY_UNKNOWN", `the token names no key (kid), and there are ${keys.length} to choose from`);
  }
  const problem = key === undefined ? "is none of the JWKS" : "stands in the JWKS more than once";
  throw wrong(
    "JWT_KEY_UNKNOWN",
    `the key of the token, kid ${shown(kid)}, ${problem}`,
    "register the device's key, or refuse the token",
  );
}

/** `jose` looks at exp and nbf; a token of the future comes from a clock that is wrong, here or there. */
function refuseFuture({ iat }: { readonly iat?: number | undefined }, now: Date, leeway: number): void {
  if (iat === undefined || iat <= Math.floor(now.getTime() / 1000) + leeway) return;
  throw wrong(
    "JWT_NOT_YET_VALID",
    "the token was made in the future (iat)",
    "the clock here or that of the signer is wrong; --leeway S allows for small differences",
  );
}

function refusalOf(cause: unknown): HsmError {
  const { code, claim, reason } = cause as { code?: unknown; claim?: unknown; reason?: unknown };
  const because = (name: string, message: string, advice?: string) =>
    new HsmError(name, "check-failed", message, { cause, advice });
  if (code === "ERR_JWS_SIGNATURE_VERIFICATION_FAILED") {
    return because(
      "JWT_SIGNATURE_WRONG",
      "the signature does not hold under the key that the token names",
      "refuse it: it was changed, or another key signed it",
    );
  }
  if (code === "ERR_JWT_EXPIRED") return because("JWT_EXPIRED", "the token has expired", "the device makes a new one");
  if (code !== "ERR_JWT_CLAIM_VALIDATION_FAILED") return malformed(messageOf(cause), cause);
  if (reason === "missing") return because("JWT_CLAIM_MISSING", `the token has no claim ${shown(claim)}`);
  switch (claim) {
    case "nbf":
      return because(
        "JWT_NOT_YET_VALID",
        "the token is not valid yet (nbf)",
        "--leeway S allows for small differences of clocks",
      );
    case "aud":
      return because(
        "JWT_AUDIENCE_WRONG",
        "the token is for another audience (aud)",
        "refuse it: it was made for another service",
      );
    case "iss":
      return because("JWT_ISSUER_WRONG", "the token comes from another issuer (iss)");
    default:
      return because("JWT_CLAIM_WRONG", `the claim ${shown(claim)} of the token is not what is expected`);
  }
}

/** Text of a token is a stranger's: no control characters, no great lengths. */
function shown(value: unknown): string {
  return JSON.stringify(value ?? null)
    .replace(/[\p{Cc}\p{Cf}]/gu, "?")
    .slice(0, 80);
}

function wrong(code: string, message: string, advice?: string): HsmError {
  return new HsmError(code, "check-failed", message, { advice });
}

function malformed(problem: string, cause?: unknown): HsmError {
  return new HsmError("JWT_MALFORMED", "check-failed", `no JWT: ${problem}`, {
    advice: "it is three parts of base64url with dots between, in one line",
    cause,
  });
}
