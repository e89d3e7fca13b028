import { type CborMap, type CborValue, encodeCbor } from "../cbor.ts";
import type { Device } from "../device.ts";

/** authenticatorGetInfo (04). */
export async function getInfo({ profile, state }: Device): Promise<Uint8Array> {
  const known: [string, boolean][] = [
    ["rk", true],
    ["up", profile.tellsUp],
    ["plat", false],
    ["alwaysUv", state.alwaysUv],
    ["authnrCfg", true],
    ["clientPin", state.pin !== null],
    ["pinUvAuthToken", true],
    ["makeCredUvNotRqd", !state.alwaysUv && !profile.credentialsWantPin],
  ];
  const options = known.filter(([name]) => !profile.untoldOptions.includes(name));
  const versions = profile.versions.filter((version) => version !== "U2F_V2" || !state.alwaysUv);
  const algorithm: CborMap = new Map<string, CborValue>([
    ["alg", -7],
    ["type", "public-key"],
  ]);
  return encodeCbor(
    new Map<number, CborValue>([
      [0x01, versions],
      [0x02, profile.extensions],
      [0x03, profile.aaguid],
      [0x04, new Map(options)],
      [0x05, profile.maxMessage],
      [0x06, profile.pinProtocols],
      [0x07, profile.maxCredentialsInList],
      [0x08, profile.credentialIdLength],
      [0x09, profile.transports],
      [0x0a, [algorithm]],
      [0x0c, false],
      [0x0d, minPinLength],
      [0x0e, profile.firmwareVersion],
      [0x14, profile.maxResidents - state.residents.length],
      ...(profile.lock === null ? [] : [[0x15, profile.lock.ids.map(asShort)] as const]),
    ]),
  );
}

/** What fits is written as a number: both come out as the shortest integer. */
function asShort(id: bigint): number | bigint {
  return id <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(id) : id;
}

/** In code points. */
export const minPinLength = 4;
