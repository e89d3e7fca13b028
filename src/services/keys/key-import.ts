import { createHash } from "node:crypto";
import { fileIds } from "../../cards/smartcard-hsm/file-ids.ts";
import { digestInfo, pkcs1Block } from "../../cards/smartcard-hsm/keys/sign.ts";
import { encodeCertificateDescription } from "../../cards/smartcard-hsm/pkcs15-file-description.ts";
import type { SmartCardHsm } from "../../cards/smartcard-hsm/smartcard-hsm.ts";
import { curveByName } from "../../crypto/curves/curves.ts";
import { ecdsaSign } from "../../crypto/curves/ecdsa.ts";
import { bitLength, fromInteger, modPow, toInteger } from "../../crypto/curves/integers.ts";
import { type CvcPublicKey, ecdsaSha256Oid, rsaSha256Oid } from "../../crypto/cvc/cvc.ts";
import { buildAuthenticatedRequest, buildCvc, type CvcSigner } from "../../crypto/cvc/cvc-build.ts";
import { sealKeyBlob } from "../../crypto/keys/key-blob.ts";
import type { ImportedKey } from "../../crypto/keys/key-import.ts";
import { type PlainKey, type PlainRsaKey, wipeKey } from "../../crypto/keys/plain-key.ts";
import type { DkekKeys } from "../../crypto/shares/dkek.ts";
import { HsmError } from "../../errors.ts";
import { undoKey } from "./keys-new.ts";

export interface ImportWish {
  readonly label: string;
  readonly id?: Uint8Array | undefined;
  readonly ref?: number | undefined;
  /** Algorithm identifiers; absent: all that the key can do. */
  readonly algorithms?: readonly number[] | undefined;
}

/** What of a key goes on the token, wrapped: nothing in it is secret any more. */
export interface ReadyKey {
  readonly kind: PlainKey["kind"];
  readonly bits: number;
  readonly blob: Uint8Array;
  /** X.509 of the file, else a request signed by the key itself, so that its public half is known; AES has none. */
  readonly certificate: Uint8Array | null;
  readonly issuers: readonly Uint8Array[];
}

/** Wraps a key under the DKEK on the host, and forgets it: the key in the clear is wiped. */
export function sealForImport(imported: ImportedKey, dkek: DkekKeys, wish: ImportWish): ReadyKey {
  const { key, certificates } = imported;
  try {
    const allowedAlgorithms = wish.algorithms === undefined ? undefined : Uint8Array.from(wish.algorithms);
    const blob = sealKeyBlob(key, dkek, { allowedAlgorithms });
    const [own, ...issuers] = certificates;
    return { kind: key.kind, bits: keyBits(key), blob, certificate: own ?? ownRequest(key), issuers };
  } finally {
    wipeKey(key);
  }
}

export function keyBits(key: PlainKey): number {
  if (key.kind === "rsa") return bitLength(key.modulus);
  return key.kind === "aes" ? 8 * key.value.length : bitLength(curveByName(key.curve)?.p ?? new Uint8Array(0));
}

const requestCar = "UTCA00001";
const requestChr = "UTIMPORTED00001";

/**
 * A request as key generation leaves beside a key, so that its public half is known: OpenSC reads authenticated ones only.
 * Inside and outside it is signed by the imported key, and says so: no device vouches for where that key came from.
 */
function ownRequest(key: PlainKey): Uint8Array | null {
  if (key.kind === "aes") return null;
  const content = { car: requestCar, chr: requestChr };
  const authenticated = (publicKey: CvcPublicKey, sign: CvcSigner): Uint8Array =>
    buildAuthenticatedRequest(buildCvc({ ...content, publicKey }, sign), requestChr, sign);
  if (key.kind === "rsa") {
    const publicKey = { kind: "rsa", oid: rsaSha256Oid, modulus: key.modulus, exponent: key.exponent } as const;
    return authenticated(publicKey, (body) => rsaSignature(key, body));
  }
  const curve = curveByName(key.curve);
  if (curve === undefined) return null;
  const publicKey = { kind: "ec", oid: ecdsaSha256Oid, point: key.point, curve: key.curve } as const;
  return authenticated(publicKey, (body) => ecdsaSign(curve, key.scalar, body, "sha256"));
}

