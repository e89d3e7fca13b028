import { createECDH, ECDH } from "node:crypto";

/** P-256 over `node:crypto`. Points have 65 bytes uncompressed, 33 compressed (SEC 1 section 2.3.3). */
const curve = "prime256v1";

export interface P256Point {
  readonly point: Uint8Array;
  readonly compressed: Uint8Array;
}

/** The point in both forms, or `null` when these bytes are no point of the curve. Infinity is none. */
export function p256Point(bytes: Uint8Array): P256Point | null {
  const lead = bytes[0] ?? 0;
  const known = bytes.length === 65 ? lead === 4 : bytes.length === 33 && (lead === 2 || lead === 3);
  if (!known) return null;
  try {
    return { point: inForm(bytes, "uncompressed"), compressed: inForm(bytes, "compressed") };
  } catch {
    return null; // OpenSSL found it off the curve.
  }
}

function inForm(bytes: Uint8Array, form: "compressed" | "uncompressed"): Uint8Array {
  return Uint8Array.from(ECDH.convertKey(bytes, curve, undefined, undefined, form) as Uint8Array);
}

/**
 * One side of an ECDH with a key of the host's own.
 * @param scalar 32 bytes; a fresh one when left out
 * @param theirs a point that {@link p256Point} accepted
 * @returns our public point, and the X of the product: 32 bytes, secret
 */
export function p256Agree(
  theirs: Uint8Array,
  scalar?: Uint8Array,
): { readonly own: Uint8Array; readonly x: Uint8Array } {
  const ecdh = createECDH(curve);
  if (scalar === undefined) ecdh.generateKeys();
  else ecdh.setPrivateKey(scalar);
  return { own: Uint8Array.from(ecdh.getPublicKey()), x: Uint8Array.from(ecdh.computeSecret(theirs)) };
}
