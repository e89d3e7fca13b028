import { createPrivateKey, X509Certificate } from "node:crypto";
import { equal, utf8Text } from "../../bytes/bytes.ts";
import { HsmError, messageOf } from "../../errors.ts";
import { curveByName } from "../curves/curves.ts";
import { bitLength } from "../curves/integers.ts";
import { type PlainKey, publicBelongsToPrivate } from "./plain-key.ts";
import { pemLabels, privateKeyForm, readPrivateKeyDer } from "./private-key-der.ts";
import { pemText, publicKeyDer } from "./public-key-formats.ts";

/** A key out of a file, on the host only until it is wrapped. */
export interface ImportedKey {
  readonly key: PlainKey;
  /** What the file was, for people: `PKCS#12`, `PEM (EC PRIVATE KEY)`. */
  readonly format: string;
  /** X.509, DER: the key's own certificate first, then its issuers as the file has them. */
  readonly certificates: readonly Uint8Array[];
  /** A name that the file gives the key. */
  readonly label: string | undefined;
}

export interface KeyImportOptions {
  /** Asked for once, and only when the file is encrypted. */
  readonly password?: (() => Promise<Uint8Array>) | undefined;
  /** The file is the bare bytes of an AES key: said by the operator, as any 32 bytes could be one. */
  readonly rawAes?: boolean | undefined;
}

/** A 4096-bit key with a long chain is under 64 KB. */
const maxBytes = 1024 * 1024;

/**
 * Reads a private key of PEM, DER (PKCS#8, encrypted PKCS#8, PKCS#1, SEC 1), PKCS#12, JWK, or a bare AES key, and checks
 * that it is one that a SmartCard-HSM can hold and whose halves belong together.
 * @throws HsmError `KEY_FILE_INVALID`, `KEY_INCONSISTENT` (check-failed), `KEY_PASSWORD_WRONG` (authentication),
 *   `KEY_PASSWORD_MISSING`, `KEY_NOT_PRIVATE`, `KEY_AMBIGUOUS` (usage),
 *   `KEY_KIND_UNSUITED`, `KEY_SIZE_UNSUITED`, `CURVE_UNKNOWN`, `PKCS12_OLD` (not-supported)
 */
export async function importKey(content: Uint8Array, options: KeyImportOptions = {}): Promise<ImportedKey> {
  if (content.length > maxBytes) throw invalid("it is too large for a key");
  const imported = await read(content, options);
  checkHoldable(imported.key);
  if (publicBelongsToPrivate(imported.key) === false) {
    throw new HsmError(
      "KEY_INCONSISTENT",
      "check-failed",
      "the public half of this key does not belong to its private half",
      {
        advice: "the file is damaged or made wrongly, take another copy",
      },
    );
  }
  return { ...imported, certificates: ownFirst(imported.key, imported.certificates) };
}

async function read(content: Uint8Array, options: KeyImportOptions): Promise<ImportedKey> {
  if (options.rawAes === true) {
    return { key: { kind: "aes", value: content.slice() }, format: "bare AES key", certificates: [], label: undefined };
  }
  const text = utf8Text(content);
  if (text?.includes("-----BEGIN ")) return readPem(text, options);
  if (text?.trimStart().startsWith("{")) {
    const { readJwk } = await import("./private-key-jwk.ts");
    return { ...readJwk(text), format: "JWK" };
  }
  const form = privateKeyForm(content);
  if (form === null) {
    if (certificateOf(content) !== null) throw notPrivate("this is a certificate, without a private key");
    throw invalid("neither PEM, DER, PKCS#12 nor JWK");
  }
  if (form === "pkcs12") return readPkcs12(content, options);
  const der =
    form === "pkcs8-encrypted" ? await decrypted(pemText("ENCRYPTED PRIVATE KEY", content), options) : content;
  const key = readPrivateKeyDer(der, form === "pkcs8-encrypted" ? "pkcs8" : form);
  return { key, format: `DER (${form})`, certificates: [], label: undefined };
}

async function readPem(text: string, options: KeyImportOptions): Promise<ImportedKey> {
  const blocks = [...text.matchAll(/-----BEGIN ([A-Z0-9 ]{1,40})-----((?:(?!-----)[\s\S])*)-----END \1-----/g)];
  const keys = blocks.filter((block) => pemLabels[block[1] as string] !== undefined);
  const certificates = blocks
    .filter((block) => block[1] === "CERTIFICATE")
    .map((block) => base64Body(block[2] as string));
  const [block] = keys;
  if (block === undefined) {
    if (/-----BEGIN OPENSSH PRIVATE KEY-----/.test(text)) {
      throw new HsmError("KEY_KIND_UNSUITED", "not-supported", "OpenSSH's own private key format is not read", {
        advice: "convert a copy first: `ssh-keygen -p -m PKCS8 -f COPY`",
      });
    }
    if (/-----BEGIN (?:[A-Z]+ )?(?:PUBLIC KEY|CERTIFICATE)-----/.test(text))
      throw notPrivate("this PEM file holds no private key");
    throw invalid("none of its PEM blocks is whole and a private key");
  }
  if (keys.length > 1) throw ambiguous(keys.length);
  const [whole, label, body] = block as unknown as [string, string, string];
  const form = pemLabels[label];
  const encrypted = form === "pkcs8-encrypted" || body.includes("Proc-Type: 4,ENCRYPTED");
  const der = encrypted ? await decrypted(whole, options) : base64Body(body);
  const clear = encrypted ? "pkcs8" : form;
  if (clear !== "pkcs8" && clear !== "pkcs1" && clear !== "sec1") throw invalid("its PEM label is unknown");
  return { key: readPrivateKeyDer(der, clear), format: `PEM (${label})`, certificates, label: undefined };
}

