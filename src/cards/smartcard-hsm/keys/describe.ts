import { HsmError } from "../../../errors.ts";
import { fileIds } from "../file-ids.ts";
import { deleteFile, listFiles, readFileIfThere, writeFile } from "../files.ts";
import {
  decodeKeyDescription,
  encodeKeyDescription,
  type NewKeyDescription,
  relabelKeyDescription,
} from "../pkcs15-key-description.ts";
import type { Session } from "../session.ts";
import { keyNotFound, keyReferences, readKey } from "./key-list.ts";
import { parseKeyCertificate } from "./public-key.ts";
import { checkKeyReference, defaultKeyId } from "./token-key.ts";

/**
 * Writes the description of a key in one piece, in place of the one before. Needs a login.
 * @param description settings, or the bytes of a description that was read elsewhere
 * @throws HsmError `KEY_DESCRIPTION_INVALID` before anything is sent
 */
export async function writeKeyDescription(
  session: Session,
  ref: number,
  description: NewKeyDescription | Uint8Array,
): Promise<void> {
  checkKeyReference(ref);
  const bytes = description instanceof Uint8Array ? description : encodeKeyDescription(description);
  decodeKeyDescription(bytes);
  // In place, so that there is never no description; readers stop at the end of the object.
  await writeFile(session, fileIds.keyDescription + ref, bytes);
}

/**
 * Puts a certificate, or the request again, beside a key. Needs a login.
 * @param bytes X.509 or card verifiable certificate, or authenticated request, with nothing behind it
 * @throws HsmError `KEY_CERTIFICATE_INVALID`, `CVC_INVALID`, `TLV_INVALID` (check-failed) before anything is sent
 */
export async function writeKeyCertificate(session: Session, ref: number, bytes: Uint8Array): Promise<void> {
  checkKeyReference(ref);
  const { raw } = parseKeyCertificate(bytes);
  // In place: of many keys this file is the only place that knows the public half. Readers stop at the end of the object.
  await writeFile(session, fileIds.certificate + ref, raw);
}

/**
 * Gives a key another label, and a description where it has none that can be read. Needs a login.
 * @throws HsmError `KEY_NOT_FOUND` (usage), `KEY_DESCRIPTION_INVALID` (usage)
 */
export async function renameKey(session: Session, ref: number, label: string): Promise<void> {
  checkKeyReference(ref);
  const before = await readFileIfThere(session, fileIds.keyDescription + ref);
  if (readable(before)) {
    await writeKeyDescription(session, ref, relabelKeyDescription(before, label));
    return;
  }
  if (!keyReferences(await listFiles(session)).includes(ref)) throw keyNotFound(session, ref);
  const { kind, bits } = await readKey(session, ref);
  if (kind === "unknown" || bits === null) {
    throw new HsmError(
      "KEY_KIND_UNKNOWN",
      "check-failed",
      `key ${ref} on ${session.token} has neither description nor certificate: what it is cannot be known`,
      { advice: "describe it in full, or delete it", token: session.token },
    );
  }
  await writeKeyDescription(session, ref, { kind, label, id: defaultKeyId(ref), bits, keyReference: ref });
}

/**
 * Deletes a key, then its description and its certificate: broken off anywhere it is gone or it is whole, and doing it
 * again finishes. Needs a login.
 * @throws HsmError `KEY_NOT_FOUND` (usage) when none of the three was there
 */
export async function deleteKey(session: Session, ref: number): Promise<void> {
  checkKeyReference(ref);
  let found = false;
  for (const prefix of [fileIds.key, fileIds.keyDescription, fileIds.certificate]) {
    found = (await deleteFile(session, prefix + ref)) || found;
  }
  if (!found) throw keyNotFound(session, ref);
}

function readable(description: Uint8Array): boolean {
  if (description.length === 0) return false;
  try {
    decodeKeyDescription(description);
    return true;
  } catch (error) {
    if (error instanceof HsmError) return false;
    throw error;
  }
}
