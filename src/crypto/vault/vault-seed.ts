import { concat, utf8Bytes } from "../../bytes/bytes.ts";
import { HsmError } from "../../errors.ts";
import { type X25519KeyPair, x25519PublicKey } from "../age/x25519.ts";
import { hkdf32 } from "./kdf.ts";
import { domains, ownPurposes, vaultIdPrefix } from "./names.ts";

/** What comes from a vault's seed (32 random bytes, in the sealed payload): HKDF-SHA256 under one domain string. */

const purposeGrammar = /^[a-z0-9][a-z0-9-]{0,31}$/;
const maxContextBytes = 1024;
const idBytes = 16;

/** `v1-` and 26 letters: a public commitment to the seed. */
export const vaultIdGrammar = /^v1-[a-z2-7]{25}[aeimquy4]$/;

export function vaultId(seed: Uint8Array): string {
  return `${vaultIdPrefix}${base32(expand(seed, ownPurposes.id, "").subarray(0, idBytes))}`;
}

/**
 * A key for a consumer outside: the same for ever, from this seed, for this purpose and context.
 * @param purpose for example `zfs`; small letters, digits and `-`
 * @param context for example a dataset or a UUID; its UTF-8 bytes as they are
 * @returns 32 bytes, secret
 * @throws HsmError `VAULT_PURPOSE_INVALID` (usage); the vault's own purposes (`id`, `file`, `state`) are refused too
 */
export function derive(seed: Uint8Array, purpose: string, context: string): Uint8Array {
  if (!purposeGrammar.test(purpose)) {
    throw new HsmError("VAULT_PURPOSE_INVALID", "usage", "a purpose has 1 to 32 small letters, digits and hyphens", {
      advice: "for example zfs, luks, borg or raw",
    });
  }
  if (Object.hasOwn(ownPurposes, purpose)) {
    throw new HsmError("VAULT_PURPOSE_INVALID", "usage", `the purpose ${purpose} is the vault's own`, {
      advice: "take another word: what it gives has to stay inside the vault",
    });
  }
  if (utf8Bytes(context).length > maxContextBytes || context.includes("\0")) {
    throw new HsmError(
      "VAULT_PURPOSE_INVALID",
      "usage",
      `a context has at most ${maxContextBytes} bytes and no zero byte`,
    );
  }
  return expand(seed, purpose, context);
}

/** The X25519 identity that opens files sealed to the vault; its public half is in the header. */
export function fileIdentity(seed: Uint8Array): X25519KeyPair {
  const secret = expand(seed, ownPurposes.file, "");
  return { secret, publicKey: x25519PublicKey(secret) };
}

/** Key of the HMAC over what a host remembers about the vault. */
export function stateKey(seed: Uint8Array): Uint8Array {
  return expand(seed, ownPurposes.state, "");
}

function expand(seed: Uint8Array, purpose: string, context: string): Uint8Array {
  if (seed.length !== 32) throw new HsmError("VAULT_SEED_INVALID", "unexpected", "a vault's seed has 32 bytes");
  return hkdf32(seed, domains.seed, concat(utf8Bytes(purpose), Uint8Array.of(0), utf8Bytes(context)));
}

/** RFC 4648 section 6 in small letters, without padding. */
function base32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) text += "abcdefghijklmnopqrstuvwxyz234567"[(held >> (bits - 5)) & 31];
    held &= (1 << bits) - 1;
  }
  return bits === 0 ? text : text + "abcdefghijklmnopqrstuvwxyz234567"[(held << (5 - bits)) & 31];
}
