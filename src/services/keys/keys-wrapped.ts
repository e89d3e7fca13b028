import { toHex } from "../../bytes/hex.ts";
import { keyFrom } from "../../cards/smartcard-hsm/keys/key-list.ts";
import type { TokenKey } from "../../cards/smartcard-hsm/keys/token-key.ts";
import { decodeKeyDescription, relabelKeyDescription } from "../../cards/smartcard-hsm/pkcs15-key-description.ts";
import type { SmartCardHsm } from "../../cards/smartcard-hsm/smartcard-hsm.ts";
import type { DkekState } from "../../cards/smartcard-hsm/token-status.ts";
import { type KeyBlob, keyKindOf, parseKeyBlob } from "../../crypto/keys/key-blob.ts";
import {
  buildWrapContainer,
  looksLikeWrapContainer,
  parseWrapContainer,
  type WrapContainer,
} from "../../crypto/keys/wrap-container.ts";
import { zeroKeyCheckValue } from "../../crypto/shares/dkek.ts";
import { HsmError } from "../../errors.ts";
import { undoKey } from "./keys-new.ts";

/** A wrapped key out of a file, taken apart; nothing in it is proved. */
export interface WrappedKey {
  readonly blob: Uint8Array;
  readonly parsed: KeyBlob;
  /** Hex, of the DKEK it is under. */
  readonly kcv: string;
  readonly description: Uint8Array | undefined;
  readonly certificate: Uint8Array | undefined;
  /** As the description and certificate beside it tell it. */
  readonly told: TokenKey;
}

/**
 * Reads a file of `sc-hsm-tool --wrap-key`, or the bare wrapped key.
 * @throws HsmError `WRAP_CONTAINER_INVALID`, `KEY_BLOB_INVALID` (check-failed)
 */
export function readWrappedKey(content: Uint8Array): WrappedKey {
  const { blob, description, certificate } = containerIn(content);
  const parsed = parseKeyBlob(blob);
  const told = keyFrom({
    ref: 1,
    description: description === undefined ? null : decodeKeyDescription(description),
    descriptionBytes: description ?? new Uint8Array(0),
    certificateBytes: certificate ?? new Uint8Array(0),
    metadata: null,
  });
  const kind = keyKindOf(parsed);
  if (told.kind !== "unknown" && told.kind !== kind) {
    throw new HsmError(
      "WRAP_CONTAINER_INVALID",
      "check-failed",
      `not a wrapped key file: the key in it is ${kind}, its description says ${told.kind}`,
      { advice: "the file was put together from parts of two keys; nothing was sent to a token" },
    );
  }
  return { blob, parsed, kcv: toHex(parsed.kcv), description, certificate, told: { ...told, kind } };
}

function containerIn(content: Uint8Array): WrapContainer {
  const bare = { blob: content, description: undefined, certificate: undefined };
  if (!looksLikeWrapContainer(content)) return bare;
  try {
    return parseWrapContainer(content);
  } catch (error) {
    // A check value may begin with 30 too.
    try {
      parseKeyBlob(content);
      return bare;
    } catch {
      throw error;
    }
  }
}

/**
 * Wraps a key into a file that sc-hsm-tool unwraps. Needs a login.
 * @throws HsmError as `SmartCardHsm.wrapKey`; `DKEK_ZERO` (check-failed) when everybody could open the file
 */
export async function wrapToFile(
  card: Pick<SmartCardHsm, "wrapKey">,
  key: TokenKey,
  token: string,
): Promise<{ content: Uint8Array; kcv: string }> {
  const blob = await card.wrapKey(key.ref);
  const kcv = toHex(parseKeyBlob(blob).kcv);
  if (kcv === zeroKeyCheckValue) {
    throw new HsmError(
      "DKEK_ZERO",
      "check-failed",
      `the DKEK of ${token} is all zeros: everybody could open the file`,
      {
        advice: "the same share was imported twice; initialise the token again and import different ones",
        token,
      },
    );
  }
  const content = buildWrapContainer({
    blob,
    description: key.descriptionBytes ?? undefined,
    certificate: key.certificateBytes ?? undefined,
  });
  return { content, kcv };
}

/**
 * The domains whose key could wrap. Pico HSM answers the same for no DKEK and for one made inside until somebody logs in.
 * @throws HsmError `NO_DKEK` (not-supported)
 */
export function usableDomains(
  domains: readonly DkekState[],
  token: string,
  { loggedIn }: { readonly loggedIn: boolean },
): readonly DkekState[] {
  const usable = domains.filter(
    ({ state, shares }) =>
      state === "complete" ||
      state === "random" ||
      state === "unknown" ||
      (state === "none" && shares === 0 && !loggedIn),
  );
  if (usable.length > 0) return usable;
  throw new HsmError("NO_DKEK", "not-supported", `${token} has no complete DKEK, so keys cannot enter it`, {
    advice: "`hsmadm device status` shows whether shares are missing; without a DKEK it needs a new initialisation",
    token,
  });
}

/**
 * Whether a key under this DKEK can enter the token; `null` where the token does not tell its check values (yet).
 * @throws HsmError `NO_DKEK` (not-supported), `KEY_BLOB_OTHER_DKEK` (check-failed), which names both
 */
export function checkDkekOf(
  domains: readonly DkekState[],
  kcv: string,
  token: string,
  login: { readonly loggedIn: boolean },
): true | null {
  const usable = usableDomains(domains, token, login);
  if (usable.some((domain) => domain.kcv?.toUpperCase() === kcv)) return true;
  if (usable.some((domain) => domain.kcv === null)) return null;
  const has = usable.map((domain) => domain.kcv).join(", ");
  throw new HsmError("KEY_BLOB_OTHER_DKEK", "check-failed", `the key is under the DKEK ${kcv}, ${token} has ${has}`, {
    advice: "take a token with the shares of the one that the key came from; nothing was sent",
    token,
    details: { kcv, tokenKcvs: usable.map((domain) => domain.kcv) },
  });
}

export interface PlacedKey {
  readonly ref: number;
  /** Without a description PKCS#11 programs do not see it. */
  readonly described: boolean;
}

/**
 * Puts a wrapped key on the token, then its description, then its certificate; when one of them fails the key is taken
 * away again. Needs a login.
 * @throws HsmError as `SmartCardHsm.unwrapKey`; `KEY_NOT_DESCRIBED` (partial) when it could not be taken away
 */
export async function unwrapFromFile(
  card: Pick<SmartCardHsm, "unwrapKey" | "writeKeyDescription" | "writeKeyCertificate" | "deleteKey">,
  wrapped: WrappedKey,
  wish: { readonly ref?: number | undefined; readonly label?: string | undefined },
  token: string,
): Promise<PlacedKey> {
  const { blob, description, certificate, told } = wrapped;
  const relabelled =
    description === undefined || wish.label === undefined
      ? description
      : relabelKeyDescription(description, wish.label);
  const ref = await card.unwrapKey(blob, wish.ref);
  try {
    if (relabelled !== undefined) await card.writeKeyDescription(ref, relabelled);
    else if (wish.label !== undefined && told.kind !== "unknown" && told.bits !== null) {
      const { kind, bits } = told;
      const id = Uint8Array.of(ref);
      await card.writeKeyDescription(ref, { kind, bits, label: wish.label, id, keyReference: ref, local: false });
    }
    if (certificate !== undefined) await card.writeKeyCertificate(ref, certificate);
  } catch (error) {
    return undoKey(card, ref, error, token);
  }
  return { ref, described: relabelled !== undefined || (wish.label !== undefined && told.bits !== null) };
}
