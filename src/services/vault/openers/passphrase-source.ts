import { randomBytes } from "node:crypto";
import { equal } from "../../../bytes/bytes.ts";
import { derivedX25519, passphraseSecret, scryptDefaults } from "../../../crypto/vault/derived-key.ts";
import type { LeafKey, PassphraseLeaf } from "../../../crypto/vault/leaf.ts";
import { HsmError } from "../../../errors.ts";
import type { KeySource, LeafRef } from "../key-source.ts";
import type { Enrolment } from "./enrolment.ts";

/** Fewer characters than tzpfms takes are no passphrase. */
export const shortestPassphrase = 8;

const title = "passphrase";

/** @param ask once, when a slot with a passphrase is really to be tried */
export function passphraseSource(ask: () => Promise<Uint8Array>): KeySource {
  const secrets: Uint8Array[] = [];
  let asked: Promise<Uint8Array> | undefined;
  return {
    title,
    kind: "passphrase",
    match: async (leaves) =>
      leaves.filter(({ leaf }) => leaf.kind === "passphrase").map((ref) => ({ ref, how: "possible" })),
    async keys(refs) {
      const keys = new Map<LeafRef, LeafKey>();
      for (const ref of refs) {
        if (ref.leaf.kind !== "passphrase") continue;
        asked ??= ask();
        const pair = await pairOf(await asked, ref.leaf.scrypt);
        secrets.push(pair.secret);
        if (equal(pair.publicKey, ref.leaf.publicKey)) keys.set(ref, { primitive: "x25519", secret: pair.secret });
      }
      if (asked !== undefined && keys.size === 0) {
        throw new HsmError("VAULT_PASSPHRASE_WRONG", "authentication", "this passphrase opens no slot of the vault", {
          advice: "there is no counter: try again, or open the vault with another slot",
        });
      }
      return keys;
    },
    async close() {
      for (const secret of secrets) secret.fill(0);
      // The phrase belongs to whoever was asked; this copy of the promise is all there is of it here.
      if (asked !== undefined) (await asked.catch(() => new Uint8Array(0))).fill(0);
    },
  };
}

/**
 * A leaf for a new passphrase.
 * @throws HsmError `PASSPHRASE_TOO_SHORT` (usage)
 */
export async function enrolPassphrase(
  passphrase: Uint8Array,
  options: { readonly random?: (length: number) => Uint8Array; readonly logN?: number } = {},
): Promise<Enrolment> {
  checkNewPassphrase(passphrase);
  const salt = (options.random ?? ((length) => new Uint8Array(randomBytes(length))))(16);
  const scrypt = { ...scryptDefaults, ...(options.logN === undefined ? {} : { logN: options.logN }), salt };
  const pair = await pairOf(passphrase, scrypt);
  pair.secret.fill(0);
  const leaf: PassphraseLeaf = { kind: "passphrase", publicKey: pair.publicKey, scrypt };
  return { leaf, warnings: [], source: passphraseSource(async () => passphrase.slice()) };
}

/** @throws HsmError `PASSPHRASE_TOO_SHORT` (usage) */
export function checkNewPassphrase(passphrase: Uint8Array): Uint8Array {
  if (passphrase.length >= shortestPassphrase) return passphrase;
  throw new HsmError(
    "PASSPHRASE_TOO_SHORT",
    "usage",
    `a passphrase has ${shortestPassphrase} characters or more, this one has ${passphrase.length}`,
    { advice: "whoever has the vault file can try passphrases without limit: take a long one" },
  );
}

async function pairOf(
  passphrase: Uint8Array,
  scrypt: PassphraseLeaf["scrypt"],
): Promise<{ readonly secret: Uint8Array; readonly publicKey: Uint8Array }> {
  const derived = await passphraseSecret(passphrase, scrypt);
  try {
    return derivedX25519("passphrase", derived, scrypt.salt);
  } finally {
    derived.fill(0);
  }
}
