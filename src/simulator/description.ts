import { bigEndian } from "../bytes/bytes.ts";
import { fromHex } from "../bytes/hex.ts";
import { encodeTlv } from "../bytes/tlv.ts";
import type { StoredKey } from "./token-state.ts";

const outerTags = { rsa: 0x30, ec: 0xa0, aes: 0xa8 } as const;
const usages = { rsa: fromHex("03020274"), ec: fromHex("0303072080"), aes: fromHex("030307C010") } as const;
const emptyPath = encodeTlv(0x30, encodeTlv(0x04));

/**
 * What a pico writes to C4xx by itself: no label, the key id in ASCII digits as ID (reference 03 sections 3.4, 3.5).
 * @param bits of the modulus, the field or the AES key
 */
export function keyDescription(id: number, kind: StoredKey["kind"], bits: number): Uint8Array {
  const digits = Uint8Array.from(String(id), (digit) => digit.charCodeAt(0));
  const size = encodeTlv(0x02, bigEndian(bits, 2));
  const special =
    kind === "aes"
      ? [encodeTlv(0xa0, encodeTlv(0x30, size)), encodeTlv(0xa1, encodeTlv(0x30, emptyPath))]
      : [encodeTlv(0xa1, encodeTlv(0x30, emptyPath, size))];
  return encodeTlv(
    outerTags[kind],
    encodeTlv(0x30, encodeTlv(0x0c)),
    encodeTlv(0x30, encodeTlv(0x04, digits), usages[kind]),
    ...special,
  );
}
