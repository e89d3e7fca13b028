import type { SafeBag } from "pkijs";
import { HsmError, messageOf } from "../../errors.ts";

/** What a PKCS#12 file (RFC 7292) holds, its key still as it was: shrouded or in the clear. */
export interface Pkcs12Content {
  /** DER of `EncryptedPrivateKeyInfo` (shrouded) or `PrivateKeyInfo`. */
  readonly keys: readonly { readonly der: Uint8Array; readonly shrouded: boolean; readonly localId: string }[];
  /** X.509, DER, in the order of the file. */
  readonly certificates: readonly { readonly der: Uint8Array; readonly localId: string }[];
  readonly friendlyName: string | undefined;
}

const attributeOids = { friendlyName: "1.2.840.113549.1.9.20", localKeyId: "1.2.840.113549.1.9.21" } as const;
const bagOids = {
  key: "1.2.840.113549.1.12.10.1.1",
  shroudedKey: "1.2.840.113549.1.12.10.1.2",
  certificate: "1.2.840.113549.1.12.10.1.3",
} as const;

/**
 * Checks the file's MAC, then opens it. `pkijs` does the work and is loaded for it alone.
 * @throws HsmError `KEY_PASSWORD_WRONG` (authentication) when the MAC does not fit, `KEY_FILE_INVALID` (check-failed),
 *   `PKCS12_OLD` (not-supported) for content under the old ciphers (RC2, 3DES)
 */
export async function openPkcs12(bytes: Uint8Array, password: Uint8Array): Promise<Pkcs12Content> {
  const [pkijs, asn1js] = await Promise.all([import("pkijs"), import("asn1js")]);
  const secret = password.slice().buffer;
  const decoded = asn1js.fromBER(bytes.slice().buffer);
  if (decoded.offset === -1) throw invalid("its DER does not hold together");
  let pfx: InstanceType<typeof pkijs.PFX>;
  try {
    pfx = new pkijs.PFX({ schema: decoded.result });
  } catch (cause) {
    throw invalid("not a PKCS#12 structure", cause);
  }
  if (pfx.macData === undefined) throw invalid("it has no MAC over its content (signed files are not supported)");
  try {
    await pfx.parseInternalValues({ password: secret, checkIntegrity: true });
  } catch (cause) {
    // pkijs reports a MAC that does not fit and content that it cannot read alike, as errors with a sentence.
    if (/integrity/i.test(messageOf(cause))) throw wrongPassword(cause);
    throw invalid(messageOf(cause), cause);
  }
  const safe = pfx.parsedValue?.authenticatedSafe;
  if (safe === undefined) throw invalid("it is empty");
  try {
    await safe.parseInternalValues({ safeContents: safe.safeContents.map(() => ({ password: secret })) });
  } catch (cause) {
    throw new HsmError(
      "PKCS12_OLD",
      "not-supported",
      "the content of this PKCS#12 file is under a cipher of old (RC2 or 3DES) or damaged",
      {
        advice: "write it anew: `openssl pkcs12 -legacy -in OLD -nodes | openssl pkcs12 -export -out NEW`",
        cause,
      },
    );
  }
  const contents = safe.parsedValue as {
    readonly safeContents?: readonly { readonly value: { safeBags: SafeBag[] } }[];
  };
  const bags = (contents.safeContents ?? []).flatMap((content) => content.value.safeBags);
  return sorted(bags);
}

function sorted(bags: readonly SafeBag[]): Pkcs12Content {
  const keys: Pkcs12Content["keys"][number][] = [];
  const certificates: Pkcs12Content["certificates"][number][] = [];
  let friendlyName: string | undefined;
  for (const bag of bags) {
    const localId = attribute(bag, attributeOids.localKeyId);
    if (bag.bagId === bagOids.shroudedKey || bag.bagId === bagOids.key) {
      const der = new Uint8Array(bag.bagValue.toSchema().toBER(false));
      keys.push({ der, shrouded: bag.bagId === bagOids.shroudedKey, localId });
      friendlyName ??= attribute(bag, attributeOids.friendlyName) || undefined;
    }
    if (bag.bagId === bagOids.certificate) {
      const { certValue } = bag.bagValue as { readonly certValue?: { getValue?: () => ArrayBuffer } };
      if (typeof certValue?.getValue !== "function") throw invalid("one of its certificates is no X.509");
      certificates.push({ der: new Uint8Array(certValue.getValue()), localId });
    }
  }
  return { keys, certificates, friendlyName };
}

/** As text: a name as it is, an identifier as hex; empty when there is none. */
function attribute(bag: SafeBag, oid: string): string {
  const found = bag.bagAttributes?.find((candidate) => candidate.type === oid);
  const value: unknown = found?.values[0];
  if (typeof value !== "object" || value === null) return "";
  const block = (value as { readonly valueBlock?: { readonly value?: unknown; readonly valueHexView?: Uint8Array } })
    .valueBlock;
  if (typeof block?.value === "string") return block.value;
  return Array.from(block?.valueHexView ?? [], (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function wrongPassword(cause: unknown): HsmError {
  return new HsmError(
    "KEY_PASSWORD_WRONG",
    "authentication",
    "wrong password for this PKCS#12 file (or a damaged file)",
    {
      advice: "nothing was sent to a token; try the password again, or another copy of the file",
      cause,
    },
  );
}

function invalid(problem: string, cause?: unknown): HsmError {
  return new HsmError("KEY_FILE_INVALID", "check-failed", `not a usable PKCS#12 file: ${problem}`, { cause });
}
