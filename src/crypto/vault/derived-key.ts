import { scrypt } from "node:crypto";
import { concat, utf8Bytes } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";
import { type X25519KeyPair, x25519PublicKey } from "../age/x25519.ts";
import { hkdf32, prefixed } from "./kdf.ts";
import type { LeafKind, ScryptParameters } from "./leaf.ts";
import { domains } from "./names.ts";

/**
 * From what a source without a public key gives (hmac-secret output, CMAC, passphrase) to an X25519 key pair, whose public
 * half the header holds: so every write reaches every slot, and no absent backup is needed.
 */

export const scryptDefaults = { logN: 17, r: 8, p: 1 } as const;
/** A file names the costs: 2^20 with r = 8 is 1 GiB of memory, more is an attack on the reader. */
const scryptLimits = { logNMin: 10, logNMax: 20, rp: 8, saltBytes: 16 } as const;

/**
 * The slot's number is not part of it: the key is known before the slot has one, and the salts are random. The stanza's own
 * derivation binds the slot.
 * @param given 32 bytes, secret
 * @param sourceSalt the salt in the leaf: 32 bytes for fido2, 16 for card-aes and passphrase
 */
export function derivedX25519(
  kind: Extract<LeafKind, "fido2" | "card-aes" | "passphrase">,
  given: Uint8Array,
  sourceSalt: Uint8Array,
): X25519KeyPair {
  if (given.length !== 32) {
    throw new HsmError("VAULT_DERIVATION_INVALID", "unexpected", `${kind}: ${given.length} bytes given, not 32`);
  }
  const secret = hkdf32(given, domains.derived, concat(prefixed(kind), prefixed(sourceSalt)));
  return { secret, publicKey: x25519PublicKey(secret) };
}

/**
 * @param passphrase bytes as they are: no normalisation, no line feed cut off
 * @returns 32 bytes, secret, for {@link derivedX25519}
 * @throws HsmError `VAULT_SCRYPT_INVALID` (check-failed) for costs outside the limits
 */
export async function passphraseSecret(passphrase: Uint8Array, parameters: ScryptParameters): Promise<Uint8Array> {
  const problem = scryptProblem(parameters);
  if (problem !== null) throw new HsmError("VAULT_SCRYPT_INVALID", "check-failed", problem);
  const { logN, r, p, salt } = parameters;
  const cost = { N: 2 ** logN, r, p, maxmem: 256 * 2 ** logN * r };
  return new Promise((resolve, reject) => {
    scrypt(passphrase, salt, 32, cost, (error, key) => {
      if (error !== null) {
        reject(new HsmError("VAULT_SCRYPT_INVALID", "unexpected", "scrypt failed", { cause: error }));
        return;
      }
      const secret = new Uint8Array(key);
      key.fill(0);
      resolve(secret);
    });
  });
}

/** What is wrong with these costs, or `null`. */
export function scryptProblem({ logN, r, p, salt }: ScryptParameters): string | null {
  const { logNMin, logNMax, rp, saltBytes } = scryptLimits;
  if (!Number.isInteger(logN) || logN < logNMin || logN > logNMax) return `scrypt with N = 2^${logN}`;
  if (!Number.isInteger(r) || !Number.isInteger(p) || r < 1 || p < 1 || r * p > rp)
    return `scrypt with r = ${r}, p = ${p}`;
  return salt.length === saltBytes ? null : `a scrypt salt of ${salt.length} bytes`;
}

/**
 * Key derivation in counter mode with AES-CMAC (SP 800-108, one counter byte, 256 bits out): two CMACs, the same on every
 * card. Not the cards' own derivation (algorithm 0x99): pico-hsm means another function by it than SmartCard-HSM.
 * @param cmac AES-CMAC under the card's key: 16 bytes
 * @param salt 16 bytes
 * @returns 32 bytes, secret, for {@link derivedX25519}
 */
export async function aesCmacSecret(
  cmac: (message: Uint8Array) => Promise<Uint8Array>,
  salt: Uint8Array,
): Promise<Uint8Array> {
  const secret = new Uint8Array(32);
  for (const counter of [1, 2]) {
    const block = await cmac(
      concat(Uint8Array.of(counter), utf8Bytes(domains.aes), Uint8Array.of(0), salt, Uint8Array.of(1, 0)),
    );
    if (block.length !== 16) {
      secret.fill(0);
      throw new HsmError("VAULT_DERIVATION_INVALID", "check-failed", `a CMAC of ${block.length} bytes, not 16`);
    }
    secret.set(block, 16 * (counter - 1));
    block.fill(0);
  }
  return secret;
}
