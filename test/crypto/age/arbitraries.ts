import fc from "fast-check";
import type { Stanza } from "../../../src/crypto/age/stanza.ts";

/** Up to `max` random bytes. */
export function bytes(max: number, min = 0): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: min, maxLength: max });
}

export const fileKey: fc.Arbitrary<Uint8Array> = bytes(16, 16);

const argument = fc
  .array(fc.integer({ min: 0x21, max: 0x7e }), { minLength: 1, maxLength: 20 })
  .map((codes) => String.fromCharCode(...codes));

/** Any stanza but `scrypt`, which stands alone; bodies end at and around the ends of lines. */
export const stanza: fc.Arbitrary<Stanza> = fc.record({
  type: argument.filter((text) => text !== "scrypt"),
  args: fc.array(argument, { maxLength: 4 }),
  body: bytes(200),
});
