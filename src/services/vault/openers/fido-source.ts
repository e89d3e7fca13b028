import { equal } from "../../../bytes/bytes.ts";
import type { Fido2Authenticator } from "../../../cards/fido2/authenticator.ts";
import type { FidoPin } from "../../../cards/fido2/pin-gate.ts";
import { derivedX25519 } from "../../../crypto/vault/derived-key.ts";
import type { FidoLeaf, LeafKey } from "../../../crypto/vault/leaf.ts";
import { HsmError } from "../../../errors.ts";
import type { KeySource, LeafMatch, LeafRef } from "../key-source.ts";

/** What the vault asks of a FIDO2 authenticator. */
export type VaultAuthenticator = Pick<Fido2Authenticator, "info" | "holds" | "hmacSecret" | "makeHmacCredential">;

export interface FidoSourceOptions {
  /** As messages call the device. */
  readonly title: string;
  /** Asked once, and only for a credential that was enrolled with user verification. */
  readonly pin: FidoPin;
  readonly close?: () => Promise<void>;
}

type FidoRef = LeafRef & { readonly leaf: FidoLeaf };

/**
 * A FIDO2 authenticator as a source of keys. Whether it holds a credential is asked without a touch; a device that tells
 * nobody before it has verified its user is `possible`, and tried last.
 */
export function fidoSource(authenticator: VaultAuthenticator, options: FidoSourceOptions): KeySource {
  const secrets: Uint8Array[] = [];
  let failed: { readonly error: unknown } | undefined;
  return {
    title: options.title,
    kind: "fido2",
    match: async (leaves) => matches(authenticator, leaves.filter(isFido)),
    async keys(refs) {
      const keys = new Map<LeafRef, LeafKey>();
      let other: HsmError | undefined;
      for (const ref of refs.filter(isFido)) {
        // A PIN that was refused is not sent again for another slot.
        if (failed !== undefined) throw failed.error;
        const { credential, publicKey } = ref.leaf;
        const pair = await credentialPair(authenticator, credential, options.pin).catch((error: unknown) => {
          if (!aboutOneCredential(error)) failed = { error };
          throw error;
        });
        secrets.push(pair.secret);
        if (equal(pair.publicKey, publicKey)) keys.set(ref, { primitive: "x25519", secret: pair.secret });
        else other = otherSecret(ref.leaf, options.title);
      }
      if (other !== undefined && keys.size === 0) throw other;
      return keys;
    },
    async close() {
      for (const secret of secrets) secret.fill(0);
      await options.close?.();
    },
  };
}

function isFido(ref: LeafRef): ref is FidoRef {
  return ref.leaf.kind === "fido2";
}

async function matches(authenticator: VaultAuthenticator, refs: readonly FidoRef[]): Promise<readonly LeafMatch[]> {
  const found: LeafMatch[] = [];
  for (const rpId of new Set(refs.map(({ leaf }) => leaf.credential.rpId))) {
    let left = refs.filter(({ leaf }) => leaf.credential.rpId === rpId);
    // The device names one credential it holds; the others are asked for again without it.
    while (left.length > 0) {
      const answer = await authenticator.holds(
        rpId,
        left.map(({ leaf }) => leaf.credential.id),
      );
      if (answer.status === "not-here") {
        // Level 3 shows itself to nobody without the PIN: not to be seen is not the same as not to be there.
        const hidden = left.filter(({ leaf }) => leaf.credential.credProtect === 3);
        found.push(...hidden.map((ref) => ({ ref, how: "possible" as const })));
        break;
      }
      if (answer.status === "unknown") {
        found.push(...left.map((ref) => ({ ref, how: "possible" as const, note: answer.why })));
        break;
      }
      const here = left.find(({ leaf }) => equal(leaf.credential.id, answer.credentialId));
      if (here === undefined) break;
      found.push({ ref: here, how: "certain" });
      left = left.filter((ref) => ref !== here);
    }
  }
  return found;
}

/** The X25519 key behind a credential: one assertion, and a touch. */
export async function credentialPair(
  authenticator: VaultAuthenticator,
  credential: FidoLeaf["credential"],
  pin: FidoPin,
): Promise<{ readonly secret: Uint8Array; readonly publicKey: Uint8Array }> {
  const { id, rpId, salt, uv } = credential;
  const [output] = await authenticator.hmacSecret({
    rpId,
    credentialId: id,
    salts: [salt],
    uv,
    ...(uv ? { pin } : {}),
  });
  if (output === undefined) throw new HsmError("FIDO_NO_SECRET", "check-failed", "the authenticator gave no secret");
  try {
    return derivedX25519("fido2", output, salt);
  } finally {
    output.fill(0);
  }
}

/** A credential that is not here says nothing of the device's others; everything else stands for the whole device. */
function aboutOneCredential(error: unknown): boolean {
  return error instanceof HsmError && ["device", "check-failed", "not-supported"].includes(error.kind);
}

/** The device says it is its credential, and gives another secret: with and without PIN the two differ. */
function otherSecret({ credential }: FidoLeaf, device: string): HsmError {
  const how = credential.uv ? "with its PIN" : "without a PIN";
  return new HsmError(
    "VAULT_UV_MISMATCH",
    "check-failed",
    `${device} knows the credential, and what it gives is another key: the slot was enrolled ${how}`,
    { advice: "if the device was reset or always verifies its user now, open with another slot and rotate this one" },
  );
}
