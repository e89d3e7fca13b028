import { type CborMap, type CborValue, encodeCbor } from "../cbor.ts";
import type { Device } from "../device.ts";

/** authenticatorGetInfo (04). */
export async function getInfo({ profile, state }: Device): Promise<Uint8Array> {
  const options: [string, boolean][] = [
    ["rk", true],
    ...(profile.tellsUp ? ([["up", true]] as [string, boolean][]) : ([["up", false]] as [string, boolean][])),
    ["plat", false],
    ["alwaysUv", state.alwaysUv],
    ["authnrCfg", true],
    ["clientPin", state.pin !== null],
    ["pinUvAuthToken", true],
    ["makeCredUvNotRqd", !state.alwaysUv],
  ];
  const algorithm: CborMap = new Map<string, CborValue>([
    ["alg", -7],
    ["type", "public-key"],
  ]);
  return encodeCbor(
    new Map<number, CborValue>([
      [0x01, profile.versions],
      [0x02, profile.extensions],
      [0x03, profile.aaguid],
      [0x04, new Map(options)],
      [0x05, profile.maxMessage],
      [0x06, [2, 1]],
      [0x07, profile.maxCredentialsInList],
      [0x08, profile.credentialIdLength],
      [0x09, profile.transports],
      [0x0a, [algorithm]],
      [0x0c, false],
      [0x0d, minPinLength],
      [0x0e, profile.firmwareVersion],
      [0x14, profile.maxResidents - state.residents.length],
    ]),
  );
}

/** In code points. */
export const minPinLength = 4;
