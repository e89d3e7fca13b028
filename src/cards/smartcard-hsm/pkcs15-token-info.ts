import { asciiText, utf8Bytes, utf8Text } from "../../bytes/bytes.ts";
import { encodeTlv, findTlv, readTlv, readTlvs } from "../../bytes/tlv.ts";
import { HsmError } from "../../errors.ts";

/** PKCS#15 TokenInfo, EF 2F03 (reference 03, section 3.7). */
export interface TokenInfo {
  readonly label: string | null;
  readonly manufacturer: string | null;
}

/** Longer labels are cut by PKCS#11, which shows 32 bytes. */
const maxLabelBytes = 64;

/**
 * SEQUENCE { version 0, [0] label, flags PRN generation }, as OpenSC writes it.
 * @throws HsmError `LABEL_MALFORMED` (usage)
 */
export function encodeTokenInfo(label: string): Uint8Array {
  const bytes = utf8Bytes(label);
  if (bytes.length === 0 || bytes.length > maxLabelBytes) {
    throw malformed(`a label must be 1 to ${maxLabelBytes} bytes of UTF-8, this one has ${bytes.length}`);
  }
  if (/\p{Cc}/u.test(label) || utf8Text(bytes) !== label) throw malformed("a label must not hold control characters");
  return encodeTlv(
    0x30,
    encodeTlv(0x02, Uint8Array.of(0)),
    encodeTlv(0x80, bytes),
    encodeTlv(0x03, Uint8Array.of(0x05, 0x20)),
  );
}

/**
 * Reads a TokenInfo; what follows it in the file (the tail of a longer one before) is not looked at.
 * @throws HsmError `TLV_INVALID` or `TOKEN_INFO_INVALID` (check-failed)
 */
export function decodeTokenInfo(bytes: Uint8Array): TokenInfo {
  const what = "TokenInfo";
  const outer = readTlv(bytes, what);
  if (outer.tag !== 0x30) {
    throw new HsmError("TOKEN_INFO_INVALID", "check-failed", "the TokenInfo of the token is no SEQUENCE");
  }
  const objects = readTlvs(outer.value, what);
  const text = (tag: number): string | null => {
    const value = findTlv(objects, tag)?.value;
    return value === undefined || value.length === 0
      ? null
      : (utf8Text(value) ?? asciiText(value.map((b) => b & 0x7f)));
  };
  return { label: text(0x80), manufacturer: text(0x0c) };
}

function malformed(problem: string): HsmError {
  return new HsmError("LABEL_MALFORMED", "usage", problem, { advice: "nothing was sent to the token" });
}
