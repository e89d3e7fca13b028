import { bigEndian, concat, utf8Bytes } from "../../bytes/bytes.ts";
import { fromHex } from "../../bytes/hex.ts";
import { encodeTlv } from "../../bytes/tlv.ts";
import { HsmError } from "../../errors.ts";
import { type Curve, curveByName } from "../curves/curves.ts";
import { subjectPublicKeyInfo } from "../curves/ecdsa.ts";
import { stripped } from "../curves/integers.ts";

/** A public key, free of any file format. */
export type PublicKey =
  | {
      readonly kind: "ec";
      /** Name from `curves.ts`. */
      readonly curve: string;
      /** Uncompressed. */
      readonly point: Uint8Array;
    }
  | { readonly kind: "rsa"; readonly modulus: Uint8Array; readonly exponent: Uint8Array };

/** SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7; named curves as in RFC 5480). Every curve of the card has a name there. */
export function publicKeyDer(key: PublicKey): Uint8Array {
  if (key.kind === "ec") return subjectPublicKeyInfo(curveOf(key.curve), pointOf(key));
  const rsaEncryption = encodeTlv(0x30, fromHex("06092A864886F70D010101"), fromHex("0500"));
  const numbers = encodeTlv(0x30, integer(key.modulus), integer(key.exponent));
  return encodeTlv(0x30, rsaEncryption, encodeTlv(0x03, Uint8Array.of(0), numbers));
}

/** PEM (RFC 7468), `PUBLIC KEY`, with a newline at its end. */
export function publicKeyPem(key: PublicKey): string {
  return pemText("PUBLIC KEY", publicKeyDer(key));
}

/** RFC 7468: base64 in lines of 64 characters. */
export function pemText(label: string, der: Uint8Array): string {
  const lines = base64(der).match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}

/** Public JSON Web Key (RFC 7517, RFC 7518 section 6), its members in the order of RFC 7638. */
export type PublicJwk =
  | { readonly crv: string; readonly kty: "EC"; readonly x: string; readonly y: string }
  | { readonly e: string; readonly kty: "RSA"; readonly n: string };

/** JOSE's names (RFC 7518 section 6.2.1.1, RFC 8812 section 3.1). It has none for the other curves. */
const joseCurves = new Map([
  ["secp256r1", "P-256"],
  ["secp384r1", "P-384"],
  ["secp521r1", "P-521"],
  ["secp256k1", "secp256k1"],
]);

/** @throws HsmError `KEY_FORMAT_UNSUITED` (not-supported) for a curve that JOSE has no name for */
export function publicKeyJwk(key: PublicKey): PublicJwk {
  if (key.kind === "rsa") {
    return { e: base64Url(stripped(key.exponent)), kty: "RSA", n: base64Url(stripped(key.modulus)) };
  }
  const crv = joseCurves.get(key.curve);
  if (crv === undefined) throw unsuited("JWK", key.curve, joseCurves);
  const point = pointOf(key);
  const half = (point.length - 1) / 2;
  return { crv, kty: "EC", x: base64Url(point.subarray(1, 1 + half)), y: base64Url(point.subarray(1 + half)) };
}

/** Curve of a JWK's `crv`, or `undefined`. */
export function curveOfJose(crv: string): string | undefined {
  return [...joseCurves].find(([, name]) => name === crv)?.[0];
}

/** OpenSSH's names (RFC 5656 section 10.1). */
const sshCurves = new Map([
  ["secp256r1", "nistp256"],
  ["secp384r1", "nistp384"],
  ["secp521r1", "nistp521"],
]);

/**
 * One line of `authorized_keys` (RFC 4253 section 6.6, RFC 5656 section 3.1), without a newline.
 * @param comment printable, on one line
 * @throws HsmError `KEY_FORMAT_UNSUITED` (not-supported) for a curve that OpenSSH has no name for
 */
export function publicKeySsh(key: PublicKey, comment = ""): string {
  const oneLine = comment.replace(/\p{Cc}+/gu, " ").trim();
  const [name, ...fields] = sshFields(key);
  const blob = concat(...[utf8Bytes(name), ...fields].map((field) => concat(bigEndian(field.length, 4), field)));
  return [name, base64(blob), oneLine].join(" ").trimEnd();
}

function sshFields(key: PublicKey): [string, ...Uint8Array[]] {
  if (key.kind === "rsa") return ["ssh-rsa", positive(key.exponent), positive(key.modulus)];
  const name = sshCurves.get(key.curve);
  if (name === undefined) throw unsuited("OpenSSH", key.curve, sshCurves);
  return [`ecdsa-sha2-${name}`, utf8Bytes(name), pointOf(key)];
}

function unsuited(format: string, curve: string, known: ReadonlyMap<string, string>): HsmError {
  return new HsmError("KEY_FORMAT_UNSUITED", "not-supported", `${format} has no name for the curve ${curve}`, {
    advice: `use PEM or DER; ${format} knows ${[...known.keys()].join(", ")}`,
  });
}

function curveOf(name: string): Curve {
  const curve = curveByName(name);
  if (curve === undefined) throw new HsmError("CURVE_UNKNOWN", "not-supported", `the curve ${name} is unknown`);
  return curve;
}

function pointOf(key: PublicKey & { readonly kind: "ec" }): Uint8Array {
  const { fieldBytes } = curveOf(key.curve);
  if (key.point.length === 1 + 2 * fieldBytes && key.point[0] === 4) return key.point;
  throw new HsmError("KEY_INVALID", "check-failed", `not an uncompressed point of ${key.curve}`);
}

/** As a DER INTEGER or an SSH mpint wants it: no needless zeros, one where the top bit would mean a negative number. */
function positive(bytes: Uint8Array): Uint8Array {
  const digits = stripped(bytes);
  return digits.length === 0 || (digits[0] as number) > 0x7f ? concat(Uint8Array.of(0), digits) : digits;
}

function integer(bytes: Uint8Array): Uint8Array {
  return encodeTlv(0x02, positive(bytes));
}

function base64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

function base64Url(bytes: Uint8Array): string {
  return base64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
