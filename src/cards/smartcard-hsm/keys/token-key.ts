import { toHex } from "../../../bytes/hex.ts";
import { HsmError } from "../../../errors.ts";
import type { KeyDescription, KeyKind, KeyUsage } from "../pkcs15-key-description.ts";
import type { KeyMetadata } from "./key-metadata.ts";
import type { CertificateKind, TokenPublicKey } from "./public-key.ts";

/** A key on the token, as its description, its certificate and the card tell it. */
export interface TokenKey {
  /** Key reference, 1-255: the low byte of its files, and what commands name it by. */
  readonly ref: number;
  /** Empty where it has none. */
  readonly label: string;
  /** CKA_ID; empty where it has none. */
  readonly id: Uint8Array;
  readonly kind: KeyKind | "unknown";
  readonly bits: number | null;
  readonly curve: string | null;
  readonly usage: readonly KeyUsage[];
  readonly description: KeyDescription | null;
  /** Content of EF C4xx and EF CExx, for backups; `null` where there is none. */
  readonly descriptionBytes: Uint8Array | null;
  readonly certificateBytes: Uint8Array | null;
  readonly certificate: CertificateKind | null;
  readonly publicKey: TokenPublicKey | null;
  /** `null` where it was not asked for, or the card does not tell. */
  readonly metadata: KeyMetadata | null;
  /** What is wrong with its files, in sentences; the key may work all the same. */
  readonly problems: readonly string[];
}

/** What the commands that use a key need to know of it. */
export type KeyInUse = Pick<TokenKey, "ref" | "label" | "kind" | "bits" | "curve" | "publicKey" | "metadata">;

/** `key 5 "backup signing"`, as messages call it. */
export function keyName({ ref, label }: Pick<TokenKey, "ref" | "label">): string {
  return label === "" ? `key ${ref}` : `key ${ref} "${printable(label)}"`;
}

/** Labels come from cards and are printed: no control characters may get through. */
function printable(label: string): string {
  return label.replace(/[\p{Cc}\p{Cf}]/gu, "?");
}

/** `label "a", id 10, key reference 5`: every way to name the key. */
export function keyNames({ ref, label, id }: Pick<TokenKey, "ref" | "label" | "id">): string {
  const names: string[] = [];
  if (label !== "") names.push(`label "${printable(label)}"`);
  if (id.length > 0) names.push(`id ${toHex(id)}`);
  names.push(`key reference ${ref}`);
  return names.join(", ");
}

/**
 * The keys that an identifier may mean: a label (whole, case matters), a CKA_ID in hex, or a key reference in decimal.
 * `label:…`, `id:…` and `ref:…` say which is meant.
 */
export function keysNamed<Key extends Pick<TokenKey, "ref" | "label" | "id">>(
  keys: readonly Key[],
  identifier: string,
): Key[] {
  const [, form, rest] = /^(label|id|ref):(.*)$/su.exec(identifier) ?? [];
  const means = (asked: "label" | "id" | "ref"): string | undefined =>
    form === undefined ? identifier : form === asked ? rest : undefined;
  const [label, id, ref] = [means("label"), means("id")?.replace(/[\s:]/g, "").toUpperCase(), means("ref")];
  return keys.filter(
    (key) =>
      (key.label !== "" && (key.label === label || key.label === identifier)) ||
      (key.id.length > 0 && toHex(key.id) === id) ||
      (ref !== undefined && /^\d{1,3}$/.test(ref) && Number(ref) === key.ref),
  );
}

/**
 * The one key that is meant.
 * @throws HsmError `KEY_NOT_FOUND`, `KEY_AMBIGUOUS` (usage); `details.candidates` lists them
 */
export function keyNamed<Key extends Pick<TokenKey, "ref" | "label" | "id">>(
  keys: readonly Key[],
  identifier: string,
  token: string,
): Key {
  const found = keysNamed(keys, identifier);
  const [key] = found;
  if (key !== undefined && found.length === 1) return key;
  const candidates = found.length === 0 ? keys : found;
  const details = { candidates: candidates.map(({ ref, label, id }) => ({ ref, label, id: toHex(id) })) };
  if (key === undefined) {
    throw new HsmError("KEY_NOT_FOUND", "usage", `${token} has no key "${printable(identifier)}"`, {
      advice: keys.length === 0 ? "it has no keys at all" : "`hsmadm key list` shows labels, ids and key references",
      token,
      details,
    });
  }
  const list = found.map((candidate) => keyNames(candidate)).join("; ");
  throw new HsmError(
    "KEY_AMBIGUOUS",
    "usage",
    `"${printable(identifier)}" may be any of ${found.length} keys on ${token}: ${list}`,
    { advice: `say which, for example \`ref:${key.ref}\``, token, details },
  );
}

/** @throws HsmError `KEY_REFERENCE_INVALID` (usage); 0 is the device key, which is nobody's to use */
export function checkKeyReference(ref: number): number {
  if (Number.isInteger(ref) && ref >= 1 && ref <= 255) return ref;
  throw new HsmError("KEY_REFERENCE_INVALID", "usage", `a key reference is a whole number from 1 to 255, not ${ref}`, {
    advice: "nothing was sent to the token",
  });
}

/** CKA_ID where nobody chose one: the key reference as one byte, as other programs do. */
export function defaultKeyId(ref: number): Uint8Array {
  return Uint8Array.of(ref);
}
