import { hexNumber } from "../../bytes/hex.ts";
import { HsmError } from "../../errors.ts";
import { statusMeanings } from "./ctap-status-meanings.ts";

export const ctapOk = 0x00;

/** Status bytes that the code names (CTAP 2.1 section 8.2). */
export const ctapStatus = {
  limitExceeded: 0x15,
  credentialExcluded: 0x19,
  invalidCredential: 0x22,
  operationDenied: 0x27,
  unsupportedOption: 0x2b,
  invalidOption: 0x2c,
  keepaliveCancel: 0x2d,
  noCredentials: 0x2e,
  userActionTimeout: 0x2f,
  pinInvalid: 0x31,
  pinBlocked: 0x32,
  pinAuthInvalid: 0x33,
  pinAuthBlocked: 0x34,
  pinNotSet: 0x35,
  puatRequired: 0x36,
  pinTokenExpired: 0x38,
  requestTooLarge: 0x39,
  actionTimeout: 0x3a,
  upRequired: 0x3b,
} as const;

/** `33 PIN_AUTH_INVALID`: for the curious, and for traces. */
export function describeCtapStatus(status: number): string {
  return `${hexNumber(status, 2)} ${status === ctapOk ? "OK" : (statusMeanings.get(status)?.name ?? otherName(status))}`;
}

/**
 * An authenticator's refusal, with the cause it really has.
 * @param command as in {@link CtapCommand.name}
 * @param context the token's name, and the tries left where they were read
 */
export function ctapError(
  status: number,
  command: string,
  context: { readonly token: string; readonly triesLeft?: number | undefined; readonly advice?: string },
): HsmError {
  const meaning = statusMeanings.get(status) ?? {
    code: "FIDO_FAILED",
    kind: "unexpected" as const,
    says: "{token} failed at {command}",
    advice: "try again; if it repeats, `--trace FILE` records it for a report",
  };
  const { token, triesLeft } = context;
  const says = meaning.says.replace("{token}", token).replace("{command}", command);
  const left = triesLeft === undefined ? "" : `${triesLeft} ${triesLeft === 1 ? "try" : "tries"} left, `;
  return new HsmError(meaning.code, meaning.kind, `${says} (${left}CTAP status ${describeCtapStatus(status)})`, {
    advice: context.advice ?? meaning.advice,
    token,
    triesLeft,
    details: { ctapStatus: hexNumber(status, 2), command },
  });
}

/** The status behind an error of {@link ctapError}; `undefined` for any other. */
export function ctapStatusOf(error: unknown): number | undefined {
  const status = error instanceof HsmError ? error.details?.["ctapStatus"] : undefined;
  return typeof status === "string" ? Number.parseInt(status, 16) : undefined;
}

function otherName(status: number): string {
  if (status === 0x7f) return "OTHER";
  if (status >= 0xf0) return "vendor specific";
  return status >= 0xe0 ? "extension specific" : "unknown";
}
