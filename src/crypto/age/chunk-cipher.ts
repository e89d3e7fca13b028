import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from "node:crypto";
import { HsmError } from "../../errors.ts";

/** Plaintext of every chunk of a payload but the last. */
export const chunkBytes = 64 * 1024;
export const tagBytes = 16;

const algorithm = "chacha20-poly1305";
const options = { authTagLength: tagBytes };

/** The nonces of STREAM: the chunk's number in 11 bytes, and 1 for the last chunk, else 0. */
class ChunkNonce {
  readonly #bytes = new Uint8Array(12);
  readonly #view = new DataView(this.#bytes.buffer);
  #count = 0;

  get isFirst(): boolean {
    return this.#count === 0;
  }

  /** The next one, in the same bytes each time. */
  next(last: boolean): Uint8Array {
    // 2^53 chunks of 64 KiB are never reached: six of the eleven bytes count.
    this.#view.setUint32(7, this.#count % 0x1_0000_0000);
    this.#view.setUint32(3, Math.floor(this.#count / 0x1_0000_0000));
    this.#bytes[11] = last ? 1 : 0;
    this.#count++;
    return this.#bytes;
  }
}

/** Seals the chunks of one payload in their order. */
export class ChunkSealer {
  readonly #key: KeyObject;
  readonly #nonce = new ChunkNonce();

  /** @param key 32 bytes, of which OpenSSL keeps its own copy */
  constructor(key: Uint8Array) {
    this.#key = createSecretKey(key);
  }

  /** @returns ciphertext and tag */
  seal(chunk: Uint8Array, last: boolean): Uint8Array {
    const cipher = createCipheriv(algorithm, this.#key, this.#nonce.next(last), options);
    const sealed = new Uint8Array(chunk.length + tagBytes);
    sealed.set(cipher.update(chunk));
    cipher.final();
    sealed.set(cipher.getAuthTag(), chunk.length);
    return sealed;
  }
}

/** Opens the chunks of one payload in their order. */
export class ChunkOpener {
  readonly #key: KeyObject;
  readonly #nonce = new ChunkNonce();

  constructor(key: Uint8Array) {
    this.#key = createSecretKey(key);
  }

  /** @throws HsmError `AGE_PAYLOAD_INVALID` */
  open(chunk: Uint8Array, last: boolean): Uint8Array {
    const length = chunk.length - tagBytes;
    if (length < 0) throw invalid("it ends too early");
    // An empty last chunk would let one payload be written in two ways.
    if (last && length === 0 && !this.#nonce.isFirst) throw invalid("its last chunk is empty");
    const decipher = createDecipheriv(algorithm, this.#key, this.#nonce.next(last), options);
    decipher.setAuthTag(chunk.subarray(length));
    const plain = decipher.update(chunk.subarray(0, length));
    try {
      decipher.final();
    } catch {
      plain.fill(0);
      throw invalid("a chunk of it is damaged, missing or not in its place");
    }
    return plain;
  }
}

function invalid(problem: string): HsmError {
  return new HsmError("AGE_PAYLOAD_INVALID", "check-failed", `the payload cannot be decrypted: ${problem}`, {
    advice: "the file is damaged, cut off or was changed; what was already written out is genuine but not the whole",
  });
}
