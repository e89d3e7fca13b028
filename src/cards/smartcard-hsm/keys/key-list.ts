import { readTlv } from "../../../bytes/tlv.ts";
import { HsmError } from "../../../errors.ts";
import { fileIds } from "../file-ids.ts";
import { listFiles, readFileIfThere } from "../files.ts";
import { decodeKeyDescription, type KeyDescription } from "../pkcs15-key-description.ts";
import type { Session } from "../session.ts";
import { type KeyMetadata, selectKey } from "./key-metadata.ts";
import { bitsOfKey, type KeyCertificate, parseKeyCertificate } from "./public-key.ts";
import { checkKeyReference, type TokenKey } from "./token-key.ts";

/** The key references for which the token lists a key, in order. Key 0 is the device's own. */
export function keyReferences(files: readonly number[]): number[] {
  const refs = files.filter((fid) => (fid & 0xff00) === fileIds.key && (fid & 0xff) !== 0).map((fid) => fid & 0xff);
  return [...new Set(refs)].sort((a, b) => a - b);
}

/**
 * The first key reference of which neither key, description nor certificate is there. A certificate may outlive its
 * key: taking its place would show it as the new key's.
 * @throws HsmError `TOKEN_FULL` when all 255 are taken
 */
export function freeKeyReference(files: readonly number[], token: string): number {
  const prefixes: readonly number[] = [fileIds.key, fileIds.keyDescription, fileIds.certificate];
  const taken = new Set(files.filter((fid) => prefixes.includes(fid & 0xff00)).map((fid) => fid & 0xff));
  for (let ref = 1; ref <= 255; ref++) if (!taken.has(ref)) return ref;
  throw new HsmError("TOKEN_FULL", "conflict", `${token} has no free key reference: all 255 are taken`, {
    advice: "delete keys that are no longer needed",
    token,
  });
}

/**
 * All keys, in two exchanges each (one for AES) and one for the list. No login needed.
 * @param wanted `metadata` costs another exchange for each key
 */
export async function listKeys(session: Session, wanted: { readonly metadata: boolean }): Promise<TokenKey[]> {
  const keys: TokenKey[] = [];
  for (const ref of keyReferences(await listFiles(session))) {
    keys.push(await describedKey(session, ref, wanted.metadata ? await session.send(selectKey(ref)) : null));
  }
  return keys;
}

/**
 * One key by its reference: description, certificate and metadata, three exchanges. It has no list to look into, so a
 * key without either file passes for missing.
 * @throws HsmError `KEY_NOT_FOUND` (usage)
 */
export async function readKey(session: Session, ref: number): Promise<TokenKey> {
  const metadata = await session.send(selectKey(checkKeyReference(ref)));
  const key = await describedKey(session, ref, metadata);
  if (key.descriptionBytes !== null || key.certificateBytes !== null || metadata !== null) return key;
  if (keyReferences(await listFiles(session)).includes(ref)) return key;
  throw keyNotFound(session, ref);
}

export function keyNotFound({ token }: Session, ref: number): HsmError {
  return new HsmError("KEY_NOT_FOUND", "usage", `${token} has no key ${ref}`, {
    advice: "`hsmadm key list` shows what is there",
    token,
  });
}

async function describedKey(session: Session, ref: number, metadata: KeyMetadata | null): Promise<TokenKey> {
  const descriptionBytes = await readFileIfThere(session, fileIds.keyDescription + ref);
  const problems: string[] = [];
  const description = tried(() => decodeKeyDescription(descriptionBytes), descriptionBytes, problems, "description");
  // An AES key has no public half, so nothing to look for.
  const certificateBytes =
    description?.kind === "aes" ? new Uint8Array(0) : await readFileIfThere(session, fileIds.certificate + ref);
  return keyFrom({ ref, description, descriptionBytes, certificateBytes, metadata, problems });
}

/** Puts together what was read of a key. */
export function keyFrom(parts: {
  readonly ref: number;
  readonly description: KeyDescription | null;
  readonly descriptionBytes: Uint8Array;
  readonly certificateBytes: Uint8Array;
  readonly metadata: KeyMetadata | null;
  readonly problems?: readonly string[];
}): TokenKey {
  const { ref, description, descriptionBytes, certificateBytes, metadata } = parts;
  const problems = [...(parts.problems ?? [])];
  const certificate = tried<KeyCertificate>(
    () => parseKeyCertificate(certificateBytes),
    certificateBytes,
    problems,
    "certificate",
  );
  const publicKey = certificate?.publicKey ?? null;
  if (descriptionBytes.length === 0) problems.push("it has no description: PKCS#11 programs do not see it");
  if (publicKey !== null && description !== null && publicKey.kind !== description.kind) {
    problems.push("its description and its certificate speak of different kinds of key");
  }
  return {
    ref,
    label: description?.label ?? "",
    id: description?.id ?? new Uint8Array(0),
    // The certificate was made by the key; a description is what somebody wrote.
    kind: publicKey?.kind ?? description?.kind ?? "unknown",
    bits: publicKey === null ? (description?.bits ?? null) : bitsOfKey(publicKey),
    curve: publicKey?.kind === "ec" ? publicKey.curve : null,
    usage: description?.usage ?? [],
    description,
    descriptionBytes: descriptionBytes.length === 0 ? null : objectIn(descriptionBytes),
    certificateBytes: certificateBytes.length === 0 ? null : (certificate?.raw ?? certificateBytes),
    certificate: certificate?.kind ?? null,
    publicKey,
    metadata,
    problems,
  };
}

/** What cannot be read is a problem to be told, no reason to hide the key. */
function tried<Result>(read: () => Result, bytes: Uint8Array, problems: string[], name: string): Result | null {
  if (bytes.length === 0) return null;
  try {
    return read();
  } catch (error) {
    if (!(error instanceof HsmError)) throw error;
    problems.push(`its ${name} cannot be read: ${error.message}`);
    return null;
  }
}

/** Without the tail of an older, longer file. */
function objectIn(bytes: Uint8Array): Uint8Array {
  try {
    return readTlv(bytes, "file").raw;
  } catch {
    return bytes;
  }
}
