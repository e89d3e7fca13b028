import { createHash } from "node:crypto";
import { equal } from "../../bytes/bytes.ts";
import { fromHex, toHex } from "../../bytes/hex.ts";
import { parsePublicKeyInfo } from "../../cards/smartcard-hsm/keys/public-key.ts";
import type { TrustedRoot } from "../../crypto/cvc/cvc-chain.ts";
import { type PublicKey, publicKeyDer } from "../../crypto/keys/public-key-formats.ts";
import { HsmError } from "../../errors.ts";
import { needSameKey, verifyAttestation } from "../attestation/attestation-verify.ts";
import { checkSignature } from "../keys/keys-signature.ts";
import { broken, type CeremonyRecord, closingMessage } from "./ceremony-chain.ts";
import type { CeremonyClosing, KeyOrigin } from "./ceremony-entry.ts";

/** Who closed a record, as far as the record itself proves it. */
export interface CeremonySignature {
  readonly publicKey: PublicKey;
  /** SHA-256 of the public key (SubjectPublicKeyInfo), hex: what an officer compares with what was written down. */
  readonly fingerprint: string;
  readonly origin: SigningKeyOrigin;
}

/**
 * Where the signing key was made.
 * - `attested`: in the token `chr`, whose certificate leads to `root`
 * - `not-verifiable`: a token says so that nobody known vouches for, an emulator
 * - `unknown`: the record has no attestation; the key was imported, or its request overwritten
 */
export type SigningKeyOrigin =
  | { readonly status: "attested"; readonly chr: string; readonly root: TrustedRoot }
  | { readonly status: "not-verifiable"; readonly reason: string }
  | { readonly status: "unknown" };

/**
 * Checks the signature that closes a record, and what shows where its key was made. Which key may close the record is for
 * the caller to know: anybody can sign with a key of their own.
 * @param roots the officer's own, besides those everybody knows
 * @throws HsmError `CEREMONY_SIGNATURE_WRONG`, `CEREMONY_ATTESTATION_WRONG` (check-failed)
 */
export function checkClosing(closing: CeremonyClosing, roots: readonly TrustedRoot[] = []): CeremonySignature {
  const { key, hash, scheme, signature } = closing;
  const publicKey = readKey(key.publicKey);
  const fits = publicKey !== null && schemeOf(publicKey) === scheme;
  if (!fits || !closingHolds(publicKey, hash, fromHex(signature))) {
    throw broken("CEREMONY_SIGNATURE_WRONG", "the signature that closes it is not of the key beside it");
  }
  return { publicKey, fingerprint: fingerprintOf(publicKey), origin: originOf(key.attestation, publicKey, roots) };
}

/** Whether the key made this signature over the hash of a closing entry. ECDSA in DER, or PKCS#1 v1.5; SHA-256. */
export function closingHolds(key: PublicKey, hash: string, signature: Uint8Array): boolean {
  const check = checkSignature(key, key.kind === "rsa" ? "pkcs1" : "ecdsa", "sha256");
  check.update(closingMessage(hash));
  return check.holds(signature);
}

export function schemeOf(key: PublicKey): CeremonyClosing["scheme"] {
  return key.kind === "rsa" ? "rsa-pkcs1-sha256" : "ecdsa-sha256";
}

export function fingerprintOf(key: PublicKey): string {
  return toHex(createHash("sha256").update(publicKeyDer(key)).digest()).toLowerCase();
}

/** @throws HsmError `CEREMONY_NOT_CLOSED` (check-failed) */
export function requireClosing({ closing }: CeremonyRecord): CeremonyClosing {
  if (closing !== null) return closing;
  throw broken("CEREMONY_NOT_CLOSED", "no signature closes it: it is open still, or its end was cut off");
}

/** @throws HsmError `CEREMONY_SIGNER_OTHER` (check-failed) */
export function requireSigner({ publicKey, fingerprint }: CeremonySignature, expected: PublicKey): void {
  if (equal(publicKeyDer(publicKey), publicKeyDer(expected))) return;
  throw broken("CEREMONY_SIGNER_OTHER", `another key closed it than the one that was given (SHA-256 ${fingerprint})`);
}

function readKey(hex: string): PublicKey | null {
  try {
    const key = parsePublicKeyInfo(fromHex(hex));
    return equal(publicKeyDer(key), fromHex(hex)) ? key : null;
  } catch {
    return null;
  }
}

function originOf(
  attestation: KeyOrigin | null,
  publicKey: PublicKey,
  roots: readonly TrustedRoot[],
): SigningKeyOrigin {
  if (attestation === null) return { status: "unknown" };
  const { request, certificates } = attestation;
  const file = { request: fromHex(request), certificates: certificates.map((each) => fromHex(each)) };
  try {
    const attested = verifyAttestation(file, { roots, at: null });
    needSameKey(attested, publicKey);
    return { status: "attested", chr: attested.device.chr, root: attested.root };
  } catch (cause) {
    if (!(cause instanceof HsmError)) throw cause;
    if (cause.code === "ATTESTATION_ROOT_UNKNOWN") return { status: "not-verifiable", reason: cause.message };
    throw broken("CEREMONY_ATTESTATION_WRONG", `where its signing key was made is told wrongly: ${cause.message}`);
  }
}
