import { dkekBytes, xorShares } from "../crypto/shares/dkek.ts";
import type { KeyDomain } from "./token-state.ts";
import type { SimulatorWorld } from "./world.ts";

/** A domain waiting for its shares, or with a random key when there are none to wait for (reference 05 section 5.1). */
export function newKeyDomain(shares: number, world: SimulatorWorld): KeyDomain {
  return { shares, outstanding: shares, key: shares === 0 ? world.random(dkekBytes) : new Uint8Array(dkekBytes) };
}

/** Order does not matter, and the same share twice cancels itself: that is how the card is. */
export function addShare(domain: KeyDomain, share: Uint8Array): void {
  domain.key = xorShares([domain.key, share]);
  domain.outstanding -= 1;
}