async function readPkcs12(content: Uint8Array, options: KeyImportOptions): Promise<ImportedKey> {
  const password = await passwordOf(options);
  const { openPkcs12 } = await import("./pkcs12.ts");
  const { keys, certificates, friendlyName } = await openPkcs12(content, password);
  const [first] = keys;
  if (first === undefined) throw notPrivate("this PKCS#12 file holds no private key");
  if (keys.length > 1) throw ambiguous(keys.length);
  const der = first.shrouded
    ? await decrypted(pemText("ENCRYPTED PRIVATE KEY", first.der), { password: async () => password })
    : first.der;
  const key = readPrivateKeyDer(der, "pkcs8");
  return { key, format: "PKCS#12", certificates: certificates.map((entry) => entry.der), label: friendlyName };
}

/** OpenSSL knows all the ways in which private keys are encrypted; what comes out is PKCS#8 in the clear. */
async function decrypted(pem: string, options: KeyImportOptions): Promise<Uint8Array> {
  const passphrase = utf8Text(await passwordOf(options));
  if (passphrase === null) {
    throw new HsmError(
      "KEY_PASSWORD_WRONG",
      "authentication",
      "the password of a private key is text in UTF-8, this is not",
    );
  }
  try {
    return new Uint8Array(createPrivateKey({ key: pem, passphrase }).export({ format: "der", type: "pkcs8" }));
  } catch (cause) {
    if (/unsupported|unknown cipher|digest/i.test(messageOf(cause))) {
      throw new HsmError(
        "KEY_KIND_UNSUITED",
        "not-supported",
        "this private key is encrypted in a way that OpenSSL does not offer here",
        { cause },
      );
    }
    throw new HsmError(
      "KEY_PASSWORD_WRONG",
      "authentication",
      "wrong password for this private key (or a damaged file)",
      {
        advice: "nothing was sent to a token; try the password again, or another copy of the file",
        cause,
      },
    );
  }
}

async function passwordOf(options: KeyImportOptions): Promise<Uint8Array> {
  if (options.password !== undefined) return options.password();
  throw new HsmError("KEY_PASSWORD_MISSING", "usage", "this key file is encrypted and no password was given", {
    advice: "name where the password comes from with `--password SOURCE`",
  });
}

function checkHoldable(key: PlainKey): void {
  const bits = key.kind === "rsa" ? bitLength(key.modulus) : key.kind === "aes" ? 8 * key.value.length : 0;
  if (key.kind === "rsa" && (bits < 1024 || bits > 4096)) throw unsuited(`an RSA key of ${bits} bits`, "1024 to 4096");
  if (key.kind === "aes" && ![128, 192, 256].includes(bits))
    throw unsuited(`an AES key of ${bits} bits`, "128, 192 or 256");
  if (key.kind === "ec" && curveByName(key.curve) === undefined) throw invalid("its curve is unknown");
}

/** The certificate that holds the key's own public half goes first; the others keep their order. */
function ownFirst(key: PlainKey, certificates: readonly Uint8Array[]): Uint8Array[] {
  const parsed = certificates.map((der) => {
    const certificate = certificateOf(der);
    if (certificate === null) throw invalid("one of the certificates beside the key cannot be read");
    return { der, certificate };
  });
  if (key.kind === "aes" || parsed.length === 0) return parsed.map(({ der }) => der);
  const own = publicKeyDer(key);
  const isOwn = ({ certificate }: { readonly certificate: X509Certificate }): boolean => {
    try {
      return equal(own, new Uint8Array(certificate.publicKey.export({ format: "der", type: "spki" })));
    } catch {
      return false; // A key of a kind that this OpenSSL does not know is not ours.
    }
  };
  if (!parsed.some(isOwn)) {
    throw new HsmError("KEY_INCONSISTENT", "check-failed", "none of the certificates beside the key is the key's own", {
      advice: "take the certificates out of the file, or take the file that belongs to this key",
    });
  }
  return [...parsed.filter(isOwn), ...parsed.filter((one) => !isOwn(one))].map(({ der }) => der);
}

function certificateOf(der: Uint8Array): X509Certificate | null {
  try {
    return new X509Certificate(der);
  } catch {
    return null;
  }
}

function base64Body(body: string): Uint8Array {
  const text = body.replace(/\s+/g, "");
  if (!/^[0-9A-Za-z+/]+={0,2}$/.test(text) || text.length % 4 !== 0) throw invalid("its PEM text is no base64");
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function ambiguous(count: number): HsmError {
  return new HsmError("KEY_AMBIGUOUS", "usage", `this file holds ${count} private keys`, {
    advice: "put the one key that is meant into a file of its own",
  });
}

function notPrivate(problem: string): HsmError {
  return new HsmError("KEY_NOT_PRIVATE", "usage", problem, { advice: "name the file with the private key" });
}

function unsuited(subject: string, held: string): HsmError {
  return new HsmError("KEY_SIZE_UNSUITED", "not-supported", `a SmartCard-HSM cannot hold ${subject}`, {
    advice: `it holds ${held} bits`,
  });
}

function invalid(problem: string): HsmError {
  return new HsmError("KEY_FILE_INVALID", "check-failed", `not a usable key file: ${problem}`);
}
