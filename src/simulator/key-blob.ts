import { timingSafeEqual } from "node:crypto";
import { bigEndian, concat, equal } from "../bytes/bytes.ts";
import { fromHex } from "../bytes/hex.ts";
import { aesCmac } from "../crypto/aes-cmac.ts";
import { deriveDkekKeys } from "../crypto/dkek.ts";
import { aesCbc } from "./aes.ts";

/** Type byte of a wrapped key. */
export const blobType = { rsa: 0x05, rsaCrt: 0x06, ec: 0x0c, aes: 0x0f } as const;

/** A key as it lies in a blob: fields in their order, nothing interpreted (reference 05 section 5.4). */
export interface BlobContent {
  readonly type: number;
  readonly algorithms: Uint8Array;
  /** Bits of modulus or field; bytes of an AES key. */
  readonly size: number;
  readonly fields: readonly Uint8Array[];
}

const fieldCounts = new Map<number, number>([
  [blobType.rsa, 3],
  [blobType.rsaCrt, 6],
  [blobType.ec, 7],
  [blobType.aes, 1],
]);

const defaultAlgorithms = new Map<number, Uint8Array>([
  [blobType.rsa, fromHex("04007F00070202020102")],
  [blobType.rsaCrt, fromHex("04007F00070202020102")],
  [blobType.ec, fromHex("04007F00070202020203")],
  [blobType.aes, fromHex("6086480165030401")],
]);

const kcvLength = 8;
const macLength = 16;
const prefixLength = 8;
const block = 16;

/** @param prefix 8 random bytes */
export function sealBlob(dkek: Uint8Array, content: BlobContent, prefix: Uint8Array): Uint8Array {
  const { type, algorithms, size, fields } = content;
  const { kcv, encryption, mac } = deriveDkekKeys(dkek);
  const header = concat(
    kcv,
    Uint8Array.of(type),
    counted(defaultAlgorithms.get(type) ?? new Uint8Array(0)),
    counted(algorithms),
    counted(new Uint8Array(0)),
    counted(new Uint8Array(0)),
  );
  // The length of an AES key is its size field.
  const body = type === blobType.aes ? fields : fields.map(counted);
  const plain = concat(prefix, bigEndian(size, 2), ...body, Uint8Array.of(0x80));
  const padded = new Uint8Array(block * Math.ceil(plain.length / block));
  padded.set(plain);
  const sealed = concat(header, aesCbc(encryption, padded, "encrypt"));
  return concat(sealed, aesCmac(mac, sealed));
}

/**
 * @returns `null` when the MAC is wrong: another DKEK, or damage
 * @throws RangeError when what the MAC covers makes no sense
 */
export function openBlob(dkek: Uint8Array, blob: Uint8Array): BlobContent | null {
  const { encryption, mac } = deriveDkekKeys(dkek);
  const end = blob.length - macLength;
  if (end < kcvLength + 1 || !timingSafeEqual(aesCmac(mac, blob.subarray(0, end)), blob.subarray(end))) {
    return null;
  }
  const header = new Fields(blob.subarray(0, end), kcvLength);
  const type = header.number(1);
  header.counted(); // The default algorithm: older firmware writes a wrong one, so it says nothing.
  const algorithms = header.counted();
  header.counted();
  header.counted();
  const sealed = header.rest();
  if (sealed.length === 0 || sealed.length % block !== 0) throw new RangeError("not whole blocks");
  const plain = new Fields(aesCbc(encryption, sealed, "decrypt"), prefixLength);
  const size = plain.number(2);
  const count = fieldCounts.get(type) ?? 0;
  const fields = Array.from({ length: count }, () => (type === blobType.aes ? plain.take(size) : plain.counted()));
  return { type, algorithms, size, fields };
}

/** Whether a blob was made under the key with this check value. */
export function hasCheckValue(blob: Uint8Array, kcv: Uint8Array): boolean {
  return equal(blob.subarray(0, kcvLength), kcv);
}

function counted(value: Uint8Array): Uint8Array {
  return concat(bigEndian(value.length, 2), value);
}

class Fields {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  take(length: number): Uint8Array {
    if (this.#at + length > this.#bytes.length) throw new RangeError("a field ends outside");
    this.#at += length;
    return this.#bytes.slice(this.#at - length, this.#at);
  }

  number(length: number): number {
    return this.take(length).reduce((sum, byte) => sum * 256 + byte, 0);
  }

  counted(): Uint8Array {
    return this.take(this.number(2));
  }

  rest(): Uint8Array {
    return this.#bytes.subarray(this.#at);
  }
}
