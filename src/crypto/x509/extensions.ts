import { createHash } from "node:crypto";
import type { Extension } from "pkijs";
import { encodeTlv, readTlv, readTlvs } from "../../bytes/tlv.ts";
import { encodeAlternativeNames } from "./general-names.ts";
import { encodeKeyPurposes, encodeKeyUsage } from "./key-purposes.ts";

export const extensionOids = {
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyIdentifier: "2.5.29.35",
  extKeyUsage: "2.5.29.37",
} as const;

/** What a certificate or request says beyond name and key. */
export interface ExtensionWishes {
  /** `dns:…`, `ip:…`, `email:…`, `uri:…`. */
  readonly alternativeNames: readonly string[];
  readonly keyUsage: readonly string[];
  readonly keyPurposes: readonly string[];
  /** The certificate of an authority: it may sign other certificates. */
  readonly authority: boolean;
}

/** An extension by its parts: what {@link readyExtensions} makes and pkijs takes. */
interface ReadyExtension {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

/**
 * Encodes what was wished for, in the order of RFC 5280, before any card is touched.
 * @throws HsmError `ALTERNATIVE_NAME_MALFORMED`, `KEY_USAGE_UNKNOWN`, `KEY_PURPOSE_UNKNOWN` (usage)
 */
export function readyExtensions(wishes: ExtensionWishes): ReadyExtension[] {
  const { authority, alternativeNames, keyPurposes } = wishes;
  const keyUsage = authority && wishes.keyUsage.length === 0 ? ["key-cert-sign", "crl-sign"] : wishes.keyUsage;
  const found: ReadyExtension[] = [];
  const add = (oid: string, critical: boolean, value: Uint8Array) => found.push({ oid, critical, value });
  // Never critical here: there is always a subject.
  if (alternativeNames.length > 0) add(extensionOids.subjectAltName, false, encodeAlternativeNames(alternativeNames));
  if (authority) add(extensionOids.basicConstraints, true, encodeTlv(0x30, encodeTlv(0x01, Uint8Array.of(0xff))));
  if (keyUsage.length > 0) add(extensionOids.keyUsage, true, encodeKeyUsage(keyUsage));
  if (keyPurposes.length > 0) add(extensionOids.extKeyUsage, false, encodeKeyPurposes(keyPurposes));
  return found;
}

/** subjectKeyIdentifier: SHA-1 of the key bits (RFC 5280 section 4.2.1.2, method 1); a name, no protection. */
export function keyIdentifier(spki: Uint8Array): Uint8Array {
  const [, bits] = readTlvs(readTlv(spki, "public key").value, "public key");
  const key = bits?.value.subarray(1) ?? new Uint8Array(0);
  return new Uint8Array(createHash("sha1").update(key).digest());
}

/** What a self-signed certificate says of its own key. */
export function ownKeyExtensions(spki: Uint8Array): ReadyExtension[] {
  const id = keyIdentifier(spki);
  return [
    { oid: extensionOids.subjectKeyIdentifier, critical: false, value: encodeTlv(0x04, id) },
    { oid: extensionOids.authorityKeyIdentifier, critical: false, value: encodeTlv(0x30, encodeTlv(0x80, id)) },
  ];
}

export async function pkijsExtensions(ready: readonly ReadyExtension[]): Promise<Extension[]> {
  const pkijs = await import("pkijs");
  return ready.map(
    ({ oid, critical, value }) => new pkijs.Extension({ extnID: oid, critical, extnValue: value.slice().buffer }),
  );
}
