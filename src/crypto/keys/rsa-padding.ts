import { createHash, timingSafeEqual } from "node:crypto";
import { bigEndian, concat } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";

type OaepHash = "sha1" | "sha224" | "sha256" | "sha384" | "sha512";

/**
 * Taking off the padding of RSA decryptions on the host (RFC 8017, sections 7.1.2 and 7.2.2): the card gives the raw
 * block, as OpenSC uses it, because older ones know no other way, and as age's RSA recipients need it, whose label no card takes. Whatever is wrong is one and the same error, found
 * after the whole block was looked at: what it says must not help who sends forged ciphertexts.
 * @param block as long as the modulus
 * @throws HsmError `DECRYPTION_FAILED` (check-failed)
 */
export function withoutPkcs1Padding(block: Uint8Array): Uint8Array {
  let bad = (block[0] ?? 1) | ((block[1] ?? 0) ^ 0x02);
  let end = 0;
  for (let i = 2; i < block.length; i++) {
    const isEnd = Number(block[i] === 0) & Number(end === 0);
    end += isEnd * i;
  }
  // `00 02`, at least 8 bytes that are not zero, `00`.
  bad |= Number(end < 10);
  if (bad !== 0) throw failed();
  return block.slice(end + 1);
}

/**
 * RSAES-OAEP with the same hash for MGF1.
 * @param label usually empty
 */
export function withoutOaepPadding(block: Uint8Array, hash: OaepHash, label: Uint8Array): Uint8Array {
  const labelHash = digest(hash, label);
  const size = labelHash.length;
  if (block.length < 2 * size + 2) throw failed();
  const maskedSeed = block.subarray(1, 1 + size);
  const maskedData = block.subarray(1 + size);
  const seed = xor(maskedSeed, mask(hash, maskedData, size));
  const data = xor(maskedData, mask(hash, seed, maskedData.length));
  let bad = block[0] ?? 1;
  bad |= Number(!timingSafeEqual(data.subarray(0, size), labelHash));
  let start = 0;
  for (let i = size; i < data.length; i++) {
    const open = Number(start === 0);
    const byte = data[i] ?? 0;
    start += open * Number(byte === 0x01) * i;
    bad |= open * Number(byte > 0x01);
  }
  if (bad !== 0 || start === 0) throw failed();
  return data.slice(start + 1);
}

/** MGF1 (RFC 8017 appendix B.2.1). */
function mask(hash: OaepHash, seed: Uint8Array, length: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let made = 0, counter = 0; made < length; counter++) {
    const part = digest(hash, concat(seed, bigEndian(counter, 4)));
    parts.push(part);
    made += part.length;
  }
  return concat(...parts).subarray(0, length);
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, i) => byte ^ (b[i] ?? 0));
}

function digest(hash: OaepHash, bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash(hash).update(bytes).digest());
}

function failed(): HsmError {
  return new HsmError("DECRYPTION_FAILED", "check-failed", "the ciphertext cannot be decrypted with this key", {
    advice: "it was made for another key or with another padding, or it is damaged",
  });
}
