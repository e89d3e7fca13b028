import { fromHex, toHex } from "../bytes/hex.ts";
import { HsmError } from "../errors.ts";
import type { ProfileName } from "./profile.ts";
import type {
  DeviceIdentity,
  KeyDomain,
  KeyRules,
  PublicKeyLogin,
  StoredKey,
  StoredPin,
  TokenState,
} from "./token-state.ts";

/**
 * The state of a simulated token as JSON; bytes are hex, file and key ids four and two hex digits.
 * Keys and PINs lie in it in the clear, which is why the file is for its owner only and says what it is.
 */
export interface TokenStateFile {
  readonly format: typeof stateFormat;
  readonly version: typeof stateVersion;
  readonly warning: string;
  readonly profile: ProfileName;
  readonly device: DeviceFile | null;
  readonly initialised: boolean;
  readonly options: number;
  readonly transportPin: boolean;
  readonly userPin: PinFile | null;
  readonly soPin: PinFile | null;
  readonly publicKeys: PublicKeysFile | null;
  readonly keyDomains: readonly (DomainFile | null)[];
  readonly keys: Readonly<Record<string, KeyFile>>;
  readonly files: Readonly<Record<string, string>>;
}

const stateFormat = "hsmadm simulated token";
const stateVersion = 1;
const warning = "SIMULATED: keys and PINs are stored here in the clear and protect nothing";

interface DeviceFile {
  readonly chr: string;
  readonly curve: string;
  readonly scalar: string;
  readonly certificates: string;
}
interface PinFile {
  readonly value: string;
  readonly tries: number;
  readonly triesLeft: number;
}
interface PublicKeysFile {
  readonly total: number;
  readonly required: number;
  /** Not in files written before keys could be registered. */
  readonly registered?: readonly { readonly chr: string; readonly curve: string; readonly point: string }[];
}
interface DomainFile {
  readonly shares: number;
  readonly outstanding: number;
  readonly key: string;
}
interface RulesFile {
  readonly usesLeft: number | null;
  readonly algorithms: string;
  readonly domain: number;
}
type KeyFile =
  | { readonly kind: "rsa"; readonly pkcs8: string; readonly rules: RulesFile }
  | { readonly kind: "ec"; readonly curve: string; readonly scalar: string; readonly rules: RulesFile }
  | { readonly kind: "aes"; readonly value: string; readonly rules: RulesFile };

export function encodeState(state: TokenState): TokenStateFile {
  const { device, userPin, soPin, publicKeys } = state;
  return {
    format: stateFormat,
    version: stateVersion,
    warning,
    profile: state.profile,
    device:
      device === null
        ? null
        : {
            chr: device.chr,
            curve: device.curve,
            scalar: toHex(device.scalar),
            certificates: toHex(device.certificates),
          },
    initialised: state.initialised,
    options: state.options,
    transportPin: state.transportPin,
    userPin: userPin === null ? null : { ...userPin, value: toHex(userPin.value) },
    soPin: soPin === null ? null : { ...soPin, value: toHex(soPin.value) },
    publicKeys:
      publicKeys === null
        ? null
        : {
            ...publicKeys,
            registered: publicKeys.registered.map((key) => ({ ...key, point: toHex(key.point) })),
          },
    keyDomains: state.keyDomains.map((domain) => (domain === null ? null : { ...domain, key: toHex(domain.key) })),
    keys: Object.fromEntries([...state.keys].map(([id, key]) => [hexId(id, 2), encodeKey(key)])),
    files: Object.fromEntries([...state.files].map(([id, content]) => [hexId(id, 4), toHex(content)])),
  };
}

function encodeKey(key: StoredKey): KeyFile {
  const { usesLeft, algorithms, domain } = key.rules;
  const rules = { usesLeft: usesLeft ?? null, algorithms: toHex(algorithms), domain };
  switch (key.kind) {
    case "rsa":
      return { kind: "rsa", pkcs8: toHex(key.pkcs8), rules };
    case "ec":
      return { kind: "ec", curve: key.curve, scalar: toHex(key.scalar), rules };
    case "aes":
      return { kind: "aes", value: toHex(key.value), rules };
  }
}

/** @throws HsmError `TOKEN_FILE_INVALID` (check-failed): not ours, of another version, or a part of it makes no sense */
export function decodeState(json: unknown): TokenState {
  const root = record(json, "the file");
  if (root["format"] !== stateFormat) throw invalid("it is not the state of a simulated token");
  if (root["version"] !== stateVersion) {
    throw invalid(`its version is ${JSON.stringify(root["version"])}, this hsmadm knows ${stateVersion}`);
  }
  const profile = root["profile"];
  if (profile !== "genuine" && profile !== "pico") throw invalid("profile is neither genuine nor pico");
  const device = root["device"] === null ? null : decodeDevice(record(root["device"], "device"));
  if (device === null && profile === "genuine") throw invalid("a genuine token without a device key");
  return {
    profile,
    device,
    initialised: flag(root["initialised"], "initialised"),
    options: whole(root["options"], "options", 0xffff),
    transportPin: flag(root["transportPin"], "transportPin"),
    userPin: decodePin(root["userPin"], "userPin"),
    soPin: decodePin(root["soPin"], "soPin"),
    publicKeys: root["publicKeys"] === null ? null : decodeKeyLogin(record(root["publicKeys"], "publicKeys")),
    keyDomains: list(root["keyDomains"], "keyDomains").map(decodeDomain),
    keys: new Map(entries(root["keys"], "keys", 2).map(([id, key]) => [id, decodeKey(record(key, "key"))])),
    files: new Map(entries(root["files"], "files", 4).map(([id, content]) => [id, hex(content, "file")])),
  };
}

