import { SW } from "../../../apdu/status-word.ts";
import type { Refusal } from "../refusals.ts";

type Table = Readonly<Record<number, Refusal>>;

/** Meanings of status words in the commands of public key authentication (reference 08, section 8.2). */
export function authenticationRefusals({
  notLoggedIn,
  full,
  otherApplet,
}: Record<"notLoggedIn" | "full" | "otherApplet", Refusal>) {
  const elsewhere = { [SW.commandNotAllowed]: otherApplet, [SW.claNotSupported]: otherApplet } as const satisfies Table;
  const notSetUp: Refusal = {
    code: "PKA_NOT_SET_UP",
    kind: "not-supported",
    says: "{token} was not initialised for public key authentication",
    advice: "`hsmadm device init --pka 2-of-3` sets it up; it erases all keys on the token",
  };
  const unknownHolder: Refusal = {
    code: "PKA_HOLDER_UNKNOWN",
    kind: "conflict",
    says: "{token} does not know the key that was named to it",
    advice: "`hsmadm pka status` shows what is registered",
  };
  const malformed: Refusal = {
    code: "PKA_OBJECT_REFUSED",
    kind: "check-failed",
    says: "{token} cannot read what it was given as key or certificate",
  };
  const wrongSignature: Refusal = {
    code: "PKA_SIGNATURE_REFUSED",
    kind: "authentication",
    says: "{token} refused the signature over its challenge",
    advice: "the challenge may be gone (a new one was made, or the token was reset): start the login anew",
  };
  return {
    "MANAGE SECURITY ENVIRONMENT": {
      [SW.referencedDataNotFound]: unknownHolder,
      [SW.fileNotFound]: unknownHolder,
      [SW.conditionsNotSatisfied]: {
        code: "PKA_ALREADY_AUTHENTICATED",
        kind: "conflict",
        says: "{token} has taken this custodian's signature already",
      },
      [SW.wrongData]: malformed,
      [SW.wrongP1P2]: notSetUp,
      ...elsewhere,
    },
    "VERIFY CERTIFICATE": {
      [SW.conditionsNotSatisfied]: {
        code: "PKA_CERTIFICATE_REFUSED",
        kind: "check-failed",
        says: "{token} refused a certificate of the custodian's token: its signature is not good",
        advice: "export the custodian's key anew with `hsmadm pka export`",
      },
      [SW.securityStatusNotSatisfied]: notLoggedIn,
      [SW.referencedDataNotFound]: unknownHolder,
      [SW.referenceDataNotUsable]: malformed,
      [SW.wrongData]: malformed,
      [SW.notEnoughMemory]: full,
      ...elsewhere,
    },
    "MANAGE PUBLIC KEY AUTHENTICATION": {
      [SW.securityStatusNotSatisfied]: notLoggedIn,
      [SW.conditionsNotSatisfied]: {
        code: "PKA_KEY_REFUSED",
        kind: "check-failed",
        says: "{token} refused the custodian's key",
        advice:
          "it is registered already, or no token of a known issuer vouches for it; `hsmadm pka status` shows what is registered",
      },
      [SW.referencedDataNotFound]: {
        code: "PKA_KEY_REFUSED",
        kind: "check-failed",
        says: "{token} refused the custodian's key: it does not know the token that vouches for it",
        advice: "export the custodian's key anew with `hsmadm pka export`",
      },
      [SW.fileExists]: {
        code: "PKA_KEY_TWICE",
        kind: "conflict",
        says: "{token} has this custodian's key, or one of that name, already",
        advice: "OpenSC gives all keys of a token one name, hsmadm does not: `hsmadm key generate` makes another",
      },
      [SW.notEnoughMemory]: {
        code: "PKA_FULL",
        kind: "conflict",
        says: "{token} has all the keys it was initialised for",
        advice: "`hsmadm pka status` shows them; only `hsmadm device init` makes room",
      },
      [SW.wrongData]: malformed,
      [SW.referenceDataNotUsable]: malformed,
      [SW.insNotSupported]: notSetUp,
      [SW.wrongP1P2]: notSetUp,
      ...elsewhere,
    },
    "EXTERNAL AUTHENTICATE": {
      [SW.verificationFailed]: wrongSignature,
      [SW.securityStatusNotSatisfied]: wrongSignature,
      [SW.conditionsNotSatisfied]: wrongSignature,
      [SW.wrongData]: wrongSignature,
      [SW.wrongLength]: wrongSignature,
      [SW.referencedDataNotFound]: unknownHolder,
      [SW.insNotSupported]: notSetUp,
      ...elsewhere,
    },
  } as const satisfies Record<string, Table>;
}
