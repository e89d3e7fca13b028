import { fromHex } from "../bytes/hex.ts";
import { readTlv } from "../bytes/tlv.ts";
import type { Card } from "./card.ts";
import { fid, type KeyRules, prefix } from "./token-state.ts";

/** Who may do something to a file. */
export type Access = "free" | "login" | "never";

const nothing = new Uint8Array(0);

/** EF.DIR of a pico-hsm, with the name it gives itself. A genuine card has none. */
const picoDirectory = fromHex("61174F0BE82B0601040181C31F020150085069636F2D48534D");

/** Content of a file, empty for keys; `null` when there is no such file. */
export function fileContent(card: Card, id: number): Uint8Array | null {
  const stored = card.state.files.get(id);
  if (stored !== undefined) return stored;
  if (isKeyFile(id)) return hasKey(card, id & 0xff) ? nothing : null;
  if (id === fid.deviceCertificates) {
    return card.state.device?.certificates ?? (card.profile.name === "pico" ? nothing : null);
  }
  if (card.profile.name === "genuine") return null;
  if (id === fid.directory) return picoDirectory;
  if (id === fid.objectDirectory || id === fid.tokenInfo) return nothing;
  if (card.state.device === null) return null;
  if (id === prefix.description << 8) return picoDeviceDescription;
  return id === prefix.certificate << 8 ? readTlv(card.state.device.certificates, "EF 2F02").raw : null;
}

/** C400: label ESPICOHSMTR, an ID of 20 zero bytes (recordings, 05). OpenSC lists it as a key. */
const picoDeviceDescription = fromHex(
  "A038300D0C0B45535049434F48534D5452301B041400000000000000000000000000000000000000000303072080A10A30083002040002020100",
);

export function isKeyFile(id: number): boolean {
  return id >> 8 === prefix.key;
}

function hasKey(card: Card, key: number): boolean {
  return key === 0 ? card.state.device !== null : card.state.keys.has(key);
}

export function keyRulesOf(card: Card, id: number): KeyRules | null {
  return isKeyFile(id) ? (card.state.keys.get(id & 0xff)?.rules ?? null) : null;
}

/** Reference 03 section 3.1. */
export function readAccess(id: number): Access {
  if (isKeyFile(id) || id === fid.scratch) return "never";
  return id >> 8 === prefix.privateData ? "login" : "free";
}

const writablePrefixes: readonly number[] = [
  prefix.description,
  prefix.caDescription,
  prefix.dataDescription,
  prefix.caCertificate,
  prefix.privateData,
  prefix.certificate,
  prefix.publicData,
];

export function writeAccess(card: Card, id: number): Access {
  if (id === fid.tokenInfo || id === fid.scratch) return "login";
  const high = id >> 8;
  // The device key's own description and request on a pico.
  const ofDeviceKey = (id & 0xff) === 0 && (high === prefix.description || high === prefix.certificate);
  if (ofDeviceKey && card.profile.name === "pico") return "never";
  return writablePrefixes.includes(high) ? "login" : "never";
}

export function deleteAccess(card: Card, id: number): Access {
  if (isKeyFile(id)) return (id & 0xff) === 0 ? "never" : "login";
  return writeAccess(card, id);
}

/** Every file and key that ENUMERATE OBJECTS tells, in its order (reference 02 section 2.4). */
export function enumerate(card: Card): number[] {
  const { state, profile } = card;
  const keys = [...state.keys.keys()].sort((a, b) => a - b).map((key) => prefix.key * 256 + key);
  const files = [...state.files.keys()].sort((a, b) => a - b);
  const device = state.device === null ? [] : [prefix.key * 256];
  if (profile.name === "genuine") {
    const listed = files.filter((id) => writablePrefixes.includes(id >> 8));
    return [fid.deviceCertificates, ...listed, ...device, ...keys].sort((a, b) => a - b);
  }
  const of = (high: number) => files.filter((id) => id >> 8 === high);
  const deviceFiles = device.length === 0 ? [] : [prefix.description * 256, ...device];
  return [
    ...deviceFiles,
    ...keys,
    ...of(prefix.description),
    ...of(prefix.caDescription),
    ...of(prefix.dataDescription),
  ];
}
