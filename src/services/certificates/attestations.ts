import { equal } from "../../bytes/bytes.ts";
import { hexNumber } from "../../bytes/hex.ts";
import { fileIds } from "../../cards/smartcard-hsm/file-ids.ts";
import { parseKeyCertificate } from "../../cards/smartcard-hsm/keys/public-key.ts";
import type { TokenKey } from "../../cards/smartcard-hsm/keys/token-key.ts";
import {
  type DataDescription,
  decodeDataDescription,
  encodeDataDescription,
} from "../../cards/smartcard-hsm/pkcs15-file-description.ts";
import type { SmartCardHsm } from "../../cards/smartcard-hsm/smartcard-hsm.ts";
import { publicKeyDer } from "../../crypto/keys/public-key-formats.ts";
import { HsmError } from "../../errors.ts";

/**
 * The authenticated request that proves where a key was made stands in EF CExx until a certificate takes its place: the
 * card has no other for it. Then the request is kept as a public data object, EF CFyy described by EF C9yy, where PKCS#11
 * programs see it as `attestation` of the application `hsmadm`, and backups take it along. Which key it belongs to is told
 * by the public key in it alone: a restored key may stand elsewhere.
 */
const application = "hsmadm";
const label = "attestation";

type Reader = Pick<SmartCardHsm, "listFiles" | "readFile">;

export interface Attestation {
  readonly request: Uint8Array;
  /** The file it stands in: `0xce05` or `0xcf05`. */
  readonly fid: number;
}

type KeyFiles = Pick<TokenKey, "ref" | "certificate" | "certificateBytes" | "publicKey">;

/** The request of a key, in its own place or kept; `null` when there is none (an imported key never had one). */
export async function findAttestation(card: Reader, key: KeyFiles): Promise<Attestation | null> {
  if (key.certificate === "request" && key.certificateBytes !== null) {
    return { request: key.certificateBytes, fid: fileIds.certificate + key.ref };
  }
  const { publicKey } = key;
  if (publicKey === null) return null;
  const wanted = publicKeyDer(publicKey);
  const kept = await keptAttestations(card);
  return kept.find(({ request }) => equal(publicKeyDer(parseKeyCertificate(request).publicKey), wanted)) ?? null;
}

/** Every request that was kept on the token. */
async function keptAttestations(card: Reader): Promise<Attestation[]> {
  const found: Attestation[] = [];
  for (const fid of await card.listFiles()) {
    if ((fid & 0xff00) !== fileIds.dataDescription) continue;
    const description = await tolerated(async () => decodeDataDescription(await card.readFile(fid)));
    if (description === null || !isOurs(description)) continue;
    const place = fileIds.publicData + (fid & 0xff);
    const request = await tolerated(async () => parseKeyCertificate(await card.readFile(place)));
    if (request?.kind === "request") found.push({ request: request.raw, fid: place });
  }
  return found;
}

function isOurs(description: DataDescription): boolean {
  return description.application === application && description.label === label && !description.secret;
}

/**
 * Keeps the request of a key before something else takes its place; does nothing when it is kept already or there is none.
 * Needs a login.
 * @returns the file it stands in from then on
 */
export async function keepAttestation(
  card: Reader & Pick<SmartCardHsm, "writeFile">,
  key: KeyFiles,
): Promise<number | null> {
  const kept = await findAttestation(card, { ...key, certificate: null });
  if (kept !== null) return kept.fid;
  if (key.certificate !== "request" || key.certificateBytes === null) return null;
  const number = freeNumber(await card.listFiles(), key.ref, [
    fileIds.dataDescription,
    fileIds.publicData,
    fileIds.secretData,
  ]);
  const fid = fileIds.publicData + number;
  // What it is comes last: broken off in between, there is nothing that anybody would take for whole.
  await card.writeFile(fid, key.certificateBytes);
  const description = encodeDataDescription({ label, application, secret: false, fid });
  await card.writeFile(fileIds.dataDescription + number, description);
  return fid;
}

/** Takes a kept request away, once it stands in the key's own place again. Needs a login. */
export async function dropAttestation(card: Pick<SmartCardHsm, "deleteFile">, { fid }: Attestation): Promise<void> {
  if ((fid & 0xff00) !== fileIds.publicData) return;
  await card.deleteFile(fileIds.dataDescription + (fid & 0xff));
  await card.deleteFile(fid);
}

/**
 * A number that none of these kinds of file has, the wished one where it is free.
 * @throws HsmError `TOKEN_FULL` (conflict)
 */
export function freeNumber(files: readonly number[], wished: number, prefixes: readonly number[]): number {
  const taken = new Set(files.filter((fid) => prefixes.includes(fid & 0xff00)).map((fid) => fid & 0xff));
  for (const number of [wished, ...Array.from({ length: 255 }, (_, i) => i + 1)]) {
    if (number !== 0 && !taken.has(number)) return number;
  }
  throw new HsmError("TOKEN_FULL", "conflict", "the token has no free place for another file of this kind", {
    advice: "delete certificates or data objects that are no longer needed",
  });
}

/** `CE05`. */
export function fileText(fid: number): string {
  return hexNumber(fid, 4);
}

/** What cannot be read is not ours. */
async function tolerated<Result>(work: () => Promise<Result>): Promise<Result | null> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof HsmError && (error.kind === "check-failed" || error.code === "FILE_NOT_FOUND")) return null;
    throw error;
  }
}
