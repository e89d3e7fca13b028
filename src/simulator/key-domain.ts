import { createHash } from "node:crypto";
import type { KeyDomain } from "./token-state.ts";
import type { SimulatorWorld } from "./world.ts";

/** Length of a DKEK and of each of its shares. */
export const dkekLength = 32;

/** A domain waiting for its shares, or with a random key when there are none to wait for (reference 05 section 5.1). */
export function newKeyDomain(shares: number, world: SimulatorWorld): KeyDomain {
  return { shares, outstanding: shares, key: shares === 0 ? world.random(dkekLength) : new Uint8Array(dkekLength) };
}

/** Order does not matter, and the same share twice cancels itself: that is how the card is. */
export function addShare(domain: KeyDomain, share: Uint8Array): void {
  domain.key = domain.key.map((byte, i) => byte ^ (share[i] as number));
  domain.outstanding -= 1;
}

/** Key check value: the first 8 bytes of SHA-256 of the key. */
export function keyCheckValue(domain: KeyDomain): Uint8Array {
  return new Uint8Array(createHash("sha256").update(domain.key).digest().subarray(0, 8));
}
