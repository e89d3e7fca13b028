import { openAgeFile, sealAgeFile } from "../../crypto/age/age-file.ts";
import { withoutArmor } from "../../crypto/age/armor.ts";
import type { ByteSource } from "../../crypto/age/chunker.ts";
import type { Stanza } from "../../crypto/age/stanza.ts";
import { unwrapX25519, wrapX25519 } from "../../crypto/age/x25519.ts";
import { fileIdentity } from "../../crypto/vault/vault-seed.ts";
import type { VaultDocument } from "./document/vault-document.ts";
import type { Random } from "./vault-writing.ts";

/**
 * An age file for a vault, of any size, as a stream. Whoever holds the recipient's secret reads it: it has to come from an
 * opened vault, or be known otherwise, as a header that no slot has opened could be anybody's.
 * @param recipient X25519 public key, 32 bytes
 */
export function sealedTo(recipient: Uint8Array, plain: ByteSource, random: Random): AsyncGenerator<Uint8Array> {
  const fileKey = new Uint8Array(random(16));
  try {
    return sealAgeFile([wrapX25519(fileKey, recipient)], fileKey, plain);
  } finally {
    fileKey.fill(0);
  }
}

/**
 * What was sealed to a vault, also before a rekey as long as the seed of then is kept; binary or in armor.
 * @throws HsmError `AGE_NO_MATCH` (device), `AGE_FILE_INVALID`, `AGE_ARMOR_INVALID`, `AGE_MAC_WRONG` (check-failed)
 */
export async function unsealedWith(
  { seed, retired }: Pick<VaultDocument, "seed" | "retired">,
  sealed: ByteSource,
): Promise<AsyncGenerator<Uint8Array>> {
  // The youngest first: most files are.
  const seeds = [seed, ...retired.map((one) => one.seed).reverse()];
  const { payload } = await openAgeFile(withoutArmor(sealed), async (stanzas) => {
    for (const each of seeds) {
      const fileKey = fileKeyOf(stanzas, each);
      if (fileKey !== null) return fileKey;
    }
    return null;
  });
  return payload;
}

function fileKeyOf(stanzas: readonly Stanza[], seed: Uint8Array): Uint8Array | null {
  const { secret } = fileIdentity(seed);
  try {
    for (const stanza of stanzas) {
      const fileKey = unwrapX25519(stanza, secret);
      if (fileKey !== null) return fileKey;
    }
    return null;
  } finally {
    secret.fill(0);
  }
}
