import { encodeTlv, readTlv, readTlvs } from "../../bytes/tlv.ts";
import { HsmError } from "../../errors.ts";
import { decodeOid, encodeOid } from "./object-identifier.ts";

/** keyUsage by bit number (RFC 5280 section 4.2.1.3), in kebab case. */
const keyUsages = [
  "digital-signature",
  "non-repudiation",
  "key-encipherment",
  "data-encipherment",
  "key-agreement",
  "key-cert-sign",
  "crl-sign",
  "encipher-only",
  "decipher-only",
] as const;
export type KeyUsageName = (typeof keyUsages)[number];

/** extKeyUsage (RFC 5280 section 4.2.1.12, and what programs commonly ask for). */
const purposes: Readonly<Record<string, string>> = {
  "server-auth": "1.3.6.1.5.5.7.3.1",
  "client-auth": "1.3.6.1.5.5.7.3.2",
  "code-signing": "1.3.6.1.5.5.7.3.3",
  "email-protection": "1.3.6.1.5.5.7.3.4",
  "time-stamping": "1.3.6.1.5.5.7.3.8",
  "ocsp-signing": "1.3.6.1.5.5.7.3.9",
  "smartcard-logon": "1.3.6.1.4.1.311.20.2.2",
  any: "2.5.29.37.0",
};

/** @returns DER of a BIT STRING @throws HsmError `KEY_USAGE_UNKNOWN` (usage) */
export function encodeKeyUsage(names: readonly string[]): Uint8Array {
  const bits = names.map((name) => {
    const bit = (keyUsages as readonly string[]).indexOf(name);
    if (bit >= 0) return bit;
    throw new HsmError("KEY_USAGE_UNKNOWN", "usage", `"${name}" is no key usage`, {
      advice: `there are ${keyUsages.join(", ")}`,
    });
  });
  const last = Math.max(...bits);
  const value = new Uint8Array((last >> 3) + 1);
  for (const bit of bits) value[bit >> 3] = (value[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  return encodeTlv(0x03, Uint8Array.of(7 - (last & 7)), value);
}

export function keyUsageNames(der: Uint8Array): KeyUsageName[] {
  const [, ...bytes] = readTlv(der, "keyUsage").value;
  return keyUsages.filter((_, bit) => ((bytes[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0);
}

/** @returns DER @throws HsmError `KEY_PURPOSE_UNKNOWN` (usage) */
export function encodeKeyPurposes(names: readonly string[]): Uint8Array {
  const oids = names.map((name) => {
    const oid = encodeOid(Object.hasOwn(purposes, name) ? (purposes[name] ?? "") : name);
    if (oid !== null) return encodeTlv(0x06, oid);
    throw new HsmError("KEY_PURPOSE_UNKNOWN", "usage", `"${name}" is no extended key usage`, {
      advice: `there are ${Object.keys(purposes).join(", ")}, and dotted identifiers`,
    });
  });
  return encodeTlv(0x30, ...oids);
}

export function keyPurposeNames(der: Uint8Array): string[] {
  return readTlvs(readTlv(der, "extKeyUsage").value, "extKeyUsage").map(({ value }) => {
    const oid = decodeOid(value);
    return Object.keys(purposes).find((name) => purposes[name] === oid) ?? oid;
  });
}
