import { createHash } from "node:crypto";
import { concat, equal } from "../../bytes/bytes.ts";
import { toHex } from "../../bytes/hex.ts";
import { HsmError } from "../../errors.ts";

/**
 * The DKEK (device key encryption key): 32 bytes under which keys leave one SmartCard-HSM and enter another.
 * It is the XOR of all key shares; nobody sees it whole who has not all of them. Reference 05 section 5.1.
 */
export const dkekBytes = 32;

/** What is derived from a DKEK, or from the key of a key domain. */
export interface DkekKeys {
  /** Key check value: the first 8 bytes of SHA-256 of the DKEK. Public; every wrapped key begins with it. */
  readonly kcv: Uint8Array;
  /** AES-256 key of the encryption (KENC). */
  readonly encryption: Uint8Array;
  /** AES-256 key of the CMAC (KMAC). */
  readonly mac: Uint8Array;
}

export function deriveDkekKeys(dkek: Uint8Array): DkekKeys {
  wanted32(dkek, "DKEK");
  return {
    kcv: keyCheckValue(dkek),
    encryption: sha256(concat(dkek, Uint8Array.of(0, 0, 0, 1))),
    mac: sha256(concat(dkek, Uint8Array.of(0, 0, 0, 2))),
  };
}

export function keyCheckValue(dkek: Uint8Array): Uint8Array {
  wanted32(dkek, "DKEK");
  return sha256(dkek).slice(0, 8);
}

/** The KCV of 32 zero bytes: what a token shows that counts shares which cancelled each other. */
export const zeroKeyCheckValue = "66687AADF862BD77";

/**
 * The DKEK of these shares; their order does not matter.
 *
 * The card XORs whatever it is given: the same share twice cancels itself and counts as two, an all-zero share adds
 * nothing. So both are refused here, before anything is sent.
 * @throws HsmError `DKEK_SHARE_TWICE` (conflict), `DKEK_SHARE_ZERO`, `DKEK_ZERO`, `DKEK_SHARE_INVALID` (check-failed)
 */
export function combineShares(shares: readonly Uint8Array[]): Uint8Array {
  if (shares.length === 0) throw new HsmError("DKEK_SHARE_INVALID", "check-failed", "no DKEK share was given");
  for (const [i, share] of shares.entries()) {
    checkShare(share, i + 1);
    const twin = shares.findIndex((other) => equal(other, share));
    if (twin !== i) {
      throw new HsmError("DKEK_SHARE_TWICE", "conflict", `DKEK shares ${twin + 1} and ${i + 1} are the same share`, {
        advice:
          "each share goes in once: the same one twice would cancel itself and leave a DKEK that fewer people know",
      });
    }
  }
  const dkek = xorShares(shares);
  if (dkek.every((byte) => byte === 0)) {
    throw new HsmError(
      "DKEK_ZERO",
      "check-failed",
      "these DKEK shares cancel each other: the DKEK would be all zeros",
      {
        advice: "make new shares, at least one of these was derived from the others",
      },
    );
  }
  return dkek;
}

/** What the card computes: the XOR, no questions asked. */
export function xorShares(shares: readonly Uint8Array[]): Uint8Array {
  const sum = new Uint8Array(dkekBytes);
  for (const share of shares) {
    wanted32(share, "DKEK share");
    for (let i = 0; i < dkekBytes; i++) sum[i] = (sum[i] as number) ^ (share[i] as number);
  }
  return sum;
}

/**
 * Compares the KCV that a token shows with the expected one.
 * @throws HsmError `DKEK_ZERO` or `KCV_UNEXPECTED` (check-failed)
 */
export function checkKeyCheckValue(shown: Uint8Array, expected: Uint8Array, token?: string): void {
  if (equal(shown, expected)) return;
  const zero = toHex(shown) === zeroKeyCheckValue;
  throw new HsmError(
    zero ? "DKEK_ZERO" : "KCV_UNEXPECTED",
    "check-failed",
    zero
      ? `the DKEK is all zeros (KCV ${zeroKeyCheckValue}): shares cancelled each other`
      : `the DKEK has KCV ${toHex(shown)}, expected was ${toHex(expected)}`,
    { advice: "one of the shares was a wrong one: initialise the token again and import the right set", token },
  );
}

/** @param number how the error names it: the first share is 1 */
export function checkShare(share: Uint8Array, number = 1): void {
  wanted32(share, `DKEK share ${number}`);
  if (share.every((byte) => byte === 0)) {
    throw new HsmError("DKEK_SHARE_ZERO", "check-failed", `DKEK share ${number} is all zeros and would add nothing`, {
      advice: "make this share again, its file was not made from randomness",
    });
  }
}

function wanted32(bytes: Uint8Array, what: string): void {
  if (bytes.length === dkekBytes) return;
  throw new HsmError("DKEK_SHARE_INVALID", "check-failed", `${what}: ${bytes.length} bytes, it has 32`);
}

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}
