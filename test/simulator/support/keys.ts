import { toHex } from "../../../src/bytes/hex.ts";
import { curveByName } from "../../../src/crypto/curves/curves.ts";

/** Commands that make and use keys, in hex. */

function template(publicKey: string, extra = ""): string {
  return `5F29010042095554434130303030317F49${length(publicKey)}${publicKey}5F201055544343303030303030313030303031${extra}`;
}

function length(hex: string): string {
  const bytes = hex.length / 2;
  if (bytes > 0xff) return `82${bytes.toString(16).padStart(4, "0")}`;
  return (bytes > 0x7f ? "81" : "") + bytes.toString(16).padStart(2, "0");
}

function tlv(tag: string, value: string): string {
  return `${tag}${length(value)}${value}`;
}

/** Public key template of a curve, all its parameters. */
export function ecKey(name: string): string {
  const curve = curveByName(name);
  if (curve === undefined) throw new Error(name);
  const { p, a, b, g, n } = curve;
  const values = [p, a, b, g, n].map((value) => toHex(value));
  const fields = ["81", "82", "83", "84", "85"].map((tag, i) => tlv(tag, values[i] ?? ""));
  return `060A04007F00070202020203${fields.join("")}870101`;
}

export function rsaKey(bits: number): string {
  return `060A04007F00070202020102${"8203010001"}0202${bits.toString(16).padStart(4, "0")}`;
}

/** GENERATE ASYMMETRIC KEY PAIR; `extra` are tags 90, 91, 92. */
export function generate(id: string, publicKey: string, extra = ""): string {
  const data = template(publicKey, extra);
  return `0046${id}0000${(data.length / 2).toString(16).padStart(4, "0")}${data}0000`;
}

/** GENERATE SYMMETRIC KEY; `size` is P2. */
export function aesKey(id: string, size: string, extra = ""): string {
  const data = extra.replaceAll(" ", "");
  return `8048${id}${size}${data === "" ? "" : length(data) + data}`;
}

/** SIGN, DECIPHER and the like: key, algorithm, data, answer of up to 512 bytes. */
export function operation(ins: string, id: string, algorithm: string, data: string): string {
  return `80${ins}${id}${algorithm}00${(data.length / 2).toString(16).padStart(4, "0")}${data}0200`;
}
