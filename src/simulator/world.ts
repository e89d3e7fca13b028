import { generateKeyPair, type KeyObject, randomBytes } from "node:crypto";
import { promisify } from "node:util";

/** What a simulated token takes from outside: with another world it is another token, with the same one the same. */
export interface SimulatorWorld {
  random(length: number): Uint8Array;
  now(): Date;
  /** A private RSA key with exponent 65537. Takes long and must not hold up other work. */
  rsaKey(bits: number): Promise<KeyObject>;
  /** Whether equal inputs must give equal bytes: then ECDSA takes its nonces from key and message (RFC 6979). */
  readonly repeatable: boolean;
}

/** The world of a token in use: the operating system's randomness and clock, RSA keys made by OpenSSL in a thread. */
export function defaultWorld(): SimulatorWorld {
  return {
    random: (length) => new Uint8Array(randomBytes(length)),
    now: () => new Date(),
    rsaKey: async (bits) => (await promisify(generateKeyPair)("rsa", { modulusLength: bits })).privateKey,
    repeatable: false,
  };
}
