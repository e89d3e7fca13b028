import { fromHex } from "../../bytes/hex.ts";
import { encodeTlv } from "../../bytes/tlv.ts";
import { encodeOid } from "./object-identifier.ts";

export type CertificateHash = "sha224" | "sha256" | "sha384" | "sha512";
export type CertificateScheme = "pkcs1" | "pss" | "ecdsa";

const hashes: Readonly<Record<CertificateHash, { readonly oid: string; readonly bytes: number }>> = {
  sha224: { oid: "2.16.840.1.101.3.4.2.4", bytes: 28 },
  sha256: { oid: "2.16.840.1.101.3.4.2.1", bytes: 32 },
  sha384: { oid: "2.16.840.1.101.3.4.2.2", bytes: 48 },
  sha512: { oid: "2.16.840.1.101.3.4.2.3", bytes: 64 },
};

const signatures: Readonly<Record<"pkcs1" | "ecdsa", Readonly<Record<CertificateHash, string>>>> = {
  pkcs1: {
    sha224: "1.2.840.113549.1.1.14",
    sha256: "1.2.840.113549.1.1.11",
    sha384: "1.2.840.113549.1.1.12",
    sha512: "1.2.840.113549.1.1.13",
  },
  ecdsa: {
    sha224: "1.2.840.10045.4.3.1",
    sha256: "1.2.840.10045.4.3.2",
    sha384: "1.2.840.10045.4.3.3",
    sha512: "1.2.840.10045.4.3.4",
  },
};

const asn1Null = fromHex("0500");

/**
 * AlgorithmIdentifier of a signature (RFC 4055, RFC 5758), DER. PSS: the salt is as long as the hash, MGF1 uses the same
 * hash, which is what a token makes.
 */
export function signatureAlgorithm(scheme: CertificateScheme, hash: CertificateHash): Uint8Array {
  if (scheme === "ecdsa") return encodeTlv(0x30, oid(signatures.ecdsa[hash]));
  if (scheme === "pkcs1") return encodeTlv(0x30, oid(signatures.pkcs1[hash]), asn1Null);
  const digest = encodeTlv(0x30, oid(hashes[hash].oid), asn1Null);
  const parameters = encodeTlv(
    0x30,
    encodeTlv(0xa0, digest),
    encodeTlv(0xa1, encodeTlv(0x30, oid("1.2.840.113549.1.1.8"), digest)),
    encodeTlv(0xa2, encodeTlv(0x02, Uint8Array.of(hashes[hash].bytes))),
  );
  return encodeTlv(0x30, oid("1.2.840.113549.1.1.10"), parameters);
}

/** Names for people, by object identifier. */
export function signatureName(dotted: string): string {
  if (dotted === "1.2.840.113549.1.1.10") return "pss";
  for (const [scheme, ids] of Object.entries(signatures)) {
    for (const [hash, known] of Object.entries(ids)) if (known === dotted) return `${scheme}-${hash}`;
  }
  return dotted;
}

function oid(dotted: string): Uint8Array {
  return encodeTlv(0x06, encodeOid(dotted) ?? new Uint8Array(0));
}
