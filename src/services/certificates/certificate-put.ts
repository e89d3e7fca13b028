import { equal } from "../../bytes/bytes.ts";
import { fileIds } from "../../cards/smartcard-hsm/file-ids.ts";
import { parsePublicKeyInfo } from "../../cards/smartcard-hsm/keys/public-key.ts";
import { keyName, type TokenKey } from "../../cards/smartcard-hsm/keys/token-key.ts";
import { encodeCertificateDescription } from "../../cards/smartcard-hsm/pkcs15-file-description.ts";
import type { SmartCardHsm } from "../../cards/smartcard-hsm/smartcard-hsm.ts";
import { publicKeyDer } from "../../crypto/keys/public-key-formats.ts";
import type { CertificateFacts } from "../../crypto/x509/certificate-read.ts";
import { keyIdentifier } from "../../crypto/x509/extensions.ts";
import { HsmError } from "../../errors.ts";
import { dropAttestation, findAttestation, freeNumber, keepAttestation } from "./attestations.ts";
import type { TokenCertificate } from "./certificate-store.ts";

/** Where a certificate goes, decided before anything is written. */
export type Placement =
  | { readonly holder: "key"; readonly facts: CertificateFacts; readonly key: TokenKey; readonly there: boolean }
  | {
      readonly holder: "authority";
      readonly facts: CertificateFacts;
      readonly number: number;
      readonly label: string;
      readonly id: Uint8Array;
      readonly there: boolean;
    };

export interface PlacementWishes {
  /** The key it must belong to. */
  readonly key?: TokenKey | undefined;
  /** What belongs to no key is the certificate of an authority. */
  readonly authority: boolean;
  readonly label?: string | undefined;
  readonly id?: Uint8Array | undefined;
  readonly replace: boolean;
}

export interface OnToken {
  readonly keys: readonly TokenKey[];
  readonly certificates: readonly TokenCertificate[];
  readonly files: readonly number[];
  readonly token: string;
}

/**
 * Decides for the certificates of a file where each goes: to the key that it names, by its public key alone, or among the
 * authorities.
 * @throws HsmError `CERTIFICATE_KEY_MISMATCH` (check-failed), `CERTIFICATE_OF_NO_KEY` (usage), `CERTIFICATE_EXISTS` (conflict)
 */
export function placements(all: readonly CertificateFacts[], wishes: PlacementWishes, on: OnToken): Placement[] {
  const { key } = wishes;
  const [first] = all;
  if (key !== undefined && first !== undefined && !all.some((facts) => isOf(facts, key))) {
    throw mismatch(first, key, on);
  }
  let { files } = on;
  return all.map((facts) => {
    const placement = place(facts, wishes, { ...on, files });
    // The next one of an authority must not take the same place.
    if (placement.holder === "authority") files = [...files, fileIds.authorityCertificate + placement.number];
    return placement;
  });
}

function place(facts: CertificateFacts, wishes: PlacementWishes, on: OnToken): Placement {
  const { key: wanted } = wishes;
  // A key and its copy may both be there: the one that was named is meant.
  const key = [...(wanted === undefined ? [] : [wanted]), ...on.keys].find((candidate) => isOf(facts, candidate));
  if (wanted !== undefined && key !== undefined && key.ref !== wanted.ref) throw mismatch(facts, wanted, on);
  if (key !== undefined) return beside(key, facts, wishes, on);
  if (!wishes.authority) throw ofNoKey(facts, on.token);
  const same = on.certificates.find(({ holder, der }) => holder === "authority" && equal(der, facts.der));
  const number = same?.ref ?? freeNumber(on.files, 1, [fileIds.authorityCertificate, fileIds.certificateDescription]);
  return {
    holder: "authority",
    facts,
    number,
    label: wishes.label ?? commonName(facts),
    id: wishes.id ?? facts.keyIdentifier ?? keyIdentifier(facts.spki),
    there: same !== undefined,
  };
}

function beside(key: TokenKey, facts: CertificateFacts, { replace }: PlacementWishes, { token }: OnToken): Placement {
  const there = key.certificateBytes !== null && equal(key.certificateBytes, facts.der);
  if (!there) needRoom(key, replace, token);
  return { holder: "key", facts, key, there };
}

