import { concat } from "../../bytes/bytes.ts";
import type { AuthProtocol } from "./auth-protocol.ts";
import { type CborMap, type CborValue, cborMap, invalidAnswer } from "./cbor.ts";
import { CborFields } from "./cbor-fields.ts";
import { type CtapCommand, ctapCommands, ctapMessage, touchPatienceMs } from "./ctap-command.ts";
import { paddedPin } from "./pin-bytes.ts";
import type { SharedSecret } from "./shared-secret.ts";

/** Keys of authenticatorClientPIN's request and answer (CTAP 2.1 section 6.5.5). */
const key = {
  protocol: 1,
  subCommand: 2,
  keyAgreement: 3,
  pinUvAuthParam: 4,
  newPinEnc: 5,
  pinHashEnc: 6,
  permissions: 9,
  rpId: 10,
  answer: { keyAgreement: 1, token: 2, pinRetries: 3, powerCycle: 4, uvRetries: 5 },
} as const;

/** What a pinUvAuthToken may be used for. */
export const permissions = { makeCredential: 0x01, getAssertion: 0x02, config: 0x20 } as const;

/** The PIN's counter. */
export interface PinRetries {
  /** Tries left, 8 at most; 0: blocked for good. */
  readonly retries: number;
  /** Three wrong ones in a row: the token must be unplugged before it takes another. */
  readonly powerCycle: boolean;
}

export function getPinRetries({ version }: AuthProtocol): CtapCommand<PinRetries> {
  return {
    ...request("getPINRetries", 0x01, [[key.protocol, version]]),
    reads: true,
    parse(answer) {
      const fields = new CborFields(answer, "the answer to clientPIN getPINRetries");
      return {
        retries: fields.unsigned(key.answer.pinRetries),
        powerCycle: fields.optionalBoolean(key.answer.powerCycle) ?? false,
      };
    },
  };
}

export function getUvRetries({ version }: AuthProtocol): CtapCommand<number> {
  return {
    ...request("getUVRetries", 0x07, [[key.protocol, version]]),
    reads: true,
    parse: (answer) => new CborFields(answer, "the answer to clientPIN getUVRetries").unsigned(key.answer.uvRetries),
  };
}

/** The authenticator's key for one agreement. It is new after every power-up and after every wrong PIN. */
export function getKeyAgreement({ version }: AuthProtocol): CtapCommand<CborMap> {
  return {
    ...request("getKeyAgreement", 0x02, [[key.protocol, version]]),
    reads: true,
    parse: (answer) => new CborFields(answer, "the answer to clientPIN getKeyAgreement").map(key.answer.keyAgreement),
  };
}

/** @param newPin as {@link fidoPinBytes} gives it */
export function setPin(secret: SharedSecret, newPin: Uint8Array): CtapCommand<void> {
  const newPinEnc = encryptPin(secret, newPin);
  return {
    ...request("setPIN", 0x03, [
      ...platform(secret),
      [key.pinUvAuthParam, secret.authenticate(newPinEnc)],
      [key.newPinEnc, newPinEnc],
    ]),
    parse: nothing,
  };
}

/** @param currentHash as `pinHash` gives it */
export function changePin(secret: SharedSecret, currentHash: Uint8Array, newPin: Uint8Array): CtapCommand<void> {
  const pinHashEnc = secret.encrypt(currentHash);
  const newPinEnc = encryptPin(secret, newPin);
  return {
    ...request("changePIN", 0x04, [
      ...platform(secret),
      [key.pinUvAuthParam, secret.authenticate(concat(newPinEnc, pinHashEnc))],
      [key.newPinEnc, newPinEnc],
      [key.pinHashEnc, pinHashEnc],
    ]),
    parse: nothing,
  };
}

/** CTAP 2.0's way to a token: good for everything. */
export function getPinToken(secret: SharedSecret, hash: Uint8Array): CtapCommand<Uint8Array> {
  const name = "getPinToken";
  return {
    ...request(name, 0x05, [...platform(secret), [key.pinHashEnc, secret.encrypt(hash)]]),
    parse: (answer) => tokenIn(answer, secret, name),
  };
}

export interface TokenPermissions {
  /** Bits of {@link permissions}. */
  readonly permissions: number;
  /** Needed for makeCredential and getAssertion, whose token is good for this service alone. */
  readonly rpId?: string | undefined;
}

export function getTokenUsingPin(
  secret: SharedSecret,
  hash: Uint8Array,
  { permissions, rpId }: TokenPermissions,
): CtapCommand<Uint8Array> {
  const name = "getPinUvAuthTokenUsingPinWithPermissions";
  return {
    ...request(name, 0x09, [
      ...platform(secret),
      [key.pinHashEnc, secret.encrypt(hash)],
      [key.permissions, permissions],
      [key.rpId, rpId],
    ]),
    parse: (answer) => tokenIn(answer, secret, name),
  };
}

/** Waits for the finger of whoever is enrolled on the token. */
export function getTokenUsingUv(
  secret: SharedSecret,
  { permissions, rpId }: TokenPermissions,
): CtapCommand<Uint8Array> {
  const name = "getPinUvAuthTokenUsingUvWithPermissions";
  return {
    ...request(name, 0x06, [...platform(secret), [key.permissions, permissions], [key.rpId, rpId]]),
    patienceMs: touchPatienceMs,
    parse: (answer) => tokenIn(answer, secret, name),
  };
}

function request(
  name: string,
  subCommand: number,
  entries: readonly (readonly [number, CborValue | undefined])[],
): { readonly name: string; readonly message: Uint8Array } {
  const parameters = cborMap([key.subCommand, subCommand], ...entries);
  return { name: `clientPIN ${name}`, message: ctapMessage(ctapCommands.clientPin, parameters) };
}

function platform({ protocol, keyAgreement }: SharedSecret): readonly (readonly [number, CborValue])[] {
  return [
    [key.protocol, protocol.version],
    [key.keyAgreement, keyAgreement],
  ];
}

function encryptPin(secret: SharedSecret, pin: Uint8Array): Uint8Array {
  const padded = paddedPin(pin);
  try {
    return secret.encrypt(padded);
  } finally {
    padded.fill(0);
  }
}

function tokenIn(answer: CborMap, secret: SharedSecret, name: string): Uint8Array {
  const what = `the answer to clientPIN ${name}`;
  const token = secret.decrypt(new CborFields(answer, what).bytes(key.answer.token), what);
  // Old tokens give 16 bytes under protocol 1.
  if (token.length !== 32 && !(token.length === 16 && secret.protocol.version === 1)) {
    throw invalidAnswer(what, `a pinUvAuthToken of ${token.length} bytes`);
  }
  return token;
}

function nothing(): void {}
