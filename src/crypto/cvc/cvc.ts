import { asciiText } from "../../bytes/bytes.ts";
import { toHex } from "../../bytes/hex.ts";
import { findTlv, readTlv, readTlvs, requireTlv, type Tlv, tagName } from "../../bytes/tlv.ts";
import { HsmError } from "../../errors.ts";
import { curveByParameters } from "../curves/curves.ts";

/**
 * Card verifiable certificates (CVC) as a SmartCard-HSM uses them: device certificates, their issuers, and the
 * "authenticated requests" that key generation returns. Reference 04 sections 4.3-4.5; BSI TR-03110 part 3.
 * Everything read here comes from a card and is not to be trusted before its signature is checked (`cvc-chain.ts`).
 */

/** Tags of reference 04 section 4.4. */
export const cvcTags = {
  authenticatedRequest: 0x67,
  certificate: 0x7f21,
  body: 0x7f4e,
  profile: 0x5f29,
  car: 0x42,
  publicKey: 0x7f49,
  chr: 0x5f20,
  chat: 0x7f4c,
  effective: 0x5f25,
  expiry: 0x5f24,
  extensions: 0x65,
  signature: 0x5f37,
} as const;

/** Public key algorithms (BSI TR-03110): ECDSA and RSA PKCS#1 v1.5, both with SHA-256; DER values as hex. */
export const ecdsaSha256Oid = "04007F00070202020203";
export const rsaSha256Oid = "04007F00070202020102";

export type CvcPublicKey =
  | {
      readonly kind: "ec";
      /** Algorithm, DER value as hex. */
      readonly oid: string;
      /** Uncompressed: `04 ‖ X ‖ Y`. */
      readonly point: Uint8Array;
      /** Name from `curves.ts`, found by *all* parameters. `undefined`: inherited from the issuer, or unknown. */
      readonly curve: string | undefined;
      /** Set and true where domain parameters are there, but are those of no curve we know. */
      readonly unknownCurve?: boolean;
    }
  | { readonly kind: "rsa"; readonly oid: string; readonly modulus: Uint8Array; readonly exponent: Uint8Array };

export interface Cvc {
  /** The whole certificate, tag `7F21` included. */
  readonly raw: Uint8Array;
  /** The body, tag `7F4E` included: what the signature covers. */
  readonly body: Uint8Array;
  /** Certification authority reference: CHR of the issuer. */
  readonly car: string;
  /** Certificate holder reference: 2 letters country, up to 9 mnemonic, 5 sequence number. */
  readonly chr: string;
  readonly publicKey: CvcPublicKey;
  /** Role byte (tag 53): `0xc0` root, `0x80` device issuer, `0x00` device. `undefined` in requests. */
  readonly role: number | undefined;
  /** `YYYY-MM-DD`; `undefined` when absent or no date. */
  readonly effective: string | undefined;
  readonly expiry: string | undefined;
  /** Plain `r ‖ s`, or PKCS#1 v1.5 as long as the modulus. */
  readonly signature: Uint8Array;
}

/** What GENERATE ASYMMETRIC KEY PAIR returns: a request signed by the new key, signed again by the device key. */
export interface AuthenticatedRequest {
  readonly request: Cvc;
  /** CHR of the key that made {@link AuthenticatedRequest.outerSignature}: the device certificate's. */
  readonly outerCar: string;
  readonly outerSignature: Uint8Array;
  /** What the outer signature covers: the `7F21` object followed by the outer `42` object. */
  readonly signedPart: Uint8Array;
}

/** What EF 2F02 holds. */
export interface DeviceCertificates {
  readonly device: Cvc;
  /** The certificates behind it: on a genuine card the device issuer's. */
  readonly others: readonly Cvc[];
  /** Present where the file begins with a request (some versions of pico-hsm). */
  readonly request?: AuthenticatedRequest;
}

/**
 * Reads one certificate that fills `bytes` entirely.
 * @throws HsmError `CVC_INVALID` or `TLV_INVALID` (check-failed)
 */
export function parseCvc(bytes: Uint8Array): Cvc {
  const certificate = readTlv(bytes, what);
  if (certificate.raw.length !== bytes.length)
    throw invalid(`${bytes.length - certificate.raw.length} bytes behind it`);
  return cvcOf(certificate);
}

/**
 * Reads one authenticated request (tag `67`) that fills `bytes` entirely. Its signatures are not checked here.
 * @throws HsmError `CVC_INVALID` or `TLV_INVALID` (check-failed)
 */
export function parseAuthenticatedRequest(bytes: Uint8Array): AuthenticatedRequest {
  const outer = readTlv(bytes, requestName);
  if (outer.raw.length !== bytes.length) throw invalid(`${bytes.length - outer.raw.length} bytes behind the request`);
  return requestOf(outer);
}

/**
 * Reads EF 2F02. The first object may be a certificate or a request; what follows is read as far as it is
 * certificates, and padding or remains of an older, longer file behind them are passed over.
 * @throws HsmError `CVC_INVALID` or `TLV_INVALID` (check-failed) when not even the first object can be read
 */
export function parseDeviceCertificates(ef2F02: Uint8Array): DeviceCertificates {
  const first = readTlv(ef2F02, "EF 2F02");
  const others = certificatesFrom(ef2F02, first.raw.length);
  if (first.tag !== cvcTags.authenticatedRequest) return { device: cvcOf(first), others };
  const request = requestOf(first);
  const own = others.find((other) => sameKey(other.publicKey, request.request.publicKey));
  return { device: own ?? request.request, others: others.filter((other) => other !== own), request };
}