/** @throws HsmError `CERTIFICATE_EXISTS` (conflict) where a certificate stands beside the key and is not to be replaced */
export function needRoom(key: TokenKey, replace: boolean, token: string): void {
  if (key.certificate !== "x509" || replace) return;
  throw new HsmError("CERTIFICATE_EXISTS", "conflict", `${keyName(key)} on ${token} has a certificate already`, {
    advice: "`hsmadm cert get` saves it; give `--yes` to replace it; nothing was changed",
    token,
  });
}

/** Whether the certificate speaks of this very key. */
export function isOf({ spki }: Pick<CertificateFacts, "spki">, { publicKey }: Pick<TokenKey, "publicKey">): boolean {
  if (publicKey === null) return false;
  try {
    return equal(publicKeyDer(parsePublicKeyInfo(spki)), publicKeyDer(publicKey));
  } catch (error) {
    // A kind of key that no token has, such as Ed25519.
    if (error instanceof HsmError) return false;
    throw error;
  }
}

/**
 * Writes a certificate to its place; the request that stood in a key's place is kept elsewhere first. Needs a login.
 * @returns the file of the certificate, and the file the request is in now
 */
export async function putCertificate(
  card: Pick<SmartCardHsm, "writeKeyCertificate" | "writeFile" | "listFiles" | "readFile">,
  placement: Placement,
): Promise<{ readonly fid: number; readonly attestation: number | null }> {
  const { facts } = placement;
  if (placement.holder === "key") {
    const { key } = placement;
    const attestation = await keepAttestation(card, key);
    if (!placement.there) await card.writeKeyCertificate(key.ref, facts.der);
    return { fid: fileIds.certificate + key.ref, attestation };
  }
  const { number, label, id } = placement;
  const fid = fileIds.authorityCertificate + number;
  if (!placement.there) await card.writeFile(fid, facts.der);
  // OpenSC calls every certificate without a key one of an authority.
  const description = encodeCertificateDescription({ label, id, authority: true, fid });
  await card.writeFile(fileIds.certificateDescription + number, description);
  return { fid, attestation: null };
}

/**
 * Deletes a certificate. In the place of a key's goes the request that was kept; where none was kept the file is deleted,
 * and nothing on the token tells the public half any more. Needs a login.
 * @returns whether the request of the key is back
 */
export async function deleteCertificate(
  card: Pick<SmartCardHsm, "writeKeyCertificate" | "deleteFile" | "listFiles" | "readFile">,
  certificate: TokenCertificate,
): Promise<{ readonly restored: boolean }> {
  const { key, ref, fid } = certificate;
  const attestation = key === null ? null : await findAttestation(card, key);
  if (key !== null && attestation !== null) {
    await card.writeKeyCertificate(ref, attestation.request);
    await dropAttestation(card, attestation);
    return { restored: true };
  }
  await card.deleteFile(fid);
  if (certificate.holder === "authority") await deleteIfThere(card, fileIds.certificateDescription + ref);
  return { restored: false };
}

async function deleteIfThere(card: Pick<SmartCardHsm, "deleteFile">, fid: number): Promise<void> {
  try {
    await card.deleteFile(fid);
  } catch (error) {
    if (!(error instanceof HsmError) || error.code !== "FILE_NOT_FOUND") throw error;
  }
}

/** The name an authority is shown by: its CN, else the whole subject, as long as labels may be. */
function commonName({ subject }: CertificateFacts): string {
  const [, name] = /(?:^|,)CN=((?:[^,+\\]|\\.)*)/.exec(subject) ?? [];
  return (name ?? subject).replace(/\\(.)/g, "$1").slice(0, 64);
}

function mismatch(facts: CertificateFacts, wanted: TokenKey, { keys, token }: OnToken): HsmError {
  const real = keys.find((key) => isOf(facts, key));
  const whose = real === undefined ? "a key that is not on it" : keyName(real);
  const message = `the certificate of ${facts.subject || "nobody"} does not belong to ${keyName(wanted)} on ${token}`;
  return new HsmError("CERTIFICATE_KEY_MISMATCH", "check-failed", message, {
    advice: `it belongs to ${whose}; nothing was changed`,
    token,
  });
}

function ofNoKey(facts: CertificateFacts, token: string): HsmError {
  const message = `the certificate of ${facts.subject || "nobody"} belongs to no key on ${token}`;
  return new HsmError("CERTIFICATE_OF_NO_KEY", "usage", message, {
    advice: "give --authority to store it as that of an authority; nothing was changed",
    token,
  });
}
