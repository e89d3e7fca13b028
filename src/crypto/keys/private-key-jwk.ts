import { concat } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";
import { curveByName } from "../curves/curves.ts";
import { stripped, withLength } from "../curves/integers.ts";
import type { PlainKey, RsaFactors } from "./plain-key.ts";
import { curveOfJose } from "./public-key-formats.ts";

export interface JwkKey {
  readonly key: PlainKey;
  /** `kid`. */
  readonly label: string | undefined;
  /** `x5c`, DER, the key's own certificate first. */
  readonly certificates: readonly Uint8Array[];
}

/**
 * A private JSON Web Key (RFC 7517, RFC 7518 section 6), or a set of exactly one.
 * @throws HsmError `KEY_FILE_INVALID` (check-failed), `KEY_KIND_UNSUITED`, `CURVE_UNKNOWN` (not-supported),
 *   `KEY_NOT_PRIVATE`, `KEY_AMBIGUOUS` (usage)
 */
export function readJwk(text: string): JwkKey {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw invalid("not JSON"); // The parser's own message would quote the file.
  }
  if (!isObject(json)) throw invalid("not a JSON object");
  const set = json["keys"];
  if (Array.isArray(set)) {
    if (set.length !== 1) {
      throw new HsmError("KEY_AMBIGUOUS", "usage", `this JWK set holds ${set.length} keys`, {
        advice: "put the one key that is meant into a file of its own",
      });
    }
    return readJwk(JSON.stringify(set[0]));
  }
  const jwk = json;
  const kid = jwk["kid"];
  return { key: keyOf(jwk), label: typeof kid === "string" ? kid : undefined, certificates: chainOf(jwk["x5c"]) };
}

function keyOf(jwk: Readonly<Record<string, unknown>>): PlainKey {
  const kty = jwk["kty"];
  if (kty === "oct") return { kind: "aes", value: member(jwk, "k") };
  if (kty !== "EC" && kty !== "RSA") {
    throw new HsmError(
      "KEY_KIND_UNSUITED",
      "not-supported",
      "a SmartCard-HSM holds RSA, EC and AES keys; this JWK is another kind",
    );
  }
  if (jwk["d"] === undefined)
    throw new HsmError("KEY_NOT_PRIVATE", "usage", "this JWK is a public key, it has no private part");
  return kty === "EC" ? ecKey(jwk) : rsaKey(jwk);
}

function ecKey(jwk: Readonly<Record<string, unknown>>): PlainKey {
  const crv = jwk["crv"];
  const curve = typeof crv === "string" ? curveByName(curveOfJose(crv) ?? "") : undefined;
  if (curve === undefined) {
    throw new HsmError("CURVE_UNKNOWN", "not-supported", "this JWK is on a curve that no SmartCard-HSM has");
  }
  const [x, y] = [member(jwk, "x"), member(jwk, "y")].map((half) => withLength(half, curve.fieldBytes));
  const scalar = withLength(member(jwk, "d"), curve.orderBytes);
  if (!x || !y || !scalar) throw invalid("its numbers do not fit its curve");
  return { kind: "ec", curve: curve.name, scalar, point: concat(Uint8Array.of(4), x, y) };
}

function rsaKey(jwk: Readonly<Record<string, unknown>>): PlainKey {
  if (jwk["oth"] !== undefined) throw invalid("RSA keys of more than two primes do not fit a card");
  const number = (name: string): Uint8Array => stripped(member(jwk, name)).slice();
  const [modulus, exponent, privateExponent] = [number("n"), number("e"), number("d")];
  const factors: RsaFactors | undefined =
    jwk["p"] === undefined
      ? undefined
      : { p: number("p"), q: number("q"), dP: number("dp"), dQ: number("dq"), qInv: number("qi") };
  return { kind: "rsa", modulus, exponent, privateExponent, factors };
}

function chainOf(x5c: unknown): Uint8Array[] {
  if (x5c === undefined) return [];
  if (!Array.isArray(x5c) || x5c.length > 16) throw invalid('its "x5c" is no certificate chain');
  return x5c.map((entry: unknown) => {
    if (typeof entry !== "string" || !/^[0-9A-Za-z+/]+={0,2}$/.test(entry))
      throw invalid('its "x5c" is no certificate chain');
    return decoded(entry);
  });
}

function member(jwk: Readonly<Record<string, unknown>>, name: string): Uint8Array {
  const value = jwk[name];
  if (typeof value !== "string" || !/^[0-9A-Za-z_-]+$/.test(value) || value.length > 2048) {
    throw invalid(`its "${name}" is not base64url`);
  }
  return decoded(value.replaceAll("-", "+").replaceAll("_", "/"));
}

function decoded(base64: string): Uint8Array {
  try {
    return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  } catch {
    throw invalid("its base64 does not hold together");
  }
}

function isObject(json: unknown): json is Readonly<Record<string, unknown>> {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

function invalid(problem: string): HsmError {
  return new HsmError("KEY_FILE_INVALID", "check-failed", `not a usable JWK: ${problem}`);
}
