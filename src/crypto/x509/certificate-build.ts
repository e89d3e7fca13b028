import { randomBytes } from "node:crypto";
import type { AlgorithmIdentifier, Certificate, CertificationRequest, PublicKeyInfo } from "pkijs";
import { encodeTlv, readTlv, readTlvs } from "../../bytes/tlv.ts";
import { type ExtensionWishes, ownKeyExtensions, pkijsExtensions, readyExtensions } from "./extensions.ts";
import { encodeName } from "./name.ts";
import { type CertificateHash, type CertificateScheme, signatureAlgorithm } from "./signature-algorithm.ts";

/** Makes a signature with a key that is elsewhere. @returns RSA: as long as the modulus; ECDSA: DER */
export type Signer = (message: Uint8Array) => Promise<Uint8Array>;

export interface SignedWith {
  readonly scheme: CertificateScheme;
  readonly hash: CertificateHash;
  readonly sign: Signer;
}

/** What stands in a request or certificate, checked and encoded: made before any card is touched. */
export interface CertificateContent {
  /** DER of the Name. */
  readonly subject: Uint8Array;
  readonly extensions: ReturnType<typeof readyExtensions>;
}

/** @throws HsmError `NAME_MALFORMED` and as {@link readyExtensions} (usage) */
export function certificateContent(subject: string, wishes: ExtensionWishes): CertificateContent {
  return { subject: encodeName(subject), extensions: readyExtensions(wishes) };
}

/**
 * A certification request (PKCS#10, RFC 2986), its extensions in the attribute extensionRequest.
 * @param spki DER of the SubjectPublicKeyInfo
 * @returns DER
 */
export async function buildRequest(
  content: CertificateContent,
  spki: Uint8Array,
  signed: SignedWith,
): Promise<Uint8Array> {
  const pkijs = await import("pkijs");
  const request = new pkijs.CertificationRequest({ attributes: [] });
  await fill(request, content.subject, spki);
  if (content.extensions.length > 0) {
    const extensions = new pkijs.Extensions({ extensions: await pkijsExtensions(content.extensions) });
    const attribute = { type: "1.2.840.113549.1.9.14", values: [extensions.toSchema()] };
    request.attributes = [new pkijs.Attribute(attribute)];
  }
  request.signatureAlgorithm = await algorithm(signed);
  return signedWhole(request, signed);
}

export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/**
 * A certificate (X.509 version 3, RFC 5280) that names the key itself as its issuer.
 * @returns DER
 */
export async function buildSelfSigned(
  content: CertificateContent,
  spki: Uint8Array,
  { notBefore, notAfter }: Validity,
  signed: SignedWith,
): Promise<Uint8Array> {
  const [pkijs, asn1js] = await Promise.all([import("pkijs"), import("asn1js")]);
  const certificate = new pkijs.Certificate({ version: 2 });
  await fill(certificate, content.subject, spki);
  certificate.issuer = certificate.subject;
  certificate.serialNumber = new asn1js.Integer({ valueHex: serialNumber().slice().buffer });
  certificate.notBefore = timeOf(pkijs.Time, notBefore);
  certificate.notAfter = timeOf(pkijs.Time, notAfter);
  certificate.extensions = await pkijsExtensions([...content.extensions, ...ownKeyExtensions(spki)]);
  certificate.signature = await algorithm(signed);
  certificate.signatureAlgorithm = certificate.signature;
  return signedWhole(certificate, signed);
}

/** The structure around the part to be signed is the same for both: SEQUENCE { part, algorithm, BIT STRING }. */
async function signedWhole(unsigned: Certificate | CertificationRequest, signed: SignedWith): Promise<Uint8Array> {
  const der = new Uint8Array(unsigned.toSchema(true).toBER(false));
  const [part] = readTlvs(readTlv(der, "to be signed").value, "to be signed");
  const toBeSigned = part?.raw ?? der;
  const signature = encodeTlv(0x03, Uint8Array.of(0), await signed.sign(toBeSigned));
  return encodeTlv(0x30, toBeSigned, signatureAlgorithm(signed.scheme, signed.hash), signature);
}

async function fill(target: Certificate | CertificationRequest, name: Uint8Array, spki: Uint8Array): Promise<void> {
  const pkijs = await import("pkijs");
  target.subject = pkijs.RelativeDistinguishedNames.fromBER(name.slice().buffer);
  target.subjectPublicKeyInfo = pkijs.PublicKeyInfo.fromBER(spki.slice().buffer) satisfies PublicKeyInfo;
}

async function algorithm({ scheme, hash }: SignedWith): Promise<AlgorithmIdentifier> {
  const pkijs = await import("pkijs");
  return pkijs.AlgorithmIdentifier.fromBER(signatureAlgorithm(scheme, hash).slice().buffer);
}

/** 127 random bits, positive and never zero (RFC 5280 section 4.1.2.2; CA/Browser Forum: at least 64). */
function serialNumber(): Uint8Array {
  const bytes = new Uint8Array(randomBytes(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes;
}

/** UTCTime before 2050, GeneralizedTime from then on (RFC 5280 section 4.1.2.5). */
function timeOf(Time: typeof import("pkijs").Time, value: Date): InstanceType<typeof import("pkijs").Time> {
  const whole = new Date(Math.floor(value.getTime() / 1000) * 1000);
  return new Time({ type: whole.getUTCFullYear() < 2050 ? 0 : 1, value: whole });
}
