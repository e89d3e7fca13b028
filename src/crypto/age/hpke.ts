import { bigEndian, concat, utf8Bytes } from "../../bytes/bytes.ts";
import { invalidFile } from "./age-errors.ts";
import { hkdfExpand, hkdfExtract } from "./hkdf.ts";
import { p256Agree } from "./p256.ts";

/**
 * HPKE (RFC 9180) in base mode with DHKEM(P-256, HKDF-SHA256), HKDF-SHA256 and ChaCha20-Poly1305, for one message. The
 * receiver's ECDH is somebody else's: a card gives the X of the product and nothing more.
 */

/** ECDH with a key that is not here. @returns X of the product, 32 bytes */
export type Agree = (enc: Uint8Array) => Promise<Uint8Array>;

const nothing = new Uint8Array(0);
const kemId = bigEndian(0x0010, 2);
const kemSuite = concat(utf8Bytes("KEM"), kemId);
const hpkeSuite = concat(utf8Bytes("HPKE"), kemId, bigEndian(0x0001, 2), bigEndian(0x0003, 2));
const baseMode = Uint8Array.of(0);

/**
 * RFC 9180 section 4.1, Encap.
 * @param point uncompressed, of the curve
 * @param ephemeral scalar, for vectors only
 * @returns the ephemeral public point, and a shared secret of 32 bytes
 */
export function encapsulate(
  point: Uint8Array,
  ephemeral?: Uint8Array,
): { readonly enc: Uint8Array; readonly sharedSecret: Uint8Array } {
  const { own: enc, x } = p256Agree(point, ephemeral);
  try {
    return { enc, sharedSecret: extractAndExpand(x, enc, point) };
  } finally {
    x.fill(0);
  }
}

/**
 * RFC 9180 section 4.1, Decap.
 * @param enc uncompressed, of the curve: the caller has looked
 * @param point the receiver's own, uncompressed
 * @throws HsmError `AGE_FILE_INVALID` when the product is zero; whatever `agree` throws
 */
export async function decapsulate(enc: Uint8Array, point: Uint8Array, agree: Agree): Promise<Uint8Array> {
  const x = await agree(enc);
  try {
    if (x.length !== 32) throw new RangeError(`the X of a P-256 point has 32 bytes, not ${x.length}`);
    if (x.every((byte) => byte === 0)) throw invalidFile("the shared secret of a p256tag stanza is zero");
    return extractAndExpand(x, enc, point);
  } finally {
    x.fill(0);
  }
}

/** RFC 9180 section 5.1, KeySchedule: key and nonce of the first message. */
export function keySchedule(
  sharedSecret: Uint8Array,
  info: Uint8Array,
): { readonly key: Uint8Array; readonly nonce: Uint8Array } {
  const pskIdHash = labeledExtract(hpkeSuite, nothing, "psk_id_hash", nothing);
  const infoHash = labeledExtract(hpkeSuite, nothing, "info_hash", info);
  const context = concat(baseMode, pskIdHash, infoHash);
  const secret = labeledExtract(hpkeSuite, sharedSecret, "secret", nothing);
  try {
    return {
      key: labeledExpand(hpkeSuite, secret, "key", context, 32),
      nonce: labeledExpand(hpkeSuite, secret, "base_nonce", context, 12),
    };
  } finally {
    secret.fill(0);
  }
}

function extractAndExpand(x: Uint8Array, enc: Uint8Array, point: Uint8Array): Uint8Array {
  const prk = labeledExtract(kemSuite, nothing, "eae_prk", x);
  try {
    return labeledExpand(kemSuite, prk, "shared_secret", concat(enc, point), 32);
  } finally {
    prk.fill(0);
  }
}

function labeledExtract(suite: Uint8Array, salt: Uint8Array, label: string, ikm: Uint8Array): Uint8Array {
  return hkdfExtract(salt, concat(utf8Bytes("HPKE-v1"), suite, utf8Bytes(label), ikm));
}

function labeledExpand(
  suite: Uint8Array,
  prk: Uint8Array,
  label: string,
  info: Uint8Array,
  length: number,
): Uint8Array {
  return hkdfExpand(prk, concat(bigEndian(length, 2), utf8Bytes("HPKE-v1"), suite, utf8Bytes(label), info), length);
}
