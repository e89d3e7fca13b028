import { createCipheriv, createDecipheriv } from "node:crypto";
import { concat } from "../bytes/bytes.ts";

const zeroIv = new Uint8Array(16);

/** AES-CBC with an IV of zeros and no padding; a host with another IV mixes it in itself. */
export function aesCbc(key: Uint8Array, data: Uint8Array, direction: "encrypt" | "decrypt"): Uint8Array {
  const make = direction === "encrypt" ? createCipheriv : createDecipheriv;
  const cipher = make(`aes-${8 * key.length}-cbc`, key, zeroIv).setAutoPadding(false);
  return concat(cipher.update(data), cipher.final());
}
