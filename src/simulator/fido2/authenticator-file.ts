import { fromHex, toHex } from "../../bytes/hex.ts";
import { HsmError } from "../../errors.ts";
import type {
  AuthenticatorPin,
  AuthenticatorState,
  CredentialUser,
  ResidentCredential,
} from "./authenticator-state.ts";
import { pinTries } from "./authenticator-state.ts";
import { type AuthenticatorProfileName, authenticatorProfileNames } from "./profile-names.ts";

/** The state of a simulated authenticator as JSON; bytes are hex. Its keys lie in it in the clear. */
export interface AuthenticatorStateFile {
  readonly format: typeof stateFormat;
  readonly version: typeof stateVersion;
  readonly warning: string;
  readonly profile: AuthenticatorProfileName;
  readonly masterKey: string;
  /** Only where a lock is, or was put, in place of the master key. */
  readonly sealedKey?: string | undefined;
  readonly signatures: number;
  readonly pin: { readonly hash: string; readonly triesLeft: number } | null;
  readonly alwaysUv: boolean;
  readonly residents: readonly ResidentFile[];
}

interface ResidentFile {
  readonly id: string;
  readonly rpId: string;
  readonly user: { readonly id: string; readonly name?: string | undefined; readonly displayName?: string | undefined };
}

const stateFormat = "hsmadm simulated authenticator";
const stateVersion = 1;
const warning = "SIMULATED: keys are stored here in the clear and protect nothing";

export function encodeAuthenticator(state: AuthenticatorState): AuthenticatorStateFile {
  return {
    format: stateFormat,
    version: stateVersion,
    warning,
    profile: state.profile,
    masterKey: toHex(state.masterKey),
    ...(state.sealedKey === null ? {} : { sealedKey: toHex(state.sealedKey) }),
    signatures: state.signatures,
    pin: state.pin === null ? null : { hash: toHex(state.pin.hash), triesLeft: state.pin.triesLeft },
    alwaysUv: state.alwaysUv,
    residents: state.residents.map(({ id, rpId, user }) => ({
      id: toHex(id),
      rpId,
      user: { ...user, id: toHex(user.id) },
    })),
  };
}

/** @throws HsmError `TOKEN_FILE_INVALID` (check-failed): not ours, of another version, or a part of it makes no sense */
export function decodeAuthenticator(json: unknown): AuthenticatorState {
  const root = record(json, "the file");
  if (root["format"] !== stateFormat) throw invalid("it is not the state of a simulated authenticator");
  if (root["version"] !== stateVersion) {
    throw invalid(`its version is ${JSON.stringify(root["version"])}, this hsmadm knows ${stateVersion}`);
  }
  const profile = authenticatorProfileNames.find((name) => name === root["profile"]);
  if (profile === undefined) throw invalid(`profile is none of ${authenticatorProfileNames.join(", ")}`);
  if (typeof root["alwaysUv"] !== "boolean") throw invalid("alwaysUv is neither true nor false");
  const sealedKey = root["sealedKey"] === undefined ? null : bytes(root["sealedKey"], "sealedKey");
  return {
    profile,
    masterKey: bytes(root["masterKey"], "masterKey", sealedKey === null ? 32 : 0),
    sealedKey,
    signatures: whole(root["signatures"], "signatures", 0xffff_ffff),
    pin: root["pin"] === null ? null : decodePin(record(root["pin"], "pin")),
    alwaysUv: root["alwaysUv"],
    residents: list(root["residents"], "residents").map((one) => decodeResident(record(one, "a resident credential"))),
  };
}

/**
 * The state with what the lock keeps in memory: programs come and go while the authenticator has power.
 * @param lockKey `null` where it is not unlocked
 */
export function withLockMemory(state: AuthenticatorStateFile, lockKey: Uint8Array | null): object {
  return lockKey === null ? state : { ...state, lockMemory: toHex(lockKey) };
}

/** @throws HsmError `TOKEN_FILE_INVALID` */
export function lockMemoryIn(json: unknown): Uint8Array | null {
  const memory = record(json, "the file")["lockMemory"];
  return memory === undefined ? null : bytes(memory, "lockMemory", 32);
}

type Json = Readonly<Record<string, unknown>>;

function decodePin(pin: Json): AuthenticatorPin {
  return { hash: bytes(pin["hash"], "pin.hash", 16), triesLeft: whole(pin["triesLeft"], "pin.triesLeft", pinTries) };
}

function decodeResident(resident: Json): ResidentCredential {
  const user = record(resident["user"], "a resident credential's user");
  const decoded: CredentialUser = {
    id: bytes(user["id"], "user.id"),
    name: optionalText(user["name"], "user.name"),
    displayName: optionalText(user["displayName"], "user.displayName"),
  };
  const rpId = optionalText(resident["rpId"], "rpId");
  if (rpId === undefined) throw invalid("a resident credential without rpId");
  return { id: bytes(resident["id"], "credential id"), rpId, user: decoded };
}

function record(json: unknown, what: string): Json {
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw invalid(`${what} is no JSON object`);
  return json as Json;
}

function list(json: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(json) || json.length > 256) throw invalid(`${what} is no list of at most 256`);
  return json;
}

function optionalText(json: unknown, what: string): string | undefined {
  if (json === undefined || typeof json === "string") return json;
  throw invalid(`${what} is no text`);
}

function whole(json: unknown, what: string, most: number): number {
  if (typeof json === "number" && Number.isInteger(json) && json >= 0 && json <= most) return json;
  throw invalid(`${what} is no whole number from 0 to ${most}`);
}

function bytes(json: unknown, what: string, length?: number): Uint8Array {
  if (typeof json !== "string" || json.length % 2 !== 0 || !/^[0-9A-Fa-f]*$/.test(json))
    throw invalid(`${what} is no hex`);
  if (length !== undefined && json.length !== 2 * length) throw invalid(`${what} has not ${length} bytes`);
  return fromHex(json);
}

// The offending value itself is not told: it may be a key.
function invalid(problem: string): HsmError {
  return new HsmError("TOKEN_FILE_INVALID", "check-failed", `simulated authenticator: ${problem}`, {
    advice: "the file was left as it is; `hsmadm simulator remove` deletes it, another name begins a new one",
  });
}