const what = "card verifiable certificate";
const requestName = "authenticated request";
const maxCertificates = 8;

function certificatesFrom(bytes: Uint8Array, start: number): Cvc[] {
  const found: Cvc[] = [];
  for (let offset = start; offset < bytes.length && found.length < maxCertificates; ) {
    try {
      const object = readTlv(bytes, "EF 2F02", offset);
      found.push(cvcOf(object));
      offset += object.raw.length;
    } catch {
      break;
    }
  }
  return found;
}

function requestOf(outer: Tlv): AuthenticatedRequest {
  if (outer.tag !== cvcTags.authenticatedRequest) throw invalid(`tag ${tagName(outer.tag)} where a request has 67`);
  const inner = readTlv(outer.value, requestName);
  const objects = readTlvs(outer.value, requestName);
  const car = findTlv(objects, cvcTags.car);
  if (car === undefined || objects[1] !== car) throw invalid("tag 42 does not follow the inner certificate");
  return {
    request: cvcOf(inner),
    // Pico HSM signs the request of its device key with no name at all.
    outerCar: car.value.length === 0 ? "" : name(car.value, "outer CAR"),
    outerSignature: requireTlv(objects, cvcTags.signature, requestName),
    signedPart: outer.value.subarray(0, inner.raw.length + car.raw.length),
  };
}

function cvcOf(certificate: Tlv): Cvc {
  if (certificate.tag !== cvcTags.certificate) throw invalid(`tag ${tagName(certificate.tag)} where 7F21 stands`);
  const parts = readTlvs(certificate.value, what);
  const body = findTlv(parts, cvcTags.body);
  if (body === undefined) throw invalid("tag 7F4E is missing");
  const fields = readTlvs(body.value, what);
  return {
    raw: certificate.raw,
    body: body.raw,
    car: name(requireTlv(fields, cvcTags.car, what), "CAR"),
    chr: name(requireTlv(fields, cvcTags.chr, what), "CHR"),
    publicKey: publicKeyOf(requireTlv(fields, cvcTags.publicKey, what)),
    role: roleOf(findTlv(fields, cvcTags.chat)),
    effective: dateOf(findTlv(fields, cvcTags.effective)),
    expiry: dateOf(findTlv(fields, cvcTags.expiry)),
    signature: requireTlv(parts, cvcTags.signature, what),
  };
}

// Shown to people and compared as text: only printable ASCII, and no longer than any scheme's 16 characters allows.
function name(value: Uint8Array, field: string): string {
  const text = asciiText(value);
  if (text === null || text.length === 0 || text.length > 20) throw invalid(`${field} is not 1-20 ASCII characters`);
  return text;
}

function publicKeyOf(template: Uint8Array): CvcPublicKey {
  const fields = readTlvs(template, what);
  const oid = toHex(requireTlv(fields, 0x06, what));
  if (oid.startsWith("04007F000702020201")) {
    return { kind: "rsa", oid, modulus: requireTlv(fields, 0x81, what), exponent: requireTlv(fields, 0x82, what) };
  }
  if (!oid.startsWith("04007F000702020202")) throw invalid(`public key algorithm ${oid} is not known`);
  const point = requireTlv(fields, 0x86, what);
  if (findTlv(fields, 0x81) === undefined) return { kind: "ec", oid, point, curve: undefined };
  const [p, a, b, g, n] = [0x81, 0x82, 0x83, 0x84, 0x85].map((tag) => findTlv(fields, tag)?.value ?? new Uint8Array(0));
  if (p === undefined || a === undefined || b === undefined || g === undefined || n === undefined) {
    throw invalid("domain parameters are incomplete");
  }
  const curve = curveByParameters({ p, a, b, g, n });
  return curve === undefined
    ? { kind: "ec", oid, point, curve: undefined, unknownCurve: true }
    : { kind: "ec", oid, point, curve: curve.name };
}

function roleOf(chat: Tlv | undefined): number | undefined {
  if (chat === undefined) return undefined;
  const role = findTlv(readTlvs(chat.value, what), 0x53)?.value;
  return role?.length === 1 ? role[0] : undefined;
}

/** Six bytes of one decimal digit each: YYMMDD. */
function dateOf(date: Tlv | undefined): string | undefined {
  if (date === undefined || date.value.length !== 6 || date.value.some((digit) => digit > 9)) return undefined;
  const [y1, y2, m1, m2, d1, d2] = date.value;
  const text = `20${y1}${y2}-${m1}${m2}-${d1}${d2}`;
  const time = Date.parse(`${text}T00:00:00Z`);
  return Number.isNaN(time) || new Date(time).toISOString().slice(0, 10) !== text ? undefined : text;
}

function sameKey(a: CvcPublicKey, b: CvcPublicKey): boolean {
  if (a.kind === "ec") return b.kind === "ec" && toHex(a.point) === toHex(b.point);
  return b.kind === "rsa" && toHex(a.modulus) === toHex(b.modulus);
}

function invalid(problem: string): HsmError {
  return new HsmError("CVC_INVALID", "check-failed", `${what}: ${problem}`);
}
