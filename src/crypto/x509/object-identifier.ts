import { HsmError } from "../../errors.ts";

/** Content of an OBJECT IDENTIFIER (X.690 section 8.19) for a dotted one, or `null` when the text is none. */
export function encodeOid(dotted: string): Uint8Array | null {
  if (!/^[0-2](?:\.(?:0|[1-9]\d{0,17}))+$/.test(dotted)) return null;
  const [first, second, ...rest] = dotted.split(".").map(BigInt) as [bigint, bigint, ...bigint[]];
  if (first < 2n && second >= 40n) return null;
  return Uint8Array.from([first * 40n + second, ...rest].flatMap(base128));
}

/** @throws HsmError `OID_INVALID` (check-failed) */
export function decodeOid(content: Uint8Array): string {
  const arcs: bigint[] = [];
  let arc = 0n;
  let open = false;
  for (const byte of content) {
    arc = arc * 128n + BigInt(byte & 0x7f);
    open = (byte & 0x80) !== 0;
    if (open) continue;
    arcs.push(arc);
    arc = 0n;
  }
  const [joined, ...rest] = arcs;
  if (joined === undefined || open) {
    throw new HsmError("OID_INVALID", "check-failed", "an object identifier ends in the middle");
  }
  const first = joined < 80n ? joined / 40n : 2n;
  return [first, joined - first * 40n, ...rest].join(".");
}

function base128(value: bigint): number[] {
  const digits = [Number(value & 0x7fn)];
  for (let rest = value >> 7n; rest > 0n; rest >>= 7n) digits.unshift(Number(rest & 0x7fn) | 0x80);
  return digits;
}
