import type { CborMap, CborValue } from "./cbor.ts";
import { CborFields } from "./cbor-fields.ts";
import { type CtapCommand, ctapCommands, ctapMessage } from "./ctap-command.ts";

/** What an authenticator says of itself (authenticatorGetInfo, CTAP 2.1 section 6.4). */
export interface AuthenticatorInfo {
  /** `FIDO_2_0`, `FIDO_2_1`, `U2F_V2` … */
  readonly versions: readonly string[];
  /** `hmac-secret`, `credProtect` … */
  readonly extensions: readonly string[];
  /** The model, 16 bytes; zeros: not told. No identity of the single token. */
  readonly aaguid: Uint8Array;
  /** An option that is not listed is mostly one that the token does not have. */
  readonly options: Readonly<Record<string, boolean>>;
  /** Bytes of a message, command byte included. */
  readonly maxMsgSize: number;
  /** In the token's order of preference. */
  readonly pinUvAuthProtocols: readonly number[];
  /** Credentials that one request may list. */
  readonly maxCredentialCountInList: number;
  /** Longer credential ids are none of this token's; `undefined`: not told. */
  readonly maxCredentialIdLength: number | undefined;
  readonly transports: readonly string[];
  /** COSE algorithms, -7 is ES256. */
  readonly algorithms: readonly number[];
  /** The PIN must be changed before it can be used. */
  readonly forcePinChange: boolean;
  /** Code points. */
  readonly minPinLength: number;
  /** `undefined`: not told. */
  readonly firmwareVersion: number | undefined;
  /** The answer as it came. */
  readonly raw: CborMap;
}

export const getInfo: CtapCommand<AuthenticatorInfo> = {
  name: "authenticatorGetInfo",
  message: ctapMessage(ctapCommands.getInfo),
  reads: true,
  parse: authenticatorInfo,
};

/** @throws HsmError `CTAP_ANSWER_INVALID` */
export function authenticatorInfo(answer: CborMap): AuthenticatorInfo {
  const fields = new CborFields(answer, "the answer to authenticatorGetInfo");
  const options = booleans(fields.optionalMap(0x04) ?? new Map());
  const protocols = numbers(fields.list(0x06));
  return {
    versions: fields.texts(0x01),
    extensions: fields.texts(0x02),
    aaguid: fields.bytes(0x03, 16),
    options,
    maxMsgSize: fields.optionalUnsigned(0x05) ?? 1024,
    pinUvAuthProtocols: protocols.length > 0 ? protocols : options["clientPin"] === undefined ? [] : [1],
    maxCredentialCountInList: Math.max(1, fields.optionalUnsigned(0x07) ?? 1),
    maxCredentialIdLength: fields.optionalUnsigned(0x08),
    transports: fields.texts(0x09),
    algorithms: fields.list(0x0a).flatMap(algorithm),
    forcePinChange: fields.optionalBoolean(0x0c) ?? false,
    minPinLength: fields.optionalUnsigned(0x0d) ?? 4,
    firmwareVersion: fields.optionalUnsigned(0x0e),
    raw: answer,
  };
}

function booleans(map: CborMap): Record<string, boolean> {
  const pairs = [...map].filter((pair): pair is [string, boolean] => {
    return typeof pair[0] === "string" && typeof pair[1] === "boolean";
  });
  return Object.fromEntries(pairs);
}

function numbers(list: readonly CborValue[]): readonly number[] {
  return list.filter((item) => typeof item === "number");
}

function algorithm(entry: CborValue): number[] {
  const alg = entry instanceof Map ? (entry as CborMap).get("alg") : undefined;
  return typeof alg === "number" ? [alg] : [];
}
