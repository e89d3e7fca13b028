/** Status bytes of CTAP2 that an authenticator answers (reference/fido2-hmac-secret.md section 11). */
export const ctapStatus = {
  ok: 0x00,
  invalidCommand: 0x01,
  invalidParameter: 0x02,
  invalidLength: 0x03,
  channelBusy: 0x06,
  unexpectedType: 0x11,
  invalidCbor: 0x12,
  missingParameter: 0x14,
  limitExceeded: 0x15,
  credentialExcluded: 0x19,
  processing: 0x21,
  unsupportedAlgorithm: 0x26,
  operationDenied: 0x27,
  keyStoreFull: 0x28,
  unsupportedOption: 0x2b,
  invalidOption: 0x2c,
  keepAliveCancel: 0x2d,
  noCredentials: 0x2e,
  userActionTimeout: 0x2f,
  notAllowed: 0x30,
  pinInvalid: 0x31,
  pinBlocked: 0x32,
  pinAuthInvalid: 0x33,
  pinAuthBlocked: 0x34,
  pinNotSet: 0x35,
  tokenRequired: 0x36,
  pinPolicyViolation: 0x37,
  requestTooLarge: 0x39,
  integrityFailure: 0x3d,
  invalidSubcommand: 0x3e,
  unauthorizedPermission: 0x40,
  other: 0x7f,
} as const;

/** A status other than 00: how a command ends early. */
export class CtapRefusal extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`CTAP status ${status.toString(16).padStart(2, "0")}`);
    this.name = "CtapRefusal";
    this.status = status;
  }
}

export function refuseCtap(status: number): never {
  throw new CtapRefusal(status);
}
