import { equal } from "../../bytes/bytes.ts";
import { encodeTlv, readTlv, readTlvs, type Tlv, tagName } from "../../bytes/tlv.ts";
import { HsmError } from "../../errors.ts";

/**
 * The key file of `sc-hsm-tool --wrap-key`: `SEQUENCE { OCTET STRING blob, PRKD?, certificate? }`.
 * Reference 05 section 5.6; docs/key-blob-format.md. It has no MAC of its own: only the blob inside is protected.
 */
export interface WrapContainer {
  /** The wrapped key, see `key-blob.ts`. */
  readonly blob: Uint8Array;
  /** Private (or secret) key description, whole TLV: PKCS#15 `30` RSA, `A0` EC, `A8` AES. `undefined`: none. */
  readonly description: Uint8Array | undefined;
  /** What EF CExx held, whole TLV: an X.509 certificate (`30`) or a card verifiable request (`67`, `7F21`). */
  readonly certificate: Uint8Array | undefined;
}

const what = "wrapped key file";
/** A blob is under 3 KB, a certificate file on the card under 4 KB. */
const maxBytes = 64 * 1024;
const descriptionTags = [0x30, 0xa0, 0xa8];
const certificateTags = [0x30, 0x67, 0x7f21];

/** Whether this begins as such a file (and not, say, as a bare blob). */
export function looksLikeWrapContainer(bytes: Uint8Array): boolean {
  return bytes[0] === 0x30;
}

/**
 * Trailing bytes behind the file, and behind the certificate within it, are refused: sc-hsm-tool writes none.
 * @throws HsmError `WRAP_CONTAINER_INVALID` (check-failed)
 */
export function parseWrapContainer(bytes: Uint8Array): WrapContainer {
  if (bytes.length > maxBytes) throw invalid(`${bytes.length} bytes are more than any has`);
  const objects = contents(bytes);
  const [first, ...rest] = objects;
  if (first?.tag !== 0x04) throw invalid("it does not begin with the wrapped key (an OCTET STRING)");
  const blob = first.value.slice();
  const [second, third] = rest;
  if (rest.length > 2) throw invalid("it holds more than key, description and certificate");
  if (third !== undefined && second !== undefined) {
    return { blob, description: description(second), certificate: certificate(third) };
  }
  if (second === undefined) return { blob, description: undefined, certificate: undefined };
  return looksLikeDescription(second)
    ? { blob, description: description(second), certificate: undefined }
    : { blob, description: undefined, certificate: certificate(second) };
}

function contents(bytes: Uint8Array): Tlv[] {
  const whole = guarded(() => readTlv(bytes, what));
  if (whole.tag !== 0x30) throw invalid(`it begins with tag ${tagName(whole.tag)}, not with a SEQUENCE`);
  if (whole.raw.length !== bytes.length) throw invalid(`${bytes.length - whole.raw.length} bytes behind its end`);
  return guarded(() => readTlvs(whole.value, what));
}

function guarded<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (error instanceof HsmError && error.code === "TLV_INVALID") throw invalid(error.message, error);
    throw error;
  }
}

// Both an RSA key's description and an X.509 certificate are a SEQUENCE that begins with a SEQUENCE. A certificate's
// first one (tbsCertificate) opens with [0] or an INTEGER, a description's (CommonObjectAttributes) with a UTF8String
// or the BIT STRING of its flags, or is empty.
function looksLikeDescription(object: Tlv): boolean {
  if (object.tag !== 0x30) return descriptionTags.includes(object.tag);
  if (object.value[0] !== 0x30) return false;
  const opening = guarded(() => readTlv(object.value, what)).value[0];
  return opening === undefined || opening === 0x0c || opening === 0x03;
}

function description(object: Tlv): Uint8Array {
  if (!descriptionTags.includes(object.tag)) throw invalid(`tag ${tagName(object.tag)} is no key description`);
  return object.raw.slice();
}

function certificate(object: Tlv): Uint8Array {
  if (!certificateTags.includes(object.tag)) throw invalid(`tag ${tagName(object.tag)} is no certificate`);
  return object.raw.slice();
}

/**
 * Description and certificate are cut to their own TLV length, as files on a card can have garbage behind.
 * @throws HsmError `WRAP_CONTAINER_INVALID` when one of them is no TLV
 */
export function buildWrapContainer(content: WrapContainer): Uint8Array {
  const parts = [encodeTlv(0x04, content.blob)];
  for (const part of [content.description, content.certificate]) {
    if (part !== undefined) parts.push(trimmed(part));
  }
  const built = encodeTlv(0x30, ...parts);
  const back = parseWrapContainer(built);
  const same = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
    a === undefined || b === undefined ? a === b : equal(a, trimmed(b));
  if (!same(back.description, content.description) || !same(back.certificate, content.certificate)) {
    throw invalid("description or certificate would be taken for the other");
  }
  return built;
}

function trimmed(object: Uint8Array): Uint8Array {
  return guarded(() => readTlv(object, what)).raw;
}

function invalid(problem: string, cause?: unknown): HsmError {
  return new HsmError("WRAP_CONTAINER_INVALID", "check-failed", `not a wrapped key file: ${problem}`, { cause });
}
