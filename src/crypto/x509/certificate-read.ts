import { createHash } from "node:crypto";
import type { Certificate, Extension as CertificateExtension } from "pkijs";
import { utf8Text } from "../../bytes/bytes.ts";
import { toHex } from "../../bytes/hex.ts";
import { readTlv, readTlvs } from "../../bytes/tlv.ts";
import { HsmError, messageOf } from "../../errors.ts";
import { extensionOids } from "./extensions.ts";
import { alternativeNames } from "./general-names.ts";
import { keyPurposeNames, keyUsageNames } from "./key-purposes.ts";
import { nameText } from "./name-text.ts";
import { signatureName } from "./signature-algorithm.ts";

/** An X.509 certificate, as people and programs ask for it. Nothing in it is proved. */
export interface CertificateFacts {
  readonly der: Uint8Array;
  /** RFC 4514. */
  readonly subject: string;
  readonly issuer: string;
  /** Hex. */
  readonly serialNumber: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly alternativeNames: readonly string[];
  readonly keyUsage: readonly string[];
  readonly keyPurposes: readonly string[];
  readonly authority: boolean;
  /** `ecdsa-sha256`, `pkcs1-sha256`, `pss`, or an object identifier. */
  readonly signature: string;
  /** Subject and issuer are the same: it names itself. */
  readonly selfIssued: boolean;
  /** DER of the SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** subjectKeyIdentifier, where it has one. */
  readonly keyIdentifier: Uint8Array | null;
  /** SHA-256 of the certificate, hex. */
  readonly fingerprint: string;
}

/**
 * Reads one certificate in DER. Its signature is not checked.
 * @throws HsmError `CERTIFICATE_INVALID` (check-failed)
 */
export async function readCertificate(der: Uint8Array): Promise<CertificateFacts> {
  const pkijs = await import("pkijs");
  try {
    const { raw } = readTlv(der, "certificate");
    if (raw.length !== der.length) throw new HsmError("TLV_INVALID", "check-failed", "there are bytes behind it");
    return factsOf(pkijs.Certificate.fromBER(der.slice().buffer), der);
  } catch (cause) {
    throw new HsmError("CERTIFICATE_INVALID", "check-failed", `no usable X.509 certificate: ${messageOf(cause)}`, {
      advice: "it may be PEM or DER; the file may be cut off or be something else",
      cause,
    });
  }
}

function factsOf(certificate: Certificate, der: Uint8Array): CertificateFacts {
  const extension = (oid: string): Uint8Array | null =>
    contentOf(certificate.extensions?.find(({ extnID }) => extnID === oid));
  const read = <Result>(oid: string, reader: (value: Uint8Array) => Result, otherwise: Result): Result => {
    const value = extension(oid);
    return value === null ? otherwise : reader(value);
  };
  const [subject, issuer] = [certificate.subject, certificate.issuer].map(({ valueBeforeDecode }) =>
    nameText(new Uint8Array(valueBeforeDecode)),
  ) as [string, string];
  return {
    der,
    subject,
    issuer,
    serialNumber: toHex(certificate.serialNumber.valueBlock.valueHexView),
    notBefore: certificate.notBefore.value,
    notAfter: certificate.notAfter.value,
    alternativeNames: read(extensionOids.subjectAltName, alternativeNames, []),
    keyUsage: read(extensionOids.keyUsage, keyUsageNames, []),
    keyPurposes: read(extensionOids.extKeyUsage, keyPurposeNames, []),
    authority: read(extensionOids.basicConstraints, isAuthority, false),
    signature: signatureName(certificate.signatureAlgorithm.algorithmId),
    selfIssued: subject === issuer,
    spki: new Uint8Array(certificate.subjectPublicKeyInfo.toSchema().toBER(false)),
    keyIdentifier: read(extensionOids.subjectKeyIdentifier, (value) => readTlv(value, "key identifier").value, null),
    fingerprint: createHash("sha256").update(der).digest("hex").toUpperCase(),
  };
}

function contentOf(extension: CertificateExtension | undefined): Uint8Array | null {
  return extension === undefined ? null : new Uint8Array(extension.extnValue.valueBlock.valueHexView);
}

function isAuthority(value: Uint8Array): boolean {
  const [first] = readTlvs(readTlv(value, "basicConstraints").value, "basicConstraints");
  return first?.tag === 0x01 && first.value[0] !== 0;
}

/**
 * The certificates of a file, DER each: one in DER, or any number in PEM in the order of the file. Text between is left
 * out, as in the files of OpenSSL.
 * @throws HsmError `CERTIFICATE_INVALID` (check-failed) when there is none
 */
export function certificatesIn(content: Uint8Array): Uint8Array[] {
  const text = utf8Text(content);
  if (text === null || !text.includes("-----BEGIN")) return [content];
  const blocks = [...text.matchAll(/-----BEGIN (?:X509 )?CERTIFICATE-----([^-]*)-----END/g)];
  if (blocks.length === 0) throw invalid("this PEM file has no certificate");
  return blocks.map(([, body = ""]) => {
    const base64 = body.replace(/\s+/g, "");
    if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64) || base64.length % 4 !== 0) throw invalid("its base64 is damaged");
    return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  });
}

function invalid(problem: string): HsmError {
  return new HsmError("CERTIFICATE_INVALID", "check-failed", `no usable X.509 certificate: ${problem}`);
}