function decodeDevice(device: Readonly<Record<string, unknown>>): DeviceIdentity {
  return {
    chr: text(device["chr"], "device.chr"),
    curve: text(device["curve"], "device.curve"),
    scalar: hex(device["scalar"], "device.scalar"),
    certificates: hex(device["certificates"], "device.certificates"),
  };
}

function decodePin(json: unknown, what: string): StoredPin | null {
  if (json === null) return null;
  const pin = record(json, what);
  const tries = whole(pin["tries"], `${what}.tries`, 15);
  return { value: hex(pin["value"], what), tries, triesLeft: whole(pin["triesLeft"], `${what}.triesLeft`, tries) };
}

function decodeKeyLogin(json: Readonly<Record<string, unknown>>): PublicKeyLogin {
  const total = whole(json["total"], "publicKeys.total", 90);
  const registered = list(json["registered"] ?? [], "publicKeys.registered").map((key) => {
    const { chr, curve, point } = record(key, "registered key");
    return {
      chr: text(chr, "registered key chr"),
      curve: text(curve, "registered key curve"),
      point: hex(point, "registered key"),
    };
  });
  if (registered.length > total) throw invalid("more keys are registered than there is room for");
  return { total, required: whole(json["required"], "publicKeys.required", 90), registered };
}

function decodeDomain(json: unknown): KeyDomain | null {
  if (json === null) return null;
  const domain = record(json, "key domain");
  const shares = whole(domain["shares"], "key domain shares", 255);
  const key = hex(domain["key"], "key domain key");
  if (key.length !== 32) throw invalid("a key domain's key has not 32 bytes");
  return { shares, outstanding: whole(domain["outstanding"], "key domain outstanding", shares), key };
}

function decodeKey(key: Readonly<Record<string, unknown>>): StoredKey {
  const rules = decodeRules(record(key["rules"], "key rules"));
  if (key["kind"] === "rsa") return { kind: "rsa", pkcs8: hex(key["pkcs8"], "key"), rules };
  if (key["kind"] === "aes") {
    const value = hex(key["value"], "key");
    if (![16, 24, 32].includes(value.length)) throw invalid("an AES key has not 128, 192 or 256 bits");
    return { kind: "aes", value, rules };
  }
  if (key["kind"] !== "ec") throw invalid("a key is neither RSA, EC nor AES");
  return { kind: "ec", curve: text(key["curve"], "key curve"), scalar: hex(key["scalar"], "key"), rules };
}

function decodeRules(rules: Readonly<Record<string, unknown>>): KeyRules {
  return {
    usesLeft: rules["usesLeft"] === null ? undefined : whole(rules["usesLeft"], "key uses", 0xffff_ffff),
    algorithms: hex(rules["algorithms"], "key algorithms"),
    domain: whole(rules["domain"], "key domain", 255),
  };
}

function hexId(id: number, width: number): string {
  return id.toString(16).toUpperCase().padStart(width, "0");
}

function entries(json: unknown, what: string, width: number): [number, unknown][] {
  return Object.entries(record(json, what)).map(([id, value]) => {
    if (id.length !== width || !/^[0-9A-F]+$/.test(id)) throw invalid(`${what}: an id is not ${width} hex digits`);
    return [Number.parseInt(id, 16), value];
  });
}

function record(json: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw invalid(`${what} is no JSON object`);
  return json as Readonly<Record<string, unknown>>;
}

function list(json: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(json) || json.length > 256) throw invalid(`${what} is no list of at most 256`);
  return json;
}

function text(json: unknown, what: string): string {
  if (typeof json !== "string" || json.length === 0) throw invalid(`${what} is no text`);
  return json;
}

function flag(json: unknown, what: string): boolean {
  if (typeof json !== "boolean") throw invalid(`${what} is neither true nor false`);
  return json;
}

function whole(json: unknown, what: string, most: number): number {
  if (typeof json !== "number" || !Number.isInteger(json) || json < 0 || json > most) {
    throw invalid(`${what} is no whole number from 0 to ${most}`);
  }
  return json;
}

function hex(json: unknown, what: string): Uint8Array {
  if (typeof json !== "string" || json.length % 2 !== 0 || !/^[0-9A-Fa-f]*$/.test(json))
    throw invalid(`${what} is no hex`);
  return fromHex(json);
}

// The offending value itself is not told: it may be a key or a PIN.
function invalid(problem: string): HsmError {
  return new HsmError("TOKEN_FILE_INVALID", "check-failed", `simulated token: ${problem}`, {
    advice: "the file was left as it is; `hsmadm simulator remove` deletes it, another name begins a new token",
  });
}
