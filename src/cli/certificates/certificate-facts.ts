import { toHex } from "../../bytes/hex.ts";
import type { CertificateFacts } from "../../crypto/x509/certificate-read.ts";
import { fileText } from "../../services/certificates/attestations.ts";
import type { TokenCertificate } from "../../services/certificates/certificate-store.ts";
import type { Document } from "../output.ts";

/** A certificate as JSON documents tell it; what cannot be read is `null`. */
export function certificateFacts(facts: CertificateFacts | null, now: Date): Document {
  return {
    subject: facts?.subject ?? null,
    issuer: facts?.issuer ?? null,
    serialNumber: facts?.serialNumber ?? null,
    notBefore: facts?.notBefore.toISOString() ?? null,
    notAfter: facts?.notAfter.toISOString() ?? null,
    state: facts === null ? null : stateOf(facts, now),
    authority: facts?.authority ?? null,
    selfIssued: facts?.selfIssued ?? null,
    alternativeNames: facts?.alternativeNames ?? [],
    keyUsage: facts?.keyUsage ?? [],
    extKeyUsage: facts?.keyPurposes ?? [],
    signature: facts?.signature ?? null,
    sha256: facts?.fingerprint ?? null,
  };
}

/** A certificate on the token, as JSON documents tell it. */
export function tokenCertificateFacts(certificate: TokenCertificate, now: Date): Document {
  const { holder, ref, label, id, fid, facts, problem } = certificate;
  return { holder, ref, label, id: toHex(id), file: fileText(fid), ...certificateFacts(facts, now), problem };
}

export function stateOf({ notBefore, notAfter }: CertificateFacts, now: Date): "valid" | "expired" | "not-yet-valid" {
  if (now < notBefore) return "not-yet-valid";
  return now > notAfter ? "expired" : "valid";
}

/** `2027-11-20`, with what is wrong with it. */
export function untilWords(facts: CertificateFacts, now: Date): string {
  const state = stateOf(facts, now);
  const day = (date: Date) => date.toISOString().slice(0, 10);
  if (state === "not-yet-valid") return `${day(facts.notAfter)} (not before ${day(facts.notBefore)})`;
  return state === "expired" ? `${day(facts.notAfter)} EXPIRED` : day(facts.notAfter);
}
