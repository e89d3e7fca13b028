import { createHash, randomBytes } from "node:crypto";
import { concat, equal, utf8Bytes } from "../../bytes/bytes.ts";
import { encodeBase64 } from "../age/base64.ts";
import { hkdfExtract } from "../age/hkdf.ts";
import type { Stanza } from "../age/stanza.ts";
import type { Curve } from "../curves/curves.ts";
import { seal, sealedExtra, unseal } from "./box.ts";
import { checkedX, ephemeralAgreement, isPointOf, vaultCurve } from "./curve-agreement.ts";
import { hkdf32 } from "./kdf.ts";
import { domains, stanzaTypes, vaultFormatVersion } from "./names.ts";
import { StanzaFields } from "./stanza-fields.ts";
import { slotInvalid } from "./vault-errors.ts";

/**
 * `-> hsmadm/ecdh 1 CURVE TAG ENC`: the file key for an EC key on a card whose curve age does not know. It names no slot,
 * so that a file outside a vault can have it too.
 */
export interface EcPublicKey {
  readonly curve: string;
  /** Uncompressed. */
  readonly point: Uint8Array;
}

const fileKeyBytes = 16;
const tagBytes = 4;

/** @throws HsmError `VAULT_SLOT_INVALID` (usage) when the key is on no curve that a vault takes */
export function wrapEcdh(
  fileKey: Uint8Array,
  key: EcPublicKey,
  random: (length: number) => Uint8Array = randomBytes,
): Stanza {
  const curve = ecdhCurve(key.curve);
  if (curve === undefined || !isPointOf(curve, key.point)) throw slotInvalid(`no usable key on ${key.curve}`);
  const { enc, x } = ephemeralAgreement(curve, key.point, random);
  const wrapping = wrappingKey(curve, x, enc, key.point);
  try {
    return {
      type: stanzaTypes.ecdh,
      args: [vaultFormatVersion, curve.name, encodeBase64(tagOf(enc, hashOf(key.point))), encodeBase64(enc)],
      body: seal(wrapping, fileKey),
    };
  } finally {
    x.fill(0);
    wrapping.fill(0);
  }
}

/**
 * Whether the stanza says that it is for this key: four bytes of a hash, no proof.
 * @throws HsmError `VAULT_HEADER_INVALID` (check-failed) when it is a `hsmadm/ecdh` stanza and malformed
 */
export function ecdhMatches(stanza: Stanza, key: EcPublicKey): boolean {
  if (stanza.type !== stanzaTypes.ecdh) return false;
  return parseEcdh(stanza).curve.name === key.curve && ecdhMatchesHash(stanza, hashOf(key.point));
}

/**
 * As {@link ecdhMatches}, for somebody who knows no more of the key than a hash.
 * @param keyHash first 4 bytes of SHA-256 of the uncompressed point
 */
export function ecdhMatchesHash(stanza: Stanza, keyHash: Uint8Array): boolean {
  if (stanza.type !== stanzaTypes.ecdh) return false;
  const { tag, enc } = parseEcdh(stanza);
  return equal(tag, tagOf(enc, keyHash));
}

/**
 * @param agree the key's owner; called once, with a point that was checked to be on the curve
 * @returns the file key, or `null` when the stanza is not for this key
 */
export async function unwrapEcdh(
  stanza: Stanza,
  key: EcPublicKey,
  agree: (enc: Uint8Array) => Promise<Uint8Array>,
): Promise<Uint8Array | null> {
  if (!ecdhMatches(stanza, key)) return null;
  const { curve, enc } = parseEcdh(stanza);
  const x = checkedX(curve, await agree(enc));
  const wrapping = wrappingKey(curve, x, enc, key.point);
  try {
    return unseal(wrapping, stanza.body, fileKeyBytes);
  } finally {
    x.fill(0);
    wrapping.fill(0);
  }
}

function parseEcdh(stanza: Stanza): { curve: Curve; tag: Uint8Array; enc: Uint8Array } {
  const fields = new StanzaFields(stanza, stanzaTypes.ecdh);
  const curve = ecdhCurve(fields.text("curve"));
  if (curve === undefined) throw fields.invalid("on a curve that it is not made for");
  const tag = fields.bytes("tag", tagBytes);
  const enc = fields.bytes("share", 1 + 2 * curve.fieldBytes);
  fields.end(fileKeyBytes + sealedExtra);
  if (!isPointOf(curve, enc)) throw fields.invalid(`whose share is not on ${curve.name}`);
  return { curve, tag, enc };
}

/** P-256 has age's own stanza. */
function ecdhCurve(name: string): Curve | undefined {
  return name === "secp256r1" ? undefined : vaultCurve(name);
}

function tagOf(enc: Uint8Array, keyHash: Uint8Array): Uint8Array {
  return hkdfExtract(utf8Bytes(domains.ecdhTag), concat(enc, keyHash)).subarray(0, tagBytes);
}

function hashOf(point: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(point).digest().subarray(0, tagBytes));
}

function wrappingKey(curve: Curve, x: Uint8Array, enc: Uint8Array, point: Uint8Array): Uint8Array {
  return hkdf32(x, domains.ecdh, concat(utf8Bytes(`wrap\0${curve.name}\0`), enc, point));
}