/** PKCS#1 v1.5 with SHA-256. Here because not every key has the factors that OpenSSL wants. */
function rsaSignature({ modulus, privateExponent }: PlainRsaKey, body: Uint8Array): Uint8Array {
  const digest = new Uint8Array(createHash("sha256").update(body).digest());
  const block = pkcs1Block(digestInfo(digest, "sha256"), modulus.length);
  const value = modPow(toInteger(block), toInteger(privateExponent), toInteger(modulus));
  return fromInteger(value, modulus.length);
}

export interface ImportOutcome {
  readonly ref: number;
  /** Files of the issuers' certificates. */
  readonly issuerFiles: readonly number[];
}

/**
 * Puts a wrapped key on the token, with description, certificate and the certificates of its issuers. What fails before
 * the key is whole takes it away again. Needs a login.
 * @throws HsmError as `SmartCardHsm.unwrapKey`; `KEY_NOT_DESCRIBED`, `ISSUERS_NOT_WRITTEN` (partial)
 */
export async function importOnToken(
  card: Pick<
    SmartCardHsm,
    "unwrapKey" | "writeKeyDescription" | "writeKeyCertificate" | "deleteKey" | "listFiles" | "writeFile"
  >,
  ready: ReadyKey,
  wish: ImportWish,
  token: string,
): Promise<ImportOutcome> {
  const { kind, bits } = ready;
  const { label } = wish;
  const ref = await card.unwrapKey(ready.blob, wish.ref);
  const id = wish.id ?? Uint8Array.of(ref);
  try {
    await card.writeKeyDescription(ref, { kind, bits, label, id, keyReference: ref, local: false });
    if (ready.certificate !== null) await card.writeKeyCertificate(ref, ready.certificate);
  } catch (error) {
    return undoKey(card, ref, error, token);
  }
  try {
    return { ref, issuerFiles: await writeIssuers(card, ready.issuers, label) };
  } catch (cause) {
    throw new HsmError(
      "ISSUERS_NOT_WRITTEN",
      "partial",
      `key ${ref} is on ${token}, not all certificates of its issuers are`,
      { advice: "the key can be used; its chain must come from elsewhere", token, details: { ref }, cause },
    );
  }
}

/** Into EF CAxx with their descriptions in C8xx, where PKCS#11 programs look for authorities. */
async function writeIssuers(
  card: Pick<SmartCardHsm, "listFiles" | "writeFile">,
  issuers: readonly Uint8Array[],
  label: string,
): Promise<number[]> {
  if (issuers.length === 0) return [];
  const taken = new Set((await card.listFiles()).filter(isAuthority).map((fid) => fid & 0xff));
  const written: number[] = [];
  for (const [i, certificate] of issuers.entries()) {
    const place = freePlace(taken);
    taken.add(place);
    const fid = fileIds.authorityCertificate + place;
    await card.writeFile(fid, certificate);
    const description = { label: `${label} issuer ${i + 1}`, id: Uint8Array.of(place), authority: true, fid };
    await card.writeFile(fileIds.certificateDescription + place, encodeCertificateDescription(description));
    written.push(fid);
  }
  return written;
}

function isAuthority(fid: number): boolean {
  const prefix = fid & 0xff00;
  return prefix === fileIds.authorityCertificate || prefix === fileIds.certificateDescription;
}

function freePlace(taken: ReadonlySet<number>): number {
  for (let place = 1; place <= 255; place++) if (!taken.has(place)) return place;
  throw new HsmError("TOKEN_FULL", "conflict", "there is no place for another certificate of an authority");
}
