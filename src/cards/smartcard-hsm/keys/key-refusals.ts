import { SW } from "../../../apdu/status-word.ts";
import type { Refusal } from "../refusals.ts";

type Table = Readonly<Record<number, Refusal>>;

/** Meanings of status words in the commands for keys and key domains (reference 08, section 8.2). */
export function keyRefusals({
  notLoggedIn,
  full,
  otherApplet,
}: Record<"notLoggedIn" | "full" | "otherApplet", Refusal>) {
  const elsewhere = {
    [SW.commandNotAllowed]: otherApplet,
    [SW.claNotSupported]: otherApplet,
  } as const satisfies Table;

  const noKey: Refusal = {
    code: "KEY_NOT_FOUND",
    kind: "usage",
    says: "{token} does not have {key}",
    advice: "`hsmadm key list` shows what is there",
  };
  const usedUp: Refusal = {
    code: "KEY_USED_UP",
    kind: "blocked",
    says: "{key} on {token} may not be used any more: its use counter is at its end",
    advice: "generate a new key, or restore this one from a backup",
  };
  const notAllowed: Refusal = {
    code: "ALGORITHM_NOT_ALLOWED",
    kind: "not-supported",
    says: "{key} on {token} may not be used with this algorithm",
    advice: "`hsmadm key show` lists what it may be used for; that was fixed when it was made",
  };
  const badInput: Refusal = {
    code: "KEY_INPUT_REFUSED",
    kind: "usage",
    says: "{token} does not take an input of this length or form for {key}",
  };
  const use = {
    [SW.securityStatusNotSatisfied]: notLoggedIn,
    [SW.fileNotFound]: noKey,
    [SW.referencedDataNotFound]: noKey,
    [SW.referenceDataNotUsable]: usedUp,
    [SW.notEnoughMemory]: usedUp,
    [SW.functionNotSupported]: notAllowed,
    [SW.conditionsNotSatisfied]: notAllowed,
    [SW.wrongData]: badInput,
    [SW.wrongLength]: badInput,
    25600: {
      code: "KEY_OPERATION_FAILED",
      kind: "not-supported",
      says: "{token} cannot do this with {key}",
      advice: "`hsmadm key show` tells what kind of key it is",
    },
    26112: {
      code: "KEY_USE_NOT_CONFIRMED",
      kind: "cancelled",
      says: "nobody confirmed the use of {key} on {token} in time, or its container is damaged",
      advice: "press the button of the token when it blinks, then run the command again",
    },
    [SW.insNotSupported]: otherApplet,
    ...elsewhere,
  } as const satisfies Table;

  const notSupported: Refusal = {
    code: "KEY_TYPE_NOT_SUPPORTED",
    kind: "not-supported",
    says: "{token} cannot make a key of this type, size or curve",
    advice: "RSA 3072 and 4096, AES and some curves need newer tokens; choose another type",
  };
  const sharesPending: Refusal = {
    code: "DKEK_SHARES_PENDING",
    kind: "refused",
    says: "{token} takes no keys before all of its key shares are imported",
    advice: "`hsmadm device status` shows how many are missing, `hsmadm share import` imports them",
  };
  const taken: Refusal = {
    code: "KEY_REFERENCE_TAKEN",
    kind: "conflict",
    says: "{token} has another key in the place of {key}",
    advice: "choose another key reference, or none",
  };
  const noDomain: Refusal = {
    code: "KEY_DOMAIN_NOT_FOUND",
    kind: "usage",
    says: "{token} has no such key domain",
    advice: "`hsmadm domain list` shows them",
  };
  const making = {
    [SW.securityStatusNotSatisfied]: notLoggedIn,
    [SW.functionNotSupported]: notSupported,
    [SW.wrongData]: notSupported,
    [SW.wrongLength]: notSupported,
    25600: notSupported,
    [SW.notEnoughMemory]: full,
    [SW.memoryFailure]: full,
    [SW.conditionsNotSatisfied]: sharesPending,
    [SW.noCurrentFile]: sharesPending,
    [SW.referencedDataNotFound]: noDomain,
    [SW.fileExists]: taken,
    ...elsewhere,
  } as const satisfies Table;

  const noDkek: Refusal = {
    code: "NO_DKEK",
    kind: "not-supported",
    says: "{token} has no complete DKEK for this, so keys cannot leave or enter it",
    advice:
      "`hsmadm device status` shows whether shares are missing; a token initialised without a DKEK needs a new initialisation",
  };
  const notExpected: Refusal = {
    code: "SHARE_NOT_EXPECTED",
    kind: "conflict",
    says: "{token} expects no key share: all are imported, or it was initialised without",
    advice: "`hsmadm device status` shows which; the DKEK on the token is unchanged",
  };
  const blobRefused: Refusal = {
    code: "KEY_BLOB_REFUSED",
    kind: "check-failed",
    says: "{token} does not take this wrapped key: it belongs to another DKEK or is damaged",
    advice: "compare its key check value with that of `hsmadm device status`",
  };
  const notEmpty: Refusal = {
    code: "KEY_DOMAIN_NOT_EMPTY",
    kind: "conflict",
    says: "the key domain of {token} still holds keys",
    advice: "delete its keys first: `hsmadm key list` shows them",
  };
  const wrongState: Refusal = {
    code: "KEY_DOMAIN_STATE",
    kind: "conflict",
    says: "{token} refuses this for the key domain as it is now: it may exist already, or not yet, or no login holds",
    advice: "`hsmadm domain list` shows its state",
  };
  const domain = {
    [SW.securityStatusNotSatisfied]: notLoggedIn,
    [SW.conditionsNotSatisfied]: wrongState,
    [SW.noCurrentFile]: wrongState,
    [SW.wrongP1P2]: wrongState,
    [SW.offsetOutside]: noDomain,
    [SW.fileExists]: notEmpty,
    [SW.insNotSupported]: {
      code: "NO_KEY_DOMAINS",
      kind: "not-supported",
      says: "{token} has no key domains",
      advice: "key domains are set up with `hsmadm device init --key-domains`",
    },
    [SW.memoryFailure]: full,
    [SW.notEnoughMemory]: full,
    ...elsewhere,
  } as const satisfies Table;

  return {
    SIGN: use,
    DECIPHER: use,
    ECDH: {
      ...use,
      [SW.referenceDataNotUsable]: {
        ...usedUp,
        says: "{key} on {token} is used up, or the other key is no point of its curve",
      },
    },
    "AES OPERATION": use,
    "GENERATE ASYMMETRIC KEY PAIR": { ...making, [SW.insNotSupported]: otherApplet },
    "GENERATE SYMMETRIC KEY": {
      ...making,
      [SW.insNotSupported]: { ...notSupported, says: "{token} is too old for AES keys, or another applet is selected" },
    },
    "WRAP KEY": {
      [SW.securityStatusNotSatisfied]: notLoggedIn,
      [SW.fileNotFound]: noKey,
      [SW.referencedDataNotFound]: noDkek,
      [SW.insNotSupported]: noDkek,
      [SW.conditionsNotSatisfied]: {
        code: "KEY_NOT_EXPORTABLE",
        kind: "not-supported",
        says: "{key} may not leave {token}: its algorithm list has no wrap",
      },
      [SW.functionNotSupported]: {
        code: "KEY_NOT_EXPORTABLE",
        kind: "not-supported",
        says: "{key} may not leave {token}: its algorithm list has no wrap",
      },
      25600: {
        code: "KEY_NOT_EXPORTABLE",
        kind: "not-supported",
        says: "{token} cannot wrap {key}",
        advice: "a key without description cannot be wrapped by a Pico HSM: `hsmadm key rename` writes one",
      },
      ...elsewhere,
    },
    "UNWRAP KEY": {
      [SW.securityStatusNotSatisfied]: notLoggedIn,
      [SW.wrongData]: blobRefused,
      [SW.wrongLength]: blobRefused,
      [SW.offsetOutside]: blobRefused,
      [SW.referenceDataNotUsable]: blobRefused,
      25600: blobRefused,
      [SW.notEnoughMemory]: full,
      [SW.memoryFailure]: full,
      [SW.fileExists]: taken,
      [SW.conditionsNotSatisfied]: sharesPending,
      [SW.noCurrentFile]: sharesPending,
      [SW.referencedDataNotFound]: noDkek,
      [SW.insNotSupported]: noDkek,
      [SW.unknown]: {
        code: "KEY_BLOB_REFUSED",
        kind: "not-supported",
        says: "{token} failed on this wrapped key",
        advice: "firmware 3.1 takes no keys with an algorithm list: wrap it without one",
      },
      ...elsewhere,
    },
    "IMPORT KEY SHARE": {
      [SW.conditionsNotSatisfied]: notExpected,
      [SW.noCurrentFile]: notExpected,
      [SW.wrongP1P2]: noDomain,
      [SW.offsetOutside]: noDomain,
      [SW.referencedDataNotFound]: noDkek,
      [SW.insNotSupported]: noDkek,
      [SW.wrongLength]: {
        code: "SHARE_REFUSED",
        kind: "usage",
        says: "{token} does not take a key share of this length",
      },
      [SW.wrongData]: { code: "SHARE_REFUSED", kind: "usage", says: "{token} does not take this key share" },
      ...elsewhere,
    },
    "CREATE KEY DOMAIN": {
      ...domain,
      [SW.wrongLength]: { ...wrongState, says: "{token} does not take this number of shares" },
    },
    "DELETE KEY DOMAIN": domain,
    "CLEAR KEY DOMAIN": { ...domain, [SW.referencedDataNotFound]: noDomain },
  } as const satisfies Record<string, Table>;
}
