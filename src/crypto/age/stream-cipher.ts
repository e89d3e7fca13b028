import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from "node:crypto";
import { HsmError } from "../../errors.ts";
import { Chunker } from "./chunker.ts";

/** The STREAM construction of age over ChaCha20-Poly1305 (C2SP age.md, "Payload"), without its nonce in front. */
const chunkBytes = 64 * 1024;
const tagBytes = 16;
const algorithm = "chacha20-poly1305";
const options = { authTagLength: tagBytes };

/** Seals one payload, piece by piece. */
export class StreamSealer {
  readonly #key: KeyObject;
  readonly #nonce = new ChunkNonce();
  readonly #chunks = new Chunker(chunkBytes, true);

  /** @param key 32 bytes, of which OpenSSL keeps its own copy */
  constructor(key: Uint8Array) {
    this.#key = createSecretKey(key);
  }

  /** Sealed chunks, of their own memory: ciphertext and tag one after the other, which saves a copy of everything. */
  *push(plain: Uint8Array): Generator<Uint8Array> {
    for (const chunk of this.#chunks.push(plain)) yield* this.#seal(chunk, false);
  }

  /** The last chunk; it may be empty only when it is the first. */
  end(): readonly Uint8Array[] {
    return this.#seal(this.#chunks.rest(), true);
  }

  wipe(): void {
    this.#chunks.wipe();
  }

  #seal(chunk: Uint8Array, last: boolean): readonly Uint8Array[] {
    const cipher = createCipheriv(algorithm, this.#key, this.#nonce.of(last), options);
    this.#nonce.advance();
    const ciphertext = cipher.update(chunk);
    cipher.final();
    return [ciphertext, cipher.getAuthTag()];
  }
}

/**
 * Opens one payload, piece by piece. Every authenticated chunk is given out at once, the last one too: what comes behind
 * it is found afterwards.
 */
export class StreamOpener {
  readonly #key: KeyObject;
  readonly #nonce = new ChunkNonce();
  readonly #chunks = new Chunker(chunkBytes + tagBytes, false);
  #ended = false;

  constructor(key: Uint8Array) {
    this.#key = createSecretKey(key);
  }

  /** Authenticated plaintext, of its own memory. @throws HsmError `AGE_PAYLOAD_INVALID`, also after some chunks */
  *push(sealed: Uint8Array): Generator<Uint8Array> {
    for (const chunk of this.#chunks.push(sealed)) {
      if (this.#ended) throw behindEnd();
      const plain = this.#open(chunk, false) ?? this.#openLast(chunk);
      yield plain;
    }
  }

  /** What the last chunk holds, or nothing. @throws HsmError `AGE_PAYLOAD_INVALID` when the payload is not complete */
  end(): Uint8Array {
    const rest = this.#chunks.rest();
    if (this.#ended) {
      if (rest.length > 0) throw behindEnd();
      return new Uint8Array(0);
    }
    if (rest.length < tagBytes) throw invalid("it is cut off");
    // An empty last chunk would let one payload be written in two ways.
    if (rest.length === tagBytes && !this.#nonce.isFirst) throw invalid("its last chunk is empty");
    return this.#openLast(rest);
  }

  #openLast(chunk: Uint8Array): Uint8Array {
    const plain = this.#open(chunk, true);
    if (plain === null) throw invalid("a chunk of it is damaged, missing or not in its place");
    this.#ended = true;
    return plain;
  }

  #open(chunk: Uint8Array, last: boolean): Uint8Array | null {
    const length = chunk.length - tagBytes;
    const decipher = createDecipheriv(algorithm, this.#key, this.#nonce.of(last), options);
    decipher.setAuthTag(chunk.subarray(length));
    const plain = decipher.update(chunk.subarray(0, length));
    try {
      decipher.final();
    } catch {
      plain.fill(0);
      return null;
    }
    this.#nonce.advance();
    return plain;
  }
}

/** The nonces of STREAM: the chunk's number in 11 bytes, and 1 for the last chunk, else 0. */
class ChunkNonce {
  readonly #bytes = new Uint8Array(12);
  readonly #view = new DataView(this.#bytes.buffer);
  #number = 0;

  get isFirst(): boolean {
    return this.#number === 0;
  }

  /** The same bytes each time: valid until the next call. */
  of(last: boolean): Uint8Array {
    // 2^53 chunks of 64 KiB are never reached: the lower eight of the eleven bytes are enough.
    this.#view.setUint32(7, this.#number % 0x1_0000_0000);
    this.#view.setUint32(3, Math.floor(this.#number / 0x1_0000_0000));
    this.#bytes[11] = last ? 1 : 0;
    return this.#bytes;
  }

  advance(): void {
    this.#number++;
  }
}

function behindEnd(): HsmError {
  return invalid("bytes stand behind its end");
}

function invalid(problem: string): HsmError {
  return new HsmError("AGE_PAYLOAD_INVALID", "check-failed", `the payload cannot be decrypted: ${problem}`, {
    advice: "the file is damaged, cut off or was changed; what was already written out is genuine but not the whole",
  });
}
