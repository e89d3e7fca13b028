import { toHex } from "../../bytes/hex.ts";
import { readTlv } from "../../bytes/tlv.ts";
import { fileIds } from "../../cards/smartcard-hsm/file-ids.ts";
import { keyName, type TokenKey } from "../../cards/smartcard-hsm/keys/token-key.ts";
import {
  type CertificateDescription,
  decodeCertificateDescription,
} from "../../cards/smartcard-hsm/pkcs15-file-description.ts";
import type { SmartCardHsm } from "../../cards/smartcard-hsm/smartcard-hsm.ts";
import { type CertificateFacts, readCertificate } from "../../crypto/x509/certificate-read.ts";
import { HsmError } from "../../errors.ts";
import { fileText } from "./attestations.ts";

/** An X.509 certificate on the token: of a key (EF CExx), or of an authority (EF CAxx, described by EF C8xx). */
export interface TokenCertificate {
  readonly holder: "key" | "authority";
  /** The low byte of its file: the key reference of a key. */
  readonly ref: number;
  readonly fid: number;
  /** The key's own for a key's certificate. */
  readonly label: string;
  readonly id: Uint8Array;
  readonly der: Uint8Array;
  /** `null` where it cannot be read; `problem` says why. */
  readonly facts: CertificateFacts | null;
  readonly problem: string | null;
  /** The key, with what stands beside it. */
  readonly key: TokenKey | null;
}

type Reader = Pick<SmartCardHsm, "listKeys" | "listFiles" | "readFile">;

/** Every X.509 certificate on the token, those of keys first. No login needed. */
export async function listCertificates(card: Reader): Promise<TokenCertificate[]> {
  const found: TokenCertificate[] = [];
  for (const key of await card.listKeys()) {
    const { ref, label, id, certificateBytes } = key;
    // One that cannot be read is of no kind, but begins as one.
    if (certificateBytes === null || certificateBytes[0] !== 0x30) continue;
    const fid = fileIds.certificate + ref;
    found.push({ holder: "key", ref, fid, label, id, key, ...(await factsOf(certificateBytes)) });
  }
  for (const ref of authorityNumbers(await card.listFiles())) {
    const fid = fileIds.authorityCertificate + ref;
    const bytes = await readOrNone(card, fid);
    // Pico HSM keeps card verifiable certificates in the same place.
    if (bytes === null || bytes[0] !== 0x30) continue;
    const { label, id } = await described(card, ref);
    found.push({ holder: "authority", ref, fid, label, id, key: null, ...(await factsOf(bytes)) });
  }
  return found;
}

/** A Pico HSM lists the description only, another program may have written the certificate only. */
function authorityNumbers(files: readonly number[]): number[] {
  const prefixes: readonly number[] = [fileIds.authorityCertificate, fileIds.certificateDescription];
  const numbers = files.filter((fid) => prefixes.includes(fid & 0xff00)).map((fid) => fid & 0xff);
  return [...new Set(numbers)].sort((a, b) => a - b);
}

async function described(card: Reader, ref: number): Promise<Pick<CertificateDescription, "label" | "id">> {
  const bytes = await readOrNone(card, fileIds.certificateDescription + ref);
  try {
    if (bytes !== null) return decodeCertificateDescription(bytes);
  } catch (error) {
    if (!(error instanceof HsmError)) throw error;
  }
  return { label: "", id: new Uint8Array(0) };
}

async function factsOf(bytes: Uint8Array): Promise<Pick<TokenCertificate, "der" | "facts" | "problem">> {
  try {
    // Behind it may stand the end of an older, longer one.
    const der = readTlv(bytes, "certificate").raw;
    return { der, facts: await readCertificate(der), problem: null };
  } catch (error) {
    if (!(error instanceof HsmError)) throw error;
    return { der: bytes, facts: null, problem: error.message };
  }
}

async function readOrNone(card: Reader, fid: number): Promise<Uint8Array | null> {
  try {
    const bytes = await card.readFile(fid);
    return bytes.length === 0 ? null : bytes;
  } catch (error) {
    if (error instanceof HsmError && error.code === "FILE_NOT_FOUND") return null;
    throw error;
  }
}

/** `certificate of key 5 "tls"`, `certificate ca:1 "Example Root"`. */
export function certificateName({ holder, ref, label }: Pick<TokenCertificate, "holder" | "ref" | "label">): string {
  return holder === "key"
    ? `certificate of ${keyName({ ref, label })}`
    : `certificate ca:${ref} ${keyName({ ref, label }).slice(`key ${ref}`.length)}`.replace(/ +/g, " ").trimEnd();
}

/**
 * The one certificate that is meant: by label, id in hex or key reference of its key, by label or id of an authority's, or
 * `ca:N`.
 * @throws HsmError `CERTIFICATE_NOT_FOUND`, `CERTIFICATE_AMBIGUOUS` (usage), with the candidates
 */
export function certificateNamed(
  certificates: readonly TokenCertificate[],
  identifier: string,
  token: string,
): TokenCertificate {
  const [, form, rest = ""] = /^(label|id|ref|ca):(.*)$/su.exec(identifier) ?? [];
  const means = (asked: string): string | undefined =>
    form === undefined ? identifier : form === asked ? rest : undefined;
  const id = means("id")?.replace(/[\s:]/g, "").toUpperCase();
  const number = (asked: string): number => (/^\d{1,3}$/.test(means(asked) ?? "") ? Number(means(asked)) : Number.NaN);
  const found = certificates.filter(
    (one) =>
      (one.label !== "" && (one.label === means("label") || one.label === identifier)) ||
      (one.id.length > 0 && toHex(one.id) === id) ||
      (one.holder === "key" ? one.ref === number("ref") : form === "ca" && one.ref === number("ca")),
  );
  const [certificate] = found;
  if (certificate !== undefined && found.length === 1) return certificate;
  const candidates = found.length > 0 ? found : certificates;
  const details = {
    candidates: candidates.map(({ holder, ref, label, fid }) => ({ holder, ref, label, file: fileText(fid) })),
  };
  if (certificate === undefined) {
    const shown = identifier.replace(/[\p{Cc}\p{Cf}]/gu, "?");
    throw new HsmError("CERTIFICATE_NOT_FOUND", "usage", `${token} has no certificate "${shown}"`, {
      advice: "`hsmadm cert list` shows what is there; a key without one gets one by `cert self-sign` or `cert put`",
      token,
      details,
    });
  }
  throw new HsmError(
    "CERTIFICATE_AMBIGUOUS",
    "usage",
    `that may be any of ${found.length} certificates on ${token}: ${found.map(certificateName).join("; ")}`,
    { advice: "say which: `ref:N` for that of a key, `ca:N` for that of an authority", token, details },
  );
}
