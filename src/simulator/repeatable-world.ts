import { createHash, createPrivateKey } from "node:crypto";
import { bigEndian } from "../bytes/bytes.ts";
import { HsmError } from "../errors.ts";
import { publicTestKeys } from "./fixed-rsa-keys.ts";
import type { SimulatorWorld } from "./world.ts";

/** Noon of a fixed day: no certificate of the simulator begins or ends there. */
const fixedTime = Date.UTC(2026, 0, 15, 12);

/**
 * A world in which every run gives the same bytes: for tests, recordings and the tour. Nothing made in it is secret.
 * Random bytes are SHA-256(seed ‖ counter); RSA keys come from a fixed list, in turn for each size.
 */
export function repeatableWorld(seed: string): SimulatorWorld {
  let counter = 0;
  let pool = new Uint8Array(0);
  const used = new Map<number, number>();
  return {
    random(length) {
      const bytes = new Uint8Array(length);
      for (let filled = 0; filled < length; ) {
        if (pool.length === 0) pool = new Uint8Array(block(seed, counter++));
        const part = pool.subarray(0, length - filled);
        bytes.set(part, filled);
        pool = pool.subarray(part.length);
        filled += part.length;
      }
      return bytes;
    },
    now: () => new Date(fixedTime),
    async rsaKey(bits) {
      const keys = publicTestKeys.get(bits) ?? [];
      const index = used.get(bits) ?? 0;
      const key = keys[index % Math.max(keys.length, 1)];
      if (key === undefined) {
        throw new HsmError("SIMULATOR_NO_KEY", "unexpected", `the repeatable world has no RSA key of ${bits} bits`);
      }
      used.set(bits, index + 1);
      return createPrivateKey(`-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n`);
    },
    repeatable: true,
  };
}

function block(seed: string, counter: number): Uint8Array {
  return createHash("sha256").update(seed, "utf8").update(bigEndian(counter, 8)).digest();
}
