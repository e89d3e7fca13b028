import { equal } from "../../bytes/bytes.ts";
import { toHex } from "../../bytes/hex.ts";
import { keyName, keyNames, type TokenKey } from "../../cards/smartcard-hsm/keys/token-key.ts";
import type { SmartCardHsm } from "../../cards/smartcard-hsm/smartcard-hsm.ts";
import type { DkekState } from "../../cards/smartcard-hsm/token-status.ts";
import type { PublicKey } from "../../crypto/keys/public-key-formats.ts";
import { publicKeyDer } from "../../crypto/keys/public-key-formats.ts";
import { HsmError } from "../../errors.ts";

/** What a key to come would share with those that are there. */
export interface NewKeyNames {
  readonly label?: string | undefined;
  readonly id?: Uint8Array | undefined;
  readonly ref?: number | undefined;
  readonly publicKey?: PublicKey | null | undefined;
}

/**
 * Refuses a second key of the same label, id or public half: one of the two would be used in place of the other.
 * @throws HsmError `KEY_LABEL_TAKEN`, `KEY_ID_TAKEN`, `KEY_REFERENCE_TAKEN`, `KEY_EXISTS` (conflict)
 */
export function checkNewKey(
  keys: readonly TokenKey[],
  wanted: NewKeyNames,
  token: string,
  allowDuplicate = false,
): void {
  const refuse = (code: string, what: string, key: TokenKey, advice: string): never => {
    throw new HsmError(code, "conflict", `${token} has ${what} already: ${keyNames(key)}`, {
      advice: `${advice}; nothing was changed`,
      token,
      details: { ref: key.ref, label: key.label, id: toHex(key.id) },
    });
  };
  const sameRef = keys.find(({ ref }) => ref === wanted.ref);
  if (sameRef !== undefined) {
    refuse("KEY_REFERENCE_TAKEN", "a key with this reference", sameRef, "choose another, or leave out --key-ref");
  }
  if (allowDuplicate) return;
  const either = "choose another, or give --allow-duplicate";
  const sameLabel = keys.find(({ label }) => label !== "" && label === wanted.label);
  if (sameLabel !== undefined) refuse("KEY_LABEL_TAKEN", "a key of this label", sameLabel, either);
  const { id, publicKey } = wanted;
  const sameId = id === undefined ? undefined : keys.find((key) => key.id.length > 0 && equal(key.id, id));
  if (sameId !== undefined) refuse("KEY_ID_TAKEN", "a key of this id", sameId, either);
  if (publicKey === undefined || publicKey === null) return;
  const der = publicKeyDer(publicKey);
  const same = keys.find((key) => key.publicKey !== null && equal(publicKeyDer(key.publicKey), der));
  if (same !== undefined) refuse("KEY_EXISTS", "this very key", same, "give --allow-duplicate to have it twice");
}

/**
 * A token that waits for key shares takes no keys: told before a PIN is asked for.
 * @throws HsmError `DKEK_SHARES_PENDING` (refused), `KEY_DOMAIN_NOT_FOUND` (usage)
 */
export function checkSharesComplete(domains: readonly DkekState[], domain: number | undefined, token: string): void {
  const wanted = domains.find(({ index }) => index === (domain ?? 0));
  if (wanted === undefined || (domain !== undefined && wanted.state === "not-created")) {
    throw new HsmError("KEY_DOMAIN_NOT_FOUND", "usage", `${token} has no key domain ${domain ?? 0}`, {
      advice: "`hsmadm domain list` shows them",
      token,
    });
  }
  if (wanted.state !== "pending") return;
  const { outstanding, shares } = wanted;
  throw new HsmError(
    "DKEK_SHARES_PENDING",
    "refused",
    `${token} takes no keys before all of its key shares are imported: ${outstanding ?? "?"} of ${shares ?? "?"} are missing`,
    { advice: "`hsmadm share import` imports them; nothing was sent", token },
  );
}

/** Deletes what was made half, and tells when that fails too. */
export async function undoKey(
  card: Pick<SmartCardHsm, "deleteKey">,
  ref: number,
  cause: unknown,
  token: string,
): Promise<never> {
  try {
    await card.deleteKey(ref);
  } catch {
    throw new HsmError("KEY_NOT_DESCRIBED", "partial", `${keyName({ ref, label: "" })} is on ${token}, but not whole`, {
      advice: `\`hsmadm key delete ref:${ref}\` removes it, then run the command again`,
      token,
      details: { ref },
      cause,
    });
  }
  throw cause;
}
